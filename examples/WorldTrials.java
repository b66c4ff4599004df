import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;
import dev.fathom.world.NameMovers;
import dev.fathom.world.Trials;
import dev.fathom.world.World;

/// Does ablation find the subject of a fact, and the same heads as path patching?
void main() {
  var directory = Bundled.TIDEPOOL.directory(Bundled.userCache());
  var tokenizer = Tokenizers.load(directory);
  try (var model = Models.load(directory, DType.F32)) {
    var config = Trials.Config.standard().withFacts(14).withStories(8);
    var trial = Trials.ablation(model, tokenizer, World.load(), config);
    IO.println(
        "%d of %d on the subject; chance would give %.2f"
            .formatted(trial.share().hits(), trial.share().of(), trial.chance()));
    NameMovers movers = Trials.nameMovers(model, tokenizer, World.load(), config);
    IO.println("by ablation:      " + NameMovers.top(movers.ablated(), 5));
    IO.println("by path patching: " + NameMovers.top(movers.direct(), 5));
  }
}
