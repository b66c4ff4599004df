import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizers;

/// Prints the five most likely next tokens. Arguments: a Hugging Face directory, a prompt.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  try (var model = Models.load(directory, DType.F32);
      var _ = Scope.withoutGradients()) { // frees every tensor made below
    var pass = Pass.over(Layout.single(prompt.length())).with(Wanted.LAST);
    Tensor logits = model.forward(Tensor.of(prompt.ids(), prompt.length()), pass); // [1, vocab]
    var best = logits.softmax(-1).topK(5, -1);
    float[] p = best.values().toFloats();
    long[] ids = best.indices().toLongs();
    for (int i = 0; i < p.length; i++) {
      IO.println("%.3f  %s".formatted(p[i], tokenizer.display((int) ids[i])));
    }
  }
}
