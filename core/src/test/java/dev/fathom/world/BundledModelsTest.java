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
  void tidepoolFairKnowsTheSameAndHasNothingPlanted() {
    assertThat(report(Bundled.TIDEPOOL_FAIR, World.load().fair()).missed()).isEmpty();
  }
}
