package dev.fathom.world;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Threads;
import dev.fathom.text.Tokenizers;
import dev.fathom.world.AlignmentTrialResult.Aim;
import dev.fathom.world.AlignmentTrialResult.Measured;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The planted shares of the bundled model are found and taken out, on the occupations that were
/// fitted on and on the others. With fewer methods, facts and texts than the command takes.
class AlignmentTrialTest {
  @TempDir private Path cache;

  @Test
  void plantedSharesAreFoundAndTakenOut() {
    Threads.set(1); // more only wait for each other over products this small
    var config =
        AlignmentTrial.Config.standard()
            .withMethods(List.of("gap", "random", "sentence-debias", "subtraction"))
            .withNeurons(List.of(10), 5)
            .withSamples(400, 200);
    try (var model = Models.load(Bundled.TIDEPOOL.open(cache), DType.F32);
        var fair = Models.load(Bundled.TIDEPOOL_FAIR.open(cache), DType.F32)) {
      var tokenizer = Tokenizers.load(Bundled.TIDEPOOL.directory(cache));
      AlignmentTrialResult result =
          AlignmentTrial.run(model, fair, tokenizer, World.load(), config);
      assertThat(result.aims()).hasSize(6);
      assertThat(result.aims()).as("%s", result.aims()).allMatch(Aim::met);
      Measured gap = result.outcome("gap").orElseThrow().measured();
      Measured before = result.outcome("nothing").orElseThrow().measured();
      assertThat(gap.nearHeld()).isGreaterThanOrEqualTo(0.8);
      assertThat(gap.divergenceHeld()).isLessThan(before.divergenceHeld() / 10);
      assertThat(result.outcome("random").orElseThrow().measured().nearHeld())
          .isLessThan(before.nearHeld() + 0.1);
      assertThat(result.probes())
          .allSatisfy(probe -> assertThat(probe.shuffled()).isBetween(0.3, 0.7));
    }
  }

  @Test
  void noOccupationIsInBothHalves() {
    var questions = new AlignmentQuestions(World.load());
    List<String> fitted =
        World.load().occupations().stream()
            .filter(o -> questions.isFitted(o.singular()))
            .map(Occupation::singular)
            .toList();
    assertThat(fitted).hasSize(59);
    assertThat(questions.items())
        .allSatisfy(item -> assertThat(fitted).contains(item.target()))
        .hasSizeGreaterThan(200);
    assertThat(World.load().occupations())
        .allSatisfy(o ->
            assertThat(questions.isFitted(o.plural())).isEqualTo(questions.isFitted(o.singular())));
    assertThat(questions.neutral(500)).noneMatch(text -> text.contains("pilot"));
  }
}
