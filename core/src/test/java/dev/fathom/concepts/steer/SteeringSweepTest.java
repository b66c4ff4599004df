package dev.fathom.concepts.steer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.align.Fittings;
import dev.fathom.align.Words;
import dev.fathom.concepts.steer.SteeringResult.Trial;
import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Likelihood;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generator;
import dev.fathom.model.Kind;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.render.Html;
import dev.fathom.render.Json;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.view.Report;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SteeringSweepTest {
  private static final Site STREAM = Site.of(Kind.RESID_POST, 1);
  private static final List<int[]> NEUTRAL =
      List.of(new int[] {5, 17, 99, 23}, new int[] {64, 3, 120, 8, 9}, new int[] {7});

  private static List<Prompt> prompts(Words words) {
    return List.of("the first of them is", "another").stream()
        .map(text -> Prompt.of(words, text, Prompt.Options.PLAIN))
        .toList();
  }

  private static SteeringResult run(
      Transformer model, Steering steering, Judge judge, Double... strengths) {
    var words = new Words(model.outputs(), true);
    var config =
        SteeringSweep.Config.of(List.of(strengths), judge)
            .generating(5, Set.of())
            .withControls(2)
            .withSeed(3);
    var done = new int[1];
    SteeringResult result =
        SteeringSweep.run(
            model, words, List.of(steering), prompts(words), NEUTRAL, config, () -> done[0]++);
    assertThat(done[0]).isEqualTo(SteeringSweep.size(config));
    return result;
  }

  @Test
  void theEffectIsTheShareOfTheFirstWord() {
    try (var model = Fittings.load("llama", DType.F64)) {
      var words = new Words(model.outputs(), true);
      var add = new Steering.Add(STREAM, Steered.direction(model.dModel(), 1), 1);
      SteeringResult result = run(model, add, new Judge.Targets(" he", " she"), 4.0, 0.0, -4.0);
      assertThat(result.steered().stream().map(Trial::strength)).containsExactly(-4.0, 0.0, 4.0);
      for (Trial trial : result.steered()) {
        var steered = SteeredModel.of(model, List.of(add.times(trial.strength())));
        double mean = 0;
        for (Prompt prompt : prompts(words)) {
          double[] logits = Steered.logits(steered, prompt.ids());
          int from = logits.length - model.outputs();
          double he = logits[from + words.idOf("he")];
          double she = logits[from + words.idOf("she")];
          mean += Math.exp(he) / (Math.exp(he) + Math.exp(she)) / 2;
        }
        assertThat(trial.effect()).isCloseTo(mean, within(1e-9));
      }
      assertThat(result.controls()).hasSize(2);
      assertThat(result.controls().getFirst().get(1)).isEqualTo(result.steered().get(1));
      assertThat(result.controls().getFirst().get(0)).isNotEqualTo(result.steered().get(0));
      assertThat(result.controls().getFirst().get(0))
          .isNotEqualTo(result.controls().getLast().get(0));
    }
  }

  @Test
  void textsAreReadWithoutSteering() {
    try (var model = Fittings.load("llama", DType.F64)) {
      var words = new Words(model.outputs(), true);
      Direction held = Steered.direction(model.dModel(), 8);
      var add = new Steering.Add(STREAM, Steered.direction(model.dModel(), 1), 1);
      Site site = Site.of(Kind.MLP_OUT, 2);
      SteeringResult result = run(model, add, new Judge.Along(site, held, "elsewhere"), 0.0, 6.0);
      for (Trial trial : result.steered()) {
        var scores = new ArrayList<Double>();
        double nats = 0;
        int said = 0;
        Tap tap = Steering.tap(model, List.of(add.times(trial.strength())), Steering.Tokens.ALL);
        for (Prompt prompt : prompts(words)) {
          int[] ids =
              Generator.of(model).with(tap).run(prompt.ids(), Decoding.greedy(5)).tokens().stream()
                  .mapToInt(i -> i)
                  .toArray();
          int[] row = IntStream.concat(Arrays.stream(prompt.ids()), Arrays.stream(ids)).toArray();
          List<double[]> read = Steered.at(model, Tap.NONE, site, row);
          float[] p = Likelihood.of(model, List.of(row), Likelihood.Config.standard()).getFirst();
          for (int t = prompt.length(); t < row.length; t++) {
            scores.add(held.score(SteeringVector.dot(read.get(t), held.unit())));
            nats -= p[t - 1];
            said++;
          }
        }
        assertThat(trial.effect())
            .isCloseTo(scores.stream().mapToDouble(s -> s).average().orElseThrow(), within(1e-6));
        assertThat(trial.said()).isCloseTo(Math.exp(nats / said), within(1e-3));
        assertThat(trial.texts()).hasSize(2).noneMatch(String::isEmpty);
      }
      double base = 0;
      int n = 0;
      for (float[] row :
          Likelihood.of(model, NEUTRAL.subList(0, 2), Likelihood.Config.standard())) {
        base -= Likelihood.sum(row);
        n += row.length;
      }
      assertThat(result.steered().getFirst().neutral()).isCloseTo(Math.exp(base / n), within(1e-4));
      assertThat(result.steered().getLast().neutral())
          .isNotCloseTo(Math.exp(base / n), within(1e-2));
    }
  }

  @Test
  void aResultIsDrawnEverywhere() {
    try (var model = Fittings.load("llama", DType.F32)) {
      var add = new Steering.Add(STREAM, Steered.direction(model.dModel(), 1), 1);
      SteeringResult result = run(model, add, new Judge.Targets(" he", " she"), -4.0, 0.0, 4.0);
      var shown = new StringBuilder();
      for (View view : result.views()) {
        shown.append(Terminal.render(view, TerminalStyle.plain()));
      }
      assertThat(shown.toString().lines())
          .allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
      assertThat(shown)
          .contains("Effect and fluency by strength", "share of 'he'", "Steering by strength")
          .contains("the first of them is", "4 random: ", "along random directions as long");
      assertThat(Json.render(result)).contains("random_effect", "neutral_perplexity");
      var page =
          new Report(
              "t",
              "m",
              List.of(),
              List.of(Section.of("Steering", "", result)),
              result.provenance());
      assertThat(Html.render(page)).contains("Effect and fluency by strength");
      assertThat(Objects.requireNonNull(result.arrays().get("random_effect")).shape())
          .containsExactly(2, 3);
    }
  }

  @Test
  void ofOneStrengthItIsSaidWhatItIsNotWhereItGoes() {
    try (var model = Fittings.load("llama", DType.F32)) {
      var add = new Steering.Add(STREAM, Steered.direction(model.dModel(), 1), 1);
      var judge = new Judge.Targets(" he", " she");
      SteeringResult none = run(model, add, judge, 0.0, -0.0);
      assertThat(none.found())
          .matches("At strength 0 the share of 'he' .*is 0\\.\\d+, which is without steering\\.");
      assertThat(run(model, add, judge, 4.0).found())
          .matches(
              "At strength 4 the .* is \\S+; along random .* is \\S+ to \\S+ \\(2 tried\\)\\.");
      assertThat(run(model, add, judge, 0.0, 4.0).found()).startsWith("From strength 0 to 4 the ");
    }
  }

  @Test
  void whatCannotBeTriedIsRefused() {
    try (var model = Fittings.load("llama", DType.F32)) {
      var words = new Words(model.outputs(), true);
      var add = new Steering.Add(STREAM, Steered.direction(model.dModel(), 1), 1);
      assertThatThrownBy(() -> run(model, add, new Judge.Targets(" he", " he"), 0.0))
          .hasMessageContaining("begin with the same token");
      assertThatThrownBy(() -> run(model, add, new Judge.Targets(" he", " she")))
          .hasMessageContaining("needs strengths that are numbers");
      var config = SteeringSweep.Config.of(List.of(0.0), new Judge.Targets(" he", " she"));
      assertThatThrownBy(() ->
              SteeringSweep.run(model, words, List.of(add), List.of(), List.of(), config, () -> {}))
          .hasMessageContaining("at least one prompt");
      assertThatThrownBy(() -> config.withControls(0)).hasMessageContaining("random direction");
    }
  }
}
