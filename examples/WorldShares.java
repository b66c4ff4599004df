import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;
import dev.fathom.world.World;
import dev.fathom.world.WorldCheck;
import dev.fathom.world.WorldReport;

/// Prints what is planted in the bundled model's world beside what the model predicts.
void main() {
  var directory = Bundled.TIDEPOOL.directory(Bundled.userCache());
  var tokenizer = Tokenizers.load(directory);
  try (var model = Models.load(directory, DType.F32)) {
    WorldReport report = WorldCheck.run(model, tokenizer, World.load());
    for (var share : report.shares()) {
      var planted = share.planted();
      IO.println(
          "%-10s %-13s %-10s planted %.2f  predicted %.2f"
              .formatted(
                  planted.relation(),
                  planted.subject(),
                  planted.first(),
                  planted.rate(),
                  share.predicted()));
    }
    report.missed().forEach(IO::println);
  }
}
