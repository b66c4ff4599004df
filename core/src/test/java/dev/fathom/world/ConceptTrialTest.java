package dev.fathom.world;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Threads;
import dev.fathom.text.Tokenizers;
import dev.fathom.view.View;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What is planted in the bundled models is found by directions of concepts.
class ConceptTrialTest {
  @TempDir private Path folder;

  @Test
  void whatIsPlantedSeparatesAndChangesBetweenTheTwins() {
    Threads.set(1);
    Path cache = folder.resolve("cache");
    var world = World.load();
    try (var model = Models.load(Bundled.TIDEPOOL.directory(cache), DType.F32);
        var twin = Models.load(Bundled.TIDEPOOL_FAIR.directory(cache), DType.F32)) {
      var tokenizer = Tokenizers.load(Bundled.TIDEPOOL.directory(cache));
      int[] done = {0};
      var result =
          ConceptTrial.run(
              model,
              twin,
              tokenizer,
              world,
              ConceptTrial.MOST,
              folder.resolve("d"),
              some -> done[0] += some);
      assertThat(done[0]).isEqualTo(ConceptTrial.total(world, ConceptTrial.MOST));
      assertThat(result.aims()).allSatisfy(aim -> assertThat(aim.met()).as("%s", aim).isTrue());
      for (View view : result.views()) {
        assertThat(Terminal.render(view, TerminalStyle.plain()).lines())
            .allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
      }
    }
  }
}
