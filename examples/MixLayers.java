import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generator;
import dev.fathom.refine.Exit;
import dev.fathom.refine.MixtureModel;
import dev.fathom.refine.Mod;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Continues a text with a mixture of late layers, of which one counts for each token. Arguments: a
/// directory, a mixture's file, a prompt.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[2], Prompt.Options.PLAIN);
  try (var model = Models.load(directory, DType.F32);
      var mod = Mod.open(Path.of(args[1]), model)) {
    var mixture = MixtureModel.of(model, mod.withTopK(1)).with(Exit.EXACT);
    IO.println(Generator.of(mixture, tokenizer).run(prompt.ids(), Decoding.greedy(20)).text());
  }
}
