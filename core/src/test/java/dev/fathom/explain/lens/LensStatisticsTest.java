package dev.fathom.explain.lens;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.model.Numbers;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class LensStatisticsTest {
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);

  static List<Variant> variants() {
    return TinyModels.some(DType.F32);
  }

  private static List<LensStatistics.Item> prompts(int count) {
    return IntStream.range(0, count)
        .mapToObj(i -> {
          int length = 3 + (i * 7) % 11;
          var prompt = Prompt.ofIds(NUMBERS, TinyModel.idArray(length, i));
          OptionalInt target = i % 3 == 0 ? OptionalInt.empty() : OptionalInt.of(i % 50);
          return new LensStatistics.Item("p" + i, prompt, target, i % 2 == 0 ? length - 1 : 1);
        })
        .toList();
  }

  private static LensStatisticsResult run(
      TinyModel tiny, List<LensStatistics.Item> prompts, Path folder, IntConsumer listener) {
    try (var items = ItemDirectory.open(folder, new LinkedHashMap<>())) {
      return LensStatistics.run(
          tiny.model(), NUMBERS, prompts::forEach, Reading.LOGIT, items, listener);
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void meansAreThoseOfEveryPromptsOwnLens(Variant variant, @TempDir Path folder) {
    try (var tiny = TinyModels.of(variant)) {
      var prompts = prompts(10);
      var found = run(tiny, prompts, folder, _ -> {});
      int rows = TinyModels.LAYERS + 1;
      double[] probability = new double[rows];
      double[] rank = new double[rows];
      double[] entropy = new double[rows];
      double[] divergence = new double[rows];
      double[] agreement = new double[rows];
      double depth = 0;
      for (var item : prompts) {
        var config = LogitLens.Config.standard().at(item.position());
        if (item.target().isPresent()) {
          config = config.withTarget(item.target().getAsInt());
        }
        var lens = LogitLens.run(tiny.model(), NUMBERS, item.prompt(), config);
        for (int row = 0; row < rows; row++) {
          probability[row] += lens.targetProbability().at(row, item.position()) / 10;
          rank[row] += lens.targetRank().at(row, item.position()) / 10;
          entropy[row] += lens.entropy().at(row, item.position()) / 10;
          divergence[row] += lens.divergence().at(row, item.position()) / 10;
          agreement[row] +=
              lens.top(row, item.position()) == lens.top(rows - 1, item.position()) ? 0.1 : 0;
        }
        depth += ExitProfile.of(lens, true).commitDepth().at(item.position()) / 10;
      }
      for (int row = 0; row < rows; row++) {
        assertThat(found.probability().mean().at(row)).isCloseTo(probability[row], within(1e-5));
        assertThat(found.rank().mean().at(row)).isCloseTo(rank[row], within(1e-5));
        assertThat(found.entropy().mean().at(row)).isCloseTo(entropy[row], within(1e-4));
        assertThat(found.divergence().mean().at(row)).isCloseTo(divergence[row], within(1e-4));
        assertThat(found.agreement().mean().at(row)).isCloseTo(agreement[row], within(1e-6));
        assertThat(found.entropy().low().at(row)).isLessThan(entropy[row]);
        assertThat(found.entropy().high().at(row)).isGreaterThan(entropy[row]);
      }
      assertThat(found.commitDepth()).isCloseTo(depth, within(1e-9));
      assertThat(found.prompts()).isEqualTo(10);
      assertThat(found.views()).hasSize(4);
    }
  }

  @Test
  void aKilledRunGoesOnAndEndsWithTheSameFile(@TempDir Path folder) throws IOException {
    try (var tiny = TinyModels.gemma(DType.F32)) {
      var prompts = prompts(600);
      var whole = run(tiny, prompts, folder.resolve("whole"), _ -> {});
      Path killed = folder.resolve("killed");
      assertThatThrownBy(() ->
              run(
                  tiny,
                  prompts,
                  killed,
                  done -> {
                    throw new IllegalStateException("killed");
                  }))
          .hasMessage("killed");
      Path items = killed.resolve("items.jsonl");
      List<String> lines = Files.readAllLines(items);
      assertThat(lines).hasSizeBetween(2, 599);
      // as if it had died within a batch, and within a line
      Files.writeString(
          items, String.join("\n", lines.subList(0, lines.size() - 1)) + "\n{\"key\":\"p");
      var again = run(tiny, prompts, killed, _ -> {});
      assertThat(items).hasSameTextualContentAs(folder.resolve("whole/items.jsonl"));
      assertThat(again.arrays()).isEqualTo(whole.arrays());
    }
  }
}
