package dev.fathom.world;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.evaluate.MeanInterval;
import dev.fathom.evaluate.Share;
import dev.fathom.render.Html;
import dev.fathom.render.Json;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.view.Provenance;
import dev.fathom.view.Report;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import dev.fathom.world.AlignmentTrialResult.Aim;
import dev.fathom.world.AlignmentTrialResult.Knockout;
import dev.fathom.world.AlignmentTrialResult.Measured;
import dev.fathom.world.AlignmentTrialResult.Outcome;
import dev.fathom.world.AlignmentTrialResult.Part;
import dev.fathom.world.AlignmentTrialResult.Probe;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

/// What the trial gave is judged and shown, without a model.
class AlignmentTrialResultTest {
  private static final Provenance ORIGIN =
      new Provenance(
          "toy",
          "0".repeat(64),
          "0",
          List.of(),
          List.of(),
          new LinkedHashMap<>(),
          OptionalLong.empty(),
          "f32",
          1,
          1);

  private static MeanInterval mean(double... values) {
    var mean = new MeanInterval();
    for (double value : values) {
      mean.add(value);
    }
    return mean;
  }

  private static Outcome outcome(
      String name, Part part, double near, double gap, double facts, double loss, double kl) {
    return new Outcome(
        name,
        part,
        new LinkedHashMap<>(part == Part.NOTHING ? Map.of() : Map.of("rank", "2")),
        gap,
        new Measured(near, near - 0.05, gap, gap, gap, facts, 4 * loss, kl, kl),
        1);
  }

  private static List<Outcome> outcomes(double near, double facts, double loss, double kl) {
    return List.of(
        outcome("nothing", Part.NOTHING, 0.2, 0.24, 0.99, 1, 0.2),
        outcome("twin", Part.TWIN, 1, 0.01, 0.99, 1, 0),
        outcome("weak", Part.TRIED, 0.3, 0.2, 0.99, 1, 0.18),
        outcome("strong", Part.TRIED, near, 0.04, facts, loss, kl),
        outcome("random", Part.CONTROL, 0.2, 0.24, 0.98, 1.02, 0.21),
        outcome("inlp", Part.BASELINE, 0.25, 0.23, 0.99, 1, 0.1),
        outcome("cda", Part.BOUND, 1, 0.01, 0.99, 1, 0.001));
  }

  private static AlignmentTrialResult result(double meanGap, List<Outcome> outcomes) {
    return new AlignmentTrialResult(
        ORIGIN,
        100,
        List.of(
            new Probe(0, new Share(90, 100), 0.93, 0.5),
            new Probe(1, new Share(97, 100), 0.99, 0.5)),
        List.of(
            new Knockout(
                10, 0.24, meanGap, mean(0.23, 0.24, 0.25), meanGap, mean(0.23, 0.24, 0.25))),
        outcomes);
  }

  @Test
  void aimsAreMetWhereTheNumbersAre() {
    AlignmentTrialResult good = result(0.17, outcomes(0.85, 0.98, 1.01, 0.01));
    assertThat(good.best().layer()).isEqualTo(1);
    assertThat(good.chosen().map(Outcome::name)).contains("strong");
    assertThat(good.aims()).hasSize(6).allMatch(Aim::met);
  }

  @Test
  void eachAimCanBeMissed() {
    AlignmentTrialResult bad = result(0.235, outcomes(0.79, 0.96, 1.06, 0.11));
    assertThat(bad.aims().stream().filter(aim -> !aim.met()).map(Aim::text))
        .containsExactly(
            "10 neurons beat random",
            "even shares ≥ 0.8",
            "facts ≥ 0.97",
            "perplexity ≤ +5 %",
            "nearest to the twin");
  }

  /// Balanced text is an upper bound, so that it may be nearer.
  @Test
  void whatLearnsBalancedTextIsNoRival() {
    assertThat(result(0.17, outcomes(0.85, 0.98, 1, 0.05)).aims().getLast().met()).isTrue();
  }

  @Test
  void itIsShownInEveryForm() {
    AlignmentTrialResult result = result(0.17, outcomes(0.85, 0.98, 1.01, 0.01));
    var text = new StringBuilder();
    for (View view : result.views()) {
      text.append(Terminal.render(view, TerminalStyle.plain()));
    }
    assertThat(text.toString())
        .contains("learns balanced text", "strong 0.850; held out 0.800", "met", "rank 2")
        .contains("KL 0.0100; next inlp 0.1000");
    assertThat(text.toString().lines()).allMatch(line -> line.length() <= 80);
    assertThat(Json.render(result)).contains("\"alignment-trial\"", "divergence_held");
    var page = new Report("t", "toy", List.of(), List.of(Section.of("h", "e", result)), ORIGIN);
    assertThat(Html.render(page)).contains("What takes the planted shares out?");
    assertThat(Objects.requireNonNull(result.arrays().get("near")).values()).hasSize(7);
  }

  @Test
  void theModelAndItsTwinAreNeeded() {
    var some = new ArrayList<>(outcomes(0.85, 0.98, 1, 0.01));
    some.removeFirst();
    assertThatThrownBy(() -> result(0.17, some))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("as it is", "twin", "strong");
  }

  @Test
  void unknownMethodsAndEmptyTrialsAreRefused() {
    var standard = AlignmentTrial.Config.standard();
    assertThatThrownBy(() -> standard.withMethods(List.of("lop")))
        .hasMessageContainingAll("'lop'", "lope", "gap");
    assertThatThrownBy(() -> standard.withNeurons(List.of(0), 3)).hasMessageContaining("1 neuron");
    assertThatThrownBy(() -> standard.withNeurons(List.of(10), 1)).hasMessageContaining("2 times");
    assertThatThrownBy(() -> standard.withSamples(0, 10)).hasMessageContaining("1 fact");
  }
}
