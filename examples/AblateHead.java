import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Slice;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizers;

/// Which heads of a layer does the target need? Arguments: directory, prompt, target, layer.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  int target = Target.of(tokenizer, prompt, args[2]).id();
  int layer = Integer.parseInt(args[3]);
  try (var model = Models.load(directory, DType.F32)) {
    IO.println("all heads: p %.4f".formatted(probability(model, prompt, target, Tap.NONE)));
    for (int head = 0; head < model.blocks().get(layer).attention().heads(); head++) {
      var z = Slice.of(Kind.Z, layer).heads(head);
      double p = probability(model, prompt, target, Taps.zero(z));
      IO.println("without %s: p %.4f".formatted(z, p));
    }
  }
}

double probability(Transformer model, Prompt prompt, int target, Tap tap) {
  try (var _ = Scope.withoutGradients()) {
    var pass = Pass.over(Layout.single(prompt.length())).with(tap).with(Wanted.LAST);
    Tensor logits = model.forward(Tensor.of(prompt.ids(), prompt.length()), pass); // [1, vocab]
    return logits.softmax(-1).select(1, target).item();
  }
}
