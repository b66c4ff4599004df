package dev.fathom.align.lope;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.align.Fitting;
import dev.fathom.align.Fittings;
import dev.fathom.align.Remedy;
import dev.fathom.align.lope.CounterfactualPairs.Pair;
import dev.fathom.align.lope.PairErasure.Outputs;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.edit.Edits;
import dev.fathom.model.Kind;
import dev.fathom.model.Site;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// In one place only, the last layer, where nothing below is changed, the edited model can be asked
/// whether the formula holds.
class PairErasureTest {
  private static final int WIDTH = Toys.WIDTH;

  /// Of one item there are few positions to compare, so few directions hold all differences.
  private static Fitting few(Transformer model) {
    Fitting all = Fittings.of(model, Fittings.GENDER);
    return new Fitting(
        model,
        all.tokenizer(),
        "gender",
        all.items().subList(0, 1),
        all.words(),
        all.neutral(),
        all.context(),
        all.start(),
        all.seed(),
        all.cache());
  }

  private static PairErasure inOnePlace(Outputs outputs, int rank) {
    return PairErasure.of(rank).with(outputs).withFrom(0.75); // of 3 or 4 layers
  }

  private static Edit edit(Remedy remedy) {
    return ((Remedy.OfWeights) remedy).edit();
  }

  private static Site site(Transformer model, Outputs outputs) {
    return Site.of(outputs == Outputs.MLP ? Kind.MLP_RAW : Kind.ATTN_RAW, model.layers() - 1);
  }

  /// Differences of a site between the two texts of each pair, at what is compared.
  private static List<double[]> differences(Fitting fitting, Transformer model, Site site) {
    var differences = new ArrayList<double[]>();
    for (Pair pair : CounterfactualPairs.of(fitting, 600)) {
      double[][] one = Toys.at(model, site, pair.one());
      double[][] other = Toys.at(model, site, pair.other());
      for (int back = 1; back <= pair.count(); back++) {
        double[] left = one[one.length - back];
        double[] right = other[other.length - back];
        double[] difference = new double[WIDTH];
        Arrays.setAll(difference, i -> left[i] - right[i]);
        differences.add(difference);
      }
    }
    return differences;
  }

  private static double largest(List<double[]> vectors) {
    return vectors.stream().flatMapToDouble(Arrays::stream).map(Math::abs).max().orElseThrow();
  }

  @ParameterizedTest
  @CsvSource({
    "llama, ATTENTION",
    "llama, MLP",
    "gpt2, ATTENTION",
    "gpt2, MLP",
    "gpt_neox, MLP",
    "gpt_neo, MLP",
    "gemma2, ATTENTION",
    "gemma2, MLP"
  })
  void nothingIsLeftOfTheDifferencesThatItWasFittedOn(String family, Outputs outputs) {
    try (var model = Fittings.load(family, DType.F32)) {
      Fitting fitting = few(model);
      Site site = site(model, outputs);
      PairErasure erasure = inOnePlace(outputs, 30);
      List<double[]> before = differences(fitting, model, site);
      assertThat(largest(before)).isGreaterThan(1e-3);
      Edit whole = edit(erasure.fit(fitting));
      assertThat(whole.changes()).hasSize(2);
      try (var edited = Edits.apply(model, List.of(whole));
          var half = Edits.apply(model, List.of(edit(erasure.withStrength(0.5).fit(fitting))));
          var random = Edits.apply(model, List.of(edit(erasure.atRandom().fit(fitting))))) {
        assertThat(largest(differences(fitting, edited, site))).isLessThan(1e-3 * largest(before));
        List<double[]> between = differences(fitting, half, site);
        for (int d = 0; d < before.size(); d++) {
          for (int i = 0; i < WIDTH; i++) {
            assertThat(between.get(d)[i])
                .isCloseTo(before.get(d)[i] / 2, within(1e-3 * largest(before)));
          }
        }
        assertThat(largest(differences(fitting, random, site)))
            .isGreaterThan(0.1 * largest(before));
        assertThat(Toys.logits(edited)).isNotEqualTo(Toys.logits(model));
      }
    }
  }

  /// The formula in double precision, from passes over one row at a time.
  private static double[][] expected(Fitting fitting, Site site, int rank, double[][] y) {
    Transformer model = fitting.model();
    var content = new ArrayList<double[]>();
    for (int[] row : fitting.rows(fitting.neutral(), 8192)) {
      addContent(content, Toys.at(model, site, row));
    }
    for (Pair pair : CounterfactualPairs.of(fitting, 600)) {
      addContent(content, Toys.at(model, site, pair.one()));
      addContent(content, Toys.at(model, site, pair.other()));
    }
    try (var scope = Scope.withoutGradients()) {
      Tensor x = Toys.matrix(content);
      Tensor mean = x.mean(0, true);
      Tensor off = x.sub(mean);
      Tensor sigma = off.transpose(0, 1).matmul(off).div(x.size(0));
      double trace = 0;
      for (int i = 0; i < WIDTH; i++) {
        trace += sigma.select(0, i).select(0, i).item();
      }
      Tensor.Eigen eigen = sigma.eigen();
      Tensor roots = eigen.values().add(1e-3 * trace / WIDTH).sqrt();
      Tensor v = eigen.vectors();
      Tensor root = v.mul(roots).matmul(v.transpose(0, 1));
      Tensor inverse = v.div(roots).matmul(v.transpose(0, 1));
      Tensor delta = Toys.matrix(differences(fitting, model, site));
      Tensor whitened = delta.matmul(inverse);
      Tensor u = // [rank, width]
          whitened
              .transpose(0, 1)
              .matmul(whitened)
              .eigen()
              .vectors()
              .narrow(1, WIDTH - rank, rank)
              .transpose(0, 1);
      Tensor a = root.matmul(u.transpose(0, 1)); // [width, rank]
      Tensor b = inverse.matmul(u.transpose(0, 1));
      Tensor at = Toys.matrix(List.of(y));
      double[] found = at.sub(at.sub(mean).matmul(b).matmul(a.transpose(0, 1))).toDoubles();
      var rows = new ArrayList<double[]>();
      for (int t = 0; t < y.length; t++) {
        rows.add(Arrays.copyOfRange(found, t * WIDTH, (t + 1) * WIDTH));
      }
      return rows.toArray(double[][]::new);
    }
  }

  private static void addContent(List<double[]> content, double[][] row) {
    content.addAll(Arrays.asList(row));
  }

  @ParameterizedTest
  @CsvSource({"llama, ATTENTION", "gpt2, MLP", "gemma2, MLP"})
  void theOutputIsWhatTheFormulaSays(String family, Outputs outputs) {
    try (var model = Fittings.load(family, DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      Site site = site(model, outputs);
      Edit edit = edit(inOnePlace(outputs, 3).fit(fitting));
      assertThat(((Change.LowRank) edit.changes().getFirst()).rank()).isEqualTo(3);
      try (var edited = Edits.apply(model, List.of(edit))) {
        double[][] before = Toys.at(model, site, Toys.IDS);
        double[][] wanted = expected(fitting, site, 3, before);
        double[][] found = Toys.at(edited, site, Toys.IDS);
        double size = largest(List.of(before));
        for (int t = 0; t < found.length; t++) {
          assertThat(found[t]).containsExactly(wanted[t], within(2e-4 * size));
          assertThat(found[t]).isNotEqualTo(before[t]);
        }
      }
    }
  }

  @Test
  void strengthZeroIsTheModelBitForBit() {
    try (var model = Fittings.load("gpt2", DType.F32)) {
      Edit edit = edit(PairErasure.of(4).withStrength(0).fit(few(model)));
      assertThat(edit.changes()).isEmpty();
      try (var edited = Edits.apply(model, List.of(edit))) {
        assertThat(Toys.logits(edited)).isEqualTo(Toys.logits(model));
      }
    }
  }

  @Test
  void thereAreNoMoreDirectionsThanPairsDifferIn() {
    try (var model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = few(model);
      int positions = differences(fitting, model, site(model, Outputs.MLP)).size();
      assertThat(positions).isBetween(5, 25);
      Edit edit = edit(PairErasure.of(40).fit(fitting));
      assertThat(edit.changes())
          .filteredOn(Change.LowRank.class::isInstance)
          .hasSize(6)
          .allMatch(change -> ((Change.LowRank) change).rank() <= positions);
      assertThat(edit.card().parameters()).containsEntry("rank", "40").containsEntry("pairs", "2");
    }
  }

  private static List<String> shapes(Edit edit) {
    return edit.changes().stream()
        .map(change ->
            switch (change) {
              case Change.LowRank step ->
                  step.tensor() + step.a().shape() + step.b().shape() + step.factor();
              case Change.Bias bias -> bias.tensor() + bias.values().shape();
              case Change.Rows rows -> rows.tensor();
            })
        .toList();
  }

  @ParameterizedTest
  @ValueSource(ints = {3, 40})
  void theControlChangesAsManyNumbersInAnotherWay(int rank) {
    try (var model = Fittings.load("gpt2", DType.F32)) {
      Fitting fitting = few(model);
      Edit own = edit(PairErasure.of(rank).fit(fitting));
      Edit random = edit(PairErasure.of(rank).atRandom().fit(fitting));
      assertThat(random.name()).isEqualTo("random");
      assertThat(shapes(random)).isEqualTo(shapes(own));
      assertThat(random.changes()).doesNotContainAnyElementsOf(own.changes());
      assertThat(edit(PairErasure.of(rank).atRandom().fit(fitting)).changes())
          .isEqualTo(random.changes());
    }
  }

  @Test
  void severalPassesFindTheSameNumbersAsOne() {
    try (var model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      long site = 2 * 8 * WIDTH * WIDTH;
      for (PairErasure erasure : List.of(PairErasure.of(2), PairErasure.of(2).atRandom())) {
        List<Change> once = edit(erasure.fit(fitting)).changes();
        assertThat(once).hasSize(12);
        for (long bytes : new long[] {1, 2 * site, 5 * site}) {
          Fitting other = Fittings.of(model, Fittings.GENDER);
          var _ =
              other.shared().of(PairDirections.class, () -> PairDirections.compute(other, bytes));
          assertThat(edit(erasure.fit(other)).changes()).isEqualTo(once);
        }
      }
    }
  }

  @Test
  void placesAreChosen() {
    try (var model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = few(model);
      assertThat(edit(PairErasure.of(1).withFrom(0.34).fit(fitting)).changes())
          .extracting(Change::summary)
          .noneMatch(summary -> summary.contains("layers.0"))
          .hasSize(8);
      assertThat(edit(PairErasure.of(1).with(Outputs.ATTENTION).fit(fitting)).changes())
          .extracting(Change::summary)
          .allMatch(summary -> summary.contains("o_proj"))
          .hasSize(6);
      assertThat(edit(PairErasure.of(1).with(Outputs.MLP).fit(fitting)).changes())
          .extracting(Change::summary)
          .allMatch(summary -> summary.contains("down_proj"))
          .hasSize(6);
    }
  }

  @Test
  void halvesOfAnEditAreHalfTheStrength() {
    try (var model = Fittings.load("gpt2", DType.F32)) {
      Fitting fitting = few(model);
      Edit whole = edit(PairErasure.of(4).fit(fitting));
      Edit half = edit(PairErasure.of(4).withStrength(0.5).fit(fitting));
      try (var scaled = Edits.apply(model, List.of(whole.at(0.5)));
          var weak = Edits.apply(model, List.of(half));
          var none = Edits.apply(model, List.of(whole.at(0)))) {
        assertThat(Toys.logits(scaled)).containsExactly(Toys.logits(weak), within(1e-4));
        assertThat(Toys.logits(none)).isEqualTo(Toys.logits(model));
      }
    }
  }

  @Test
  void settingsAreNamedAndSenselessOnesRefused() {
    assertThat(PairErasure.of(8).withFrom(0.25).with(Outputs.MLP).settings())
        .containsEntry("rank", "8")
        .containsEntry("from", "0.25")
        .containsEntry("outputs", "mlp")
        .containsEntry("strength", "1.0");
    assertThat(PairErasure.grid()).hasSize(8).doesNotHaveDuplicates();
    assertThatThrownBy(() -> PairErasure.of(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("found 0, 0.0 and 1.0");
    assertThatThrownBy(() -> PairErasure.of(1).withFrom(1)).hasMessageContaining("below 1");
    assertThatThrownBy(() -> PairErasure.of(1).withStrength(Double.POSITIVE_INFINITY))
        .hasMessageContaining("Infinity");
  }
}
