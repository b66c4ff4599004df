package dev.fathom.explain.causal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.data.Prompt;
import dev.fathom.data.TokenSpan;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.MeanInterval;
import dev.fathom.explain.Metric;
import dev.fathom.explain.causal.Ablation.Part;
import dev.fathom.explain.causal.CausalTracing.State;
import dev.fathom.explain.causal.PromptSet.Item;
import dev.fathom.explain.causal.TracingStatistics.Counted;
import dev.fathom.model.Numbers;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.view.Grid;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Ablation and causal tracing averaged over prompts.
class PromptSetTest {
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);

  /// One of each block order.
  static Stream<TinyModels.Variant> models() {
    var seen = EnumSet.noneOf(TinyModels.Order.class);
    return TinyModels.some(DType.F64).stream().filter(variant -> seen.add(variant.order()));
  }

  private static Item item(int number, int length) {
    return Item.of("p" + number, Prompt.ofIds(NUMBERS, TinyModel.idArray(length, number)))
        .withTarget(3 + number);
  }

  /// Prompts of several lengths, with subjects of one, two and four tokens.
  private static PromptSet differing(Metric metric) {
    return new PromptSet(
        List.of(
            item(1, 6).about(new TokenSpan(1, 2)),
            item(2, 8).about(new TokenSpan(0, 3)),
            item(3, 5).about(new TokenSpan(2, 2)),
            item(4, 7).about(new TokenSpan(3, 5))),
        metric);
  }

  private static PromptSet same() {
    return new PromptSet(List.of(item(1, 5), item(2, 5), item(3, 5)), Metric.LOGIT);
  }

  private static AblationStatisticsResult ablate(
      Transformer model, PromptSet prompts, Path folder, IntConsumer listener, Part... parts) {
    try (var items = ItemDirectory.open(folder, new LinkedHashMap<>())) {
      return AblationStatistics.run(
          model, NUMBERS, prompts, Ablation.Config.standard().of(parts), items, listener);
    }
  }

  private static TracingStatisticsResult trace(
      Transformer model, PromptSet prompts, Counted counted, Path folder) {
    try (var items = ItemDirectory.open(folder, new LinkedHashMap<>())) {
      return TracingStatistics.run(
          model, NUMBERS, prompts, tracing(model), counted, items, _ -> {});
    }
  }

  private static CausalTracing.Config tracing(Transformer model) {
    return CausalTracing.Config.standard(model).withSamples(2).of(State.HIDDEN, State.MLP);
  }

  @ParameterizedTest
  @MethodSource("models")
  void theMeanOfAblationsOfOneLengthIsThatOfSingleRuns(
      TinyModels.Variant variant, @TempDir Path folder) {
    try (var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var found = ablate(model, same(), folder, _ -> {}, Part.MLP, Part.HEAD);
      for (Part part : List.of(Part.MLP, Part.HEAD)) {
        Grid mean = found.effect(part).mean();
        for (int layer = 0; layer < mean.axis(0).size(); layer++) {
          for (int column = 0; column < mean.axis(1).size(); column++) {
            var expected = new MeanInterval();
            for (Item item : same().items()) {
              var single =
                  Ablation.run(
                      model,
                      NUMBERS,
                      item.question(model, Metric.LOGIT),
                      Ablation.Config.standard().of(part));
              expected.add(single.effect(part).at(layer, column));
            }
            assertThat(mean.at(layer, column)).isCloseTo(expected.mean(), within(1e-6));
            assertThat(found.effect(part).high().at(layer, column))
                .isCloseTo(expected.high(), within(1e-5));
            assertThat(found.effect(part).count().integerAt(layer, column)).isEqualTo(3);
          }
        }
      }
      assertThat(found.views()).hasSize(3);
    }
  }

  @Test
  void promptsOfDifferentLengthsAreLaidOverEachOtherByRole(@TempDir Path folder) {
    try (var tiny = TinyModels.llama(DType.F64)) {
      Transformer model = tiny.model();
      var prompts = differing(Metric.LOGIT);
      var mlp = ablate(model, prompts, folder, _ -> {}, Part.MLP).effect(Part.MLP);
      assertThat(mlp.mean().axis(1).labels())
          .containsExactly(
              "before", "subj first", "subj mid", "subj last", "just after", "further", "last");
      assertThat(mlp.count().select(0, 0).integers()).containsExactly(3, 3, 2, 4, 3, 2, 4);
      var single = new ArrayList<Grid>();
      for (Item item : prompts.items()) {
        var config = Ablation.Config.standard().of(Part.MLP);
        single.add(
            Ablation.run(model, NUMBERS, item.question(model, Metric.LOGIT), config)
                .effect(Part.MLP));
      }
      for (int layer = 0; layer < model.layers(); layer++) {
        assertThat(mlp.mean().at(layer, 6))
            .as("last")
            .isCloseTo(
                mean(
                    single.get(0).at(layer, 5),
                    single.get(1).at(layer, 7),
                    single.get(2).at(layer, 4),
                    single.get(3).at(layer, 6)),
                within(1e-6));
        assertThat(mlp.mean().at(layer, 3))
            .as("last subject token")
            .isCloseTo(
                mean(
                    single.get(0).at(layer, 2),
                    single.get(1).at(layer, 3),
                    single.get(2).at(layer, 2),
                    single.get(3).at(layer, 5)),
                within(1e-6));
        assertThat(mlp.mean().at(layer, 2))
            .as("middle: a mean over tokens, then over prompts")
            .isCloseTo(
                mean(
                    mean(single.get(1).at(layer, 1), single.get(1).at(layer, 2)),
                    single.get(3).at(layer, 4)),
                within(1e-6));
        assertThat(mlp.mean().at(layer, 5))
            .as("further")
            .isCloseTo(
                mean(
                    single.get(0).at(layer, 4),
                    mean(single.get(1).at(layer, 5), single.get(1).at(layer, 6))),
                within(1e-6));
      }
    }
  }

  private static double mean(double... values) {
    return DoubleStream.of(values).average().orElseThrow();
  }

  @ParameterizedTest
  @EnumSource(names = {"PROBABILITY", "KL"})
  void theMeanOfTracesIsThatOfSingleRunsWithTheSameNoise(Metric metric, @TempDir Path folder) {
    try (var tiny = TinyModels.llama(DType.F64)) {
      Transformer model = tiny.model();
      var prompts = differing(metric);
      var found = trace(model, prompts, Counted.ALL, folder);
      double deviation =
          CausalTracing.deviation(
              model,
              prompts.items().stream()
                  .map(item -> {
                    var subject = item.subject().orElseThrow();
                    return Arrays.copyOfRange(
                        item.prompt().ids(), subject.first(), subject.last() + 1);
                  })
                  .toList());
      var total = new MeanInterval();
      var last = new MeanInterval();
      for (Item item : prompts.items()) {
        var single =
            CausalTracing.run(
                model,
                NUMBERS,
                item.question(model, metric),
                item.subject().orElseThrow(),
                tracing(model).withDeviation(deviation));
        total.add(single.totalEffect());
        last.add(single.indirectEffect(State.MLP).at(1, item.position()));
      }
      assertThat(found.totalEffect().mean()).isCloseTo(total.mean(), within(1e-9));
      assertThat(found.totalEffect().low()).isCloseTo(total.low(), within(1e-9));
      MeanMap mlp = found.indirectEffect(State.MLP);
      int column = mlp.mean().axis(1).labels().indexOf(TokenRole.LAST.label());
      assertThat(mlp.mean().at(1, column)).isCloseTo(last.mean(), within(1e-6));
      assertThat(mlp.low().at(1, column)).isCloseTo(last.low(), within(1e-6));
      assertThat(mlp.mean().axis(1).labels())
          .as("what stands before the subject is not noisy")
          .doesNotContain(TokenRole.BEFORE.label());
      assertThat(found.counted()).isEqualTo(4);
      assertThat(found.views()).hasSize(5);
    }
  }

  @Test
  void onlyKnownFactsAreTraced(@TempDir Path folder) {
    try (var tiny = TinyModels.llama(DType.F64)) {
      Transformer model = tiny.model();
      var unknown = differing(Metric.PROBABILITY);
      var items = new ArrayList<>(unknown.items());
      items.set(0, items.get(0).withTarget(items.get(0).said(model)));
      items.replaceAll(item ->
          item.key().equals("p1") || item.said(model) != item.target().orElseThrow()
              ? item
              : item.withTarget((item.said(model) + 1) % 50));
      var found =
          trace(
              model,
              new PromptSet(items, Metric.PROBABILITY),
              Counted.KNOWN,
              folder.resolve("one"));
      assertThat(found.prompts()).isEqualTo(4);
      assertThat(found.counted()).isEqualTo(1);
      var none = new PromptSet(items.subList(1, 4), Metric.PROBABILITY);
      assertThatThrownBy(() -> trace(model, none, Counted.KNOWN, folder.resolve("none")))
          .hasMessageContaining("None of the 3 targets is what the model says itself");
    }
  }

  @Test
  void aKilledSetGoesOnAndEndsWithTheSameNumbers(@TempDir Path folder) throws IOException {
    try (var tiny = TinyModels.llama(DType.F32)) {
      Transformer model = tiny.model();
      var prompts = differing(Metric.LOGIT);
      var whole = ablate(model, prompts, folder.resolve("whole"), _ -> {}, Part.values());
      Path killed = folder.resolve("killed");
      int[] done = {0};
      IntConsumer dies =
          n -> {
            done[0] += n;
            if (done[0] == 2) {
              throw new IllegalStateException("killed");
            }
          };
      assertThatThrownBy(() -> ablate(model, prompts, killed, dies, Part.values()))
          .hasMessage("killed");
      Path items = killed.resolve("items.jsonl");
      assertThat(Files.readAllLines(items)).hasSize(2);
      Files.writeString(items, Files.readString(items) + "{\"key\":\"p"); // died within a line
      var again = ablate(model, prompts, killed, _ -> {}, Part.values());
      assertThat(items).hasSameTextualContentAs(folder.resolve("whole/items.jsonl"));
      assertThat(again.arrays()).isEqualTo(whole.arrays());
    }
  }

  @Test
  void whatCannotBeAveragedIsSaidInOneSentence(@TempDir Path folder) {
    try (var tiny = TinyModels.llama(DType.F32)) {
      Transformer model = tiny.model();
      var prompts = new PromptSet(List.of(item(1, 5), item(2, 6)), Metric.LOGIT);
      assertThatThrownBy(() -> ablate(model, prompts, folder.resolve("a"), _ -> {}, Part.MLP))
          .hasMessage(
              "Prompt 'p1' has 5 tokens and prompt 'p2' 6, so their positions cannot be averaged: give every prompt its subject (\"subject\" in its line), or ablate heads only.");
      assertThat(ablate(model, prompts, folder.resolve("b"), _ -> {}, Part.HEAD).prompts())
          .isEqualTo(2);
      assertThatThrownBy(() -> trace(model, prompts, Counted.ALL, folder.resolve("c")))
          .hasMessageContaining("Prompt 'p1' has no subject");
      assertThatThrownBy(() -> new PromptSet(List.of(item(1, 5), item(1, 6)), Metric.LOGIT))
          .hasMessageContaining("Two prompts have the key 'p1'");
    }
  }
}
