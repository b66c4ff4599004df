import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.model.Capture;
import dev.fathom.model.Captured;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Slice;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizers;

/// Prints where a head looks, and the length of the stream. Arguments: a directory, a prompt.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var prompt = Prompt.of(Tokenizers.load(directory), args[1], Prompt.Options.PLAIN);
  try (var model = Models.load(directory, DType.F32);
      var _ = Scope.withoutGradients()) {
    var head = Slice.of(Kind.PATTERN, 3).heads(0).at(-1); // the last query of head 0
    var stream = Slice.of(Kind.RESID_POST, 3).at(-1);
    var capture = Capture.of(head, stream);
    var pass = Pass.over(Layout.single(prompt.length())).with(capture);
    model.forward(Tensor.of(prompt.ids(), prompt.length()), pass);
    Captured pattern = capture.get(head); // [batch, heads, queries, keys]
    for (int key = 0; key < prompt.length(); key++) {
      IO.println("%.3f  %s".formatted(pattern.at(0, 0, 0, key), prompt.tokens().pieces().get(key)));
    }
    double squares = 0;
    for (float x : capture.get(stream).vector(0, 0)) {
      squares += x * x;
    }
    IO.println("‖%s‖ = %.2f".formatted(stream, Math.sqrt(squares)));
  }
}
