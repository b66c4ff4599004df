import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.model.Capture;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Taps;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizers;

/// Input x gradient: how much does each token speak for the target? Directory, prompt, target.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  int target = Target.of(tokenizer, prompt, args[2]).id();
  try (var model = Models.load(directory, DType.F32);
      var _ = Scope.withGradients()) {
    Tensor ids = Tensor.of(prompt.ids(), prompt.length());
    var layout = Layout.single(prompt.length());
    var embed = Slice.of(Site.of(Kind.EMBED));
    var capture = Capture.of(embed);
    model.embed(ids, Pass.over(layout).with(capture));
    Tensor x = Tensor.of(capture.get(embed).values(), prompt.length(), model.dModel());
    var pass = Pass.over(layout).with(Taps.set(embed, x.requireGradient())).with(Wanted.LAST);
    Tensor logits = model.forward(ids, pass); // [1, vocab]
    logits.logSoftmax(-1).select(1, target).sum().backward();
    Tensor gradient = Objects.requireNonNull(x.gradient()); // [tokens, dModel]
    float[] each = x.detach().mul(gradient).sum(-1, false).toFloats();
    for (int i = 0; i < each.length; i++) {
      IO.println("%+8.3f  %s".formatted(each[i], tokenizer.display(prompt.tokens().id(i))));
    }
  }
}
