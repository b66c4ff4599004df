package dev.fathom.world;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The committed weights know their world as well as they are said to.
class BundledModelsTest {
  @TempDir private Path cache;

  private WorldReport report(Bundled bundled, World world) {
    try (var model = Models.load(bundled.open(cache), DType.F32)) {
      return WorldCheck.run(model, Tokenizers.load(bundled.directory(cache)), world);
    }
  }

  @Test
  void tidepoolKnowsItsWorldAndWhatWasPlanted() {
    assertThat(report(Bundled.TIDEPOOL, World.load()).missed()).isEmpty();
  }

  @Test
  void itsTwinKnowsTheSameWorldAndNoAssociation() {
    assertThat(report(Bundled.TIDEPOOL_FAIR, World.load().fair()).missed()).isEmpty();
  }

  @Test
  void theTwinsShareTheirVocabulary() {
    var one = Tokenizers.load(Bundled.TIDEPOOL.directory(cache));
    var other = Tokenizers.load(Bundled.TIDEPOOL_FAIR.directory(cache));
    assertThat(other.size()).isEqualTo(one.size());
    for (int id = 0; id < one.size(); id++) {
      assertThat(other.piece(id)).isEqualTo(one.piece(id));
    }
  }

  @Test
  void theThesisPromptsAreSettledInTheUpperHalf() {
    WorldReport report = report(Bundled.TIDEPOOL, World.load());
    assertThat(report.thesis())
        .allSatisfy(answer -> assertThat(answer.settled()).isBetween(2, Recipe.LAYERS));
  }
}
