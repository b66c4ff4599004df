import dev.fathom.arch.Models;
import dev.fathom.concepts.ActiveConcepts;
import dev.fathom.concepts.BundledConcepts;
import dev.fathom.concepts.Compilation;
import dev.fathom.concepts.Dictionary;
import dev.fathom.concepts.decompose.ElasticNet;
import dev.fathom.data.Prompt;
import dev.fathom.explain.Names;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Reads concepts as directions, then a text by them. Model's directory, dictionary's folder, text.
void main(String[] args) {
  var folder = Path.of(args[1]);
  var tokenizer = Tokenizers.load(Path.of(args[0]));
  try (var model = Models.load(Path.of(args[0]), DType.F32)) {
    var concepts = BundledConcepts.all();
    var config = Compilation.Config.standard(model);
    Compilation.run(model, tokenizer, concepts, concepts, config, folder, _ -> {});
    try (var dictionary = Dictionary.open(folder)) {
      var prompt = Prompt.of(tokenizer, args[2], Prompt.Options.PLAIN);
      var names = new Names(model, tokenizer).tokens(prompt);
      int layer = dictionary.bestLayer();
      var way = new ActiveConcepts.Config(layer, ElasticNet.standard(), true, 0);
      var active = ActiveConcepts.of(model, prompt, names, dictionary, way);
      for (int concept : active.heaviest()) {
        IO.println(active.concepts().get(concept));
      }
    }
  }
}
