import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.explain.lens.Dola;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generator;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Continues a text with DoLa and says which layer each token was contrasted with. Arguments: a
/// directory, a prompt.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  try (var model = Models.load(directory, DType.F32)) {
    var dola = Dola.of(model, Dola.Config.low(model));
    var text = Generator.of(dola, tokenizer).run(prompt.ids(), Decoding.greedy(20));
    IO.println(text.text());
    var ids = Stream.concat(text.prompt().stream(), text.tokens().stream());
    var whole = Prompt.ofIds(tokenizer, ids.mapToInt(Integer::intValue).toArray());
    var layers = dola.trace(tokenizer, whole, prompt.length()).layers();
    for (int t = 0; t < text.tokens().size(); t++) {
      IO.println("%s  layer %d".formatted(layers.axis(0).label(t), layers.integerAt(t)));
    }
  }
}
