import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;
import dev.fathom.world.ConceptTrial;
import dev.fathom.world.World;

/// Do directions of concepts find what is known? A folder for dictionaries.
void main(String[] args) {
  var folder = Path.of(args[0]);
  var directory = Bundled.TIDEPOOL.directory(Bundled.userCache());
  var tokenizer = Tokenizers.load(directory);
  try (var model = Models.load(directory, DType.F32);
      var twin = Models.load(Bundled.TIDEPOOL_FAIR.directory(Bundled.userCache()), DType.F32)) {
    int most = ConceptTrial.MOST;
    var result = ConceptTrial.run(model, twin, tokenizer, World.load(), most, folder, _ -> {});
    for (var aim : result.aims()) {
      IO.println("%s: %s (%s)".formatted(aim.text(), aim.value(), aim.met() ? "met" : "missed"));
    }
  }
}
