import dev.fathom.arch.Models;
import dev.fathom.model.Capture;
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

/// Adds the difference of two prompts' streams to a third. Arguments: directory, from, to, prompt.
void main(String[] args) {
  var tokenizer = Tokenizers.load(Path.of(args[0]));
  var site = Slice.of(Kind.RESID_POST, 24).at(-1);
  try (var model = Models.load(Path.of(args[0]), DType.F32); var _ = Scope.withoutGradients()) {
    Tensor from = stream(model, tokenizer.encode(args[1]).ids(), site);
    Tensor direction = stream(model, tokenizer.encode(args[2]).ids(), site).sub(from); // [dModel]
    int[] ids = tokenizer.encode(args[3]).ids();
    for (double factor : List.of(0.0, 0.5, 1.0, 2.0)) {
      var best = logits(model, ids, Taps.add(site, direction, factor)).argmax(-1);
      IO.println("%.1f: %s".formatted(factor, tokenizer.display((int) best.item())));
    }
  }
}

Tensor stream(Transformer model, int[] ids, Slice site) {
  var capture = Capture.of(site);
  logits(model, ids, capture);
  return Tensor.of(capture.get(site).vector(0, 0), model.dModel());
}

Tensor logits(Transformer model, int[] ids, Tap tap) {
  var pass = Pass.over(Layout.single(ids.length)).with(tap).with(Wanted.LAST);
  return model.forward(Tensor.of(ids, ids.length), pass); // [1, vocab]
}
