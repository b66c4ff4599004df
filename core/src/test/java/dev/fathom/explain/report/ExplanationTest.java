package dev.fathom.explain.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.data.Prompt;
import dev.fathom.data.TokenSpan;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.causal.Ablation;
import dev.fathom.explain.causal.Patching;
import dev.fathom.explain.parts.DirectLogitAttribution;
import dev.fathom.model.Numbers;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.tensor.DType;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Report;
import dev.fathom.view.Result;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ExplanationTest {
  private static final int LENGTH = 6;
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);
  private static final Explanation.Config ALL =
      Explanation.Config.standard()
          .of(List.of("all"))
          .withCorrupt(prompt(LENGTH, 9))
          .withSubject(new TokenSpan(1, 2));

  static List<Variant> variants() {
    return TinyModels.some(DType.F32);
  }

  private static Prompt prompt(int length, long seed) {
    return Prompt.ofIds(NUMBERS, TinyModel.idArray(length, seed));
  }

  private static Question question() {
    return Question.of(prompt(LENGTH, 5), 7);
  }

  private static List<String> ids(Report report) {
    return report.sections().stream().map(Section::id).toList();
  }

  private static SequencedMap<String, Grid> arrays(Report report) {
    var arrays = new LinkedHashMap<String, Grid>();
    for (Section section : report.sections()) {
      section
          .arrays()
          .forEach(
              (name, grid) -> assertThat(arrays.put(name, grid)).as("twice: " + name).isNull());
    }
    return arrays;
  }

  @ParameterizedTest
  @MethodSource("variants")
  void everySectionIsMadeOrNamedWithAReason(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      var plan = Explanation.plan(tiny.model(), NUMBERS, question(), ALL);
      Report report = plan.run();
      var named = new ArrayList<>(plan.sections());
      named.addAll(plan.leftOut());
      assertThat(named).containsExactlyInAnyOrderElementsOf(Explanation.sections());
      assertThat(plan.leftOut()).isSubsetOf("neurons", "path"); // not every model has them
      assertThat(ids(report)).containsAll(plan.sections());
      assertThat(ids(report).contains("left-out")).isEqualTo(!plan.leftOut().isEmpty());
      assertThat(arrays(report)).hasSizeGreaterThan(30);
    }
  }

  @Test
  void arraysAreThoseOfTheMethodsThemselves() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var model = tiny.model();
      Question question = question();
      SequencedMap<String, Grid> found = arrays(Explanation.run(model, NUMBERS, question, ALL));
      List<Result> alone =
          List.of(
              Ablation.run(
                  model,
                  NUMBERS,
                  question,
                  Ablation.Config.standard().of(Ablation.Part.MLP, Ablation.Part.HEAD)),
              DirectLogitAttribution.run(model, NUMBERS, question),
              Patching.run(
                  model, NUMBERS, question, prompt(LENGTH, 9), Patching.Config.standard()));
      for (Result result : alone) {
        result
            .arrays()
            .forEach((name, grid) -> {
              float[] there = java.util.Objects.requireNonNull(found.get(name)).values();
              float[] here = grid.values();
              assertThat(there).as(name).hasSameSizeAs(here);
              for (int i = 0; i < here.length; i++) {
                assertThat(there[i]).as(name).isEqualTo(here[i], within(1e-4f));
              }
            });
      }
    }
  }

  @Test
  void whatIsSlowOrLacksAnInputIsLeftOutAndNamed() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var config = Explanation.Config.standard();
      var plan = Explanation.plan(tiny.model(), NUMBERS, question(), config);
      assertThat(plan.leftOut()).containsExactly("trace", "shap", "path", "patch");
      View.Text left = (View.Text) plan.run().sections().getLast().views().getFirst();
      assertThat(String.join("\n", left.paragraphs()))
          .contains(
              "(trace): slow, and needs the words that the fact is about, add --subject TEXT",
              "(shap): slow, ask for it with --sections shap",
              "(path): slow, and needs another prompt of as many tokens, add --corrupt TEXT"
                  + " --sections path",
              "(patch): needs another prompt of as many tokens, add --corrupt TEXT");
      var corrupt = config.withCorrupt(prompt(LENGTH, 9)).withSubject(new TokenSpan(1, 2));
      assertThat(Explanation.plan(tiny.model(), NUMBERS, question(), corrupt).leftOut())
          .containsExactly("shap", "path");
    }
  }

  @Test
  void sectionsComeInTheOrderNamedAndAlone() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var config = Explanation.Config.standard().of(List.of("dla", "heads", "lens", "dla"));
      Report report = Explanation.run(tiny.model(), NUMBERS, question(), config);
      assertThat(ids(report)).containsExactly("dla", "heads", "lens");
      assertThat(report.sections().get(1).arrays()).containsOnlyKeys("ablate_head");
      arrays(report);
    }
  }

  @Test
  void theSummaryIsOneParagraphOfWhatWasFound() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      Report all = Explanation.run(tiny.model(), NUMBERS, question(), ALL);
      assertThat(all.summary()).hasSize(1);
      assertThat(all.summary().getFirst())
          .contains(
              "After the last token the model says",
              "By decomposition",
              "By gradient × input",
              "By integrated gradients",
              "Put alone into the corrupt prompt's run",
              "With the subject drowned in noise");
      Report lens =
          Explanation.run(
              tiny.model(), NUMBERS, question(), Explanation.Config.standard().of(List.of("lens")));
      assertThat(lens.summary().getFirst())
          .doesNotContain("decomposition", "gradient", "heads", "sublayers");
    }
  }

  @Test
  void agreementIsThatOfTheTokensWithoutTheStartToken() {
    Axis axis = Axis.index("position", 4);
    var scores = List.of(Grid.vector(axis, -9f, 1f, 2f, 3f), Grid.vector(axis, 9f, 1f, 2f, 3f));
    assertThat(ExplanationSummary.lowest(scores, 1)).isEqualTo(1, within(1e-9));
    assertThat(ExplanationSummary.lowest(scores, 0)).isLessThan(0.5);
  }

  @Test
  void theWorkIsToldFromNothingToAllOfIt() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var shares = new ArrayList<Double>();
      var headings = new HashSet<String>();
      var plan =
          Explanation.plan(
              tiny.model(),
              NUMBERS,
              question(),
              ALL.telling((section, share) -> {
                headings.add(section);
                shares.add(share);
              }));
      plan.run();
      assertThat(plan.seconds()).isPositive();
      for (int i = 1; i < shares.size(); i++) {
        assertThat(shares.get(i)).isGreaterThan(shares.get(i - 1) - 1e-9);
      }
      assertThat(shares.getFirst()).isZero();
      assertThat(shares.getLast()).isEqualTo(1, within(1e-9));
      assertThat(headings).contains("Logit lens", "Heads", "Activation patching");
    }
  }

  @Test
  void everyMetricIsExplained() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      for (Metric metric : Metric.values()) {
        Report report =
            Explanation.run(
                tiny.model(),
                NUMBERS,
                question().withFoil(3).measuredBy(metric),
                Explanation.Config.standard());
        assertThat(report.provenance().parameters()).containsEntry("metric", metric.text());
      }
    }
  }

  @Test
  void whatMakesNoSenseIsRefusedBeforeAnyWork() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var config = Explanation.Config.standard();
      refused(tiny, "There is no section 'lense': choose among lens, target", "lense");
      refused(tiny, "The section trace needs the words that the fact is about", "trace");
      refused(tiny, "The section patch needs another prompt of as many tokens", "patch");
      assertThatThrownBy(() ->
              Explanation.plan(
                  tiny.model(), NUMBERS, question(), config.withCorrupt(prompt(LENGTH + 1, 9))))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("same number of tokens");
      assertThatThrownBy(() ->
              Explanation.plan(
                  tiny.model(), NUMBERS, question().at(2), config.withSubject(new TokenSpan(3, 4))))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("The subject ends at token 4");
      assertThatThrownBy(
              () -> Explanation.run(tiny.model(), NUMBERS, question(), config.within(10)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("memory budget");
    }
  }

  private static void refused(TinyModel tiny, String sentence, String section) {
    assertThatThrownBy(() ->
            Explanation.plan(
                tiny.model(),
                NUMBERS,
                question(),
                Explanation.Config.standard().of(List.of(section))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(sentence);
  }
}
