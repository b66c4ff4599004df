import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;
import dev.fathom.world.Learner;
import dev.fathom.world.Learning;
import dev.fathom.world.LearningResult.Exam;
import dev.fathom.world.World;
import java.nio.file.Path;

/// Can a mixture of all layers learn new facts, or a new wording of known ones? Takes the folder of
/// the run.
void main(String[] args) {
  var directory = Bundled.TIDEPOOL.directory(Bundled.userCache());
  var tokenizer = Tokenizers.load(directory);
  try (var model = Models.load(directory, DType.F32)) {
    var learners =
        Learner.all(model).stream()
            .filter(learner -> learner.name().matches("LoRA|MoD of all layers"))
            .toList();
    var config =
        Learning.Config.standard(model).withLearners(learners).withFacts(24).withSeeds(1);
    var result = Learning.run(model, tokenizer, World.load(), config, Path.of(args[0]));
    for (var lesson : result.lessons()) {
      var mixture = lesson.of("MoD of all layers");
      IO.println(
          "%s: %.2f right, of LoRA's gain %.2f"
              .formatted(
                  lesson.lesson(),
                  mixture.share(Exam::otherwise).value(),
                  lesson.recovered(mixture).value()));
    }
  }
}
