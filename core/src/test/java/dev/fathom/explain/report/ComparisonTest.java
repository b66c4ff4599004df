package dev.fathom.explain.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.data.Prompt;
import dev.fathom.edit.Edit;
import dev.fathom.edit.Edits;
import dev.fathom.edit.Zeroing;
import dev.fathom.explain.Question;
import dev.fathom.explain.causal.Ablation;
import dev.fathom.explain.lens.LogitLens;
import dev.fathom.model.Kind;
import dev.fathom.model.Numbers;
import dev.fathom.model.Slice;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Difference;
import dev.fathom.view.Grid;
import dev.fathom.view.Report;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ComparisonTest {
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);
  private static final Ablation.Config ALL = Ablation.Config.standard();
  private static final int[] IDS = TinyModels.TinyModel.idArray(5, 2);
  private static final Prompt PROMPT = Prompt.ofIds(NUMBERS, IDS);

  /// One of each block order.
  static Stream<Variant> variants() {
    List<Variant> all = TinyModels.some(DType.F64);
    return Stream.of(all.get(1), all.get(7), all.get(13), all.get(19));
  }

  private static Edit edit(Transformer model) {
    return Zeroing.of(model, List.of(Slice.of(Kind.MLP_ACT, 1).neurons(1, 4, 9, 20)));
  }

  private static Map<String, Grid> arrays(Report report) {
    var arrays = new LinkedHashMap<String, Grid>();
    for (Section section : report.sections()) {
      arrays.putAll(section.arrays());
    }
    return arrays;
  }

  @ParameterizedTest
  @MethodSource("variants")
  void aModelAndItselfDoNotDiffer(Variant variant) {
    try (var tiny = TinyModels.of(variant);
        var same = Edits.apply(tiny.model(), List.of(edit(tiny.model()).at(0)))) {
      Report report = Comparison.run(tiny.model(), same, NUMBERS, Question.of(PROMPT, 3));
      assertThat(report.summary())
          .containsExactly(
              "Nothing differs: the two say the same, to the last bit, at every position.");
      assertThat(arrays(report)).hasSizeGreaterThan(10);
      arrays(report)
          .forEach((name, grid) -> assertThat(Difference.largest(grid)).as(name).isZero());
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void differencesAreThoseOfTheMethodsRunOnEitherSide(Variant variant) {
    try (var tiny = TinyModels.of(variant);
        var edited = Edits.apply(tiny.model(), List.of(edit(tiny.model())))) {
      var question = Question.of(PROMPT, 3);
      Report report = Comparison.run(tiny.model(), edited, NUMBERS, question);
      Map<String, Grid> found = arrays(report);
      Grid before = grid(Ablation.run(tiny.model(), NUMBERS, question, ALL).arrays(), "ablate_mlp");
      Grid after = grid(Ablation.run(edited, NUMBERS, question, ALL).arrays(), "ablate_mlp");
      Grid difference = grid(found, "difference_ablate_mlp");
      Grid kl = grid(found, "difference_lens_kl");
      for (int t = 0; t < IDS.length; t++) {
        assertThat(difference.at(2, t)).isEqualTo((float) (after.at(2, t) - before.at(2, t)));
        assertThat(kl.at(1, t)).isZero(); // layer 1 is not edited yet
        assertThat(kl.at(3, t)).isEqualTo((float) divergence(tiny.model(), edited, t));
        assertThat(grid(found, "difference_output_kl").at(t)).isEqualTo(kl.at(3, t));
      }
      assertThat(report.summary())
          .anyMatch(line -> line.contains("Nothing differs before layer 2 of 3"))
          .anyMatch(line -> line.startsWith("Of all ablations"));
      assertThat(report.subtitle()).contains("B: " + tiny.model().card().name() + " + zeroed");
      assertThat(report.provenance().parameters())
          .containsEntry("compared with", tiny.model().card().name());
      assertThat(report.sections())
          .extracting(Section::id)
          .containsExactly("prediction", "lens", "target", "exit", "dla", "ablation");
    }
  }

  private static Grid grid(Map<String, Grid> arrays, String name) {
    return Objects.requireNonNull(arrays.get(name), name);
  }

  private static double divergence(Transformer a, Transformer b, int position) {
    try (var scope = Scope.withoutGradients()) {
      Tensor p = logP(a, position);
      return p.exp().mul(p.sub(logP(b, position))).sum().item();
    }
  }

  private static Tensor logP(Transformer model, int position) {
    Tensor streams = LogitLens.streams(model, IDS).select(0, model.layers());
    return model.head().of(streams.narrow(0, position, 1)).logSoftmax(-1);
  }

  @Test
  void aPartOfOnesOwnIsALine() {
    try (var tiny = TinyModels.llama(DType.F64);
        var edited = Edits.apply(tiny.model(), List.of(edit(tiny.model())))) {
      var own =
          Comparison.Part.of(
              "own",
              "My method",
              "",
              (pair, model) -> Ablation.run(model, pair.tokenizer(), pair.question(), ALL));
      Report report =
          Comparison.run(tiny.model(), edited, NUMBERS, Question.of(PROMPT, 3), List.of(own));
      assertThat(report.sections())
          .singleElement()
          .satisfies(section -> {
            assertThat(section.views()).hasSize(5).allMatch(View.HeatMap.class::isInstance);
            assertThat(section.arrays()).containsKey("difference_ablate_attn_to_mlp");
          });
    }
  }

  @Test
  void otherTokensAreRefusedInOneSentence() {
    try (var a = TinyModels.llama(DType.F64);
        var b = TinyModels.llama(DType.F64)) {
      Comparison.requireSameTokens(a.model(), NUMBERS, PROMPT, b.model(), NUMBERS, PROMPT);
      Prompt longer = Prompt.ofIds(NUMBERS, new int[] {1, 2});
      assertThatThrownBy(() ->
              Comparison.requireSameTokens(a.model(), NUMBERS, PROMPT, b.model(), NUMBERS, longer))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("as 5 tokens and")
          .hasMessageContaining("as 2 others");
    }
  }
}
