import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;
import dev.fathom.world.AlignmentTrial;
import dev.fathom.world.World;
import java.util.List;

/// Is a planted bias found, and taken out?
void main() {
  var directory = Bundled.TIDEPOOL.directory(Bundled.userCache());
  var twin = Bundled.TIDEPOOL_FAIR.directory(Bundled.userCache());
  var tokenizer = Tokenizers.load(directory);
  try (var model = Models.load(directory, DType.F32);
      var fair = Models.load(twin, DType.F32)) {
    var config =
        AlignmentTrial.Config.standard()
            .withMethods(List.of("gap", "random"))
            .withNeurons(List.of(10), 5)
            .withSamples(400, 200);
    var result = AlignmentTrial.run(model, fair, tokenizer, World.load(), config);
    for (var aim : result.aims()) {
      IO.println("%s: %s (%s)".formatted(aim.text(), aim.value(), aim.met() ? "met" : "missed"));
    }
  }
}
