package dev.fathom.align.baseline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.align.AttributeWords;
import dev.fathom.align.Fitting;
import dev.fathom.align.Fittings;
import dev.fathom.align.Remedy;
import dev.fathom.align.Words;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import dev.fathom.text.SpecialTokens;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class BnsTest {
  private static final int[] PROMPT = {5, 9, 2, 30, 7};
  private static final int FIRST = 11;
  private static final int SECOND = 4;

  @BeforeAll
  static void oneThread() {
    Threads.set(1); // more only wait for each other over products this small
  }

  static List<String> decoders() throws IOException {
    return Fittings.decoders();
  }

  /// `P(d1) − P(d2)` after the prompt with the last token's coefficients of a block changed.
  private static double gap(Transformer model, int layer, UnaryOperator<double[]> change) {
    Tap tap =
        new Tap() {
          @Override
          public Set<Site> sites() {
            return Set.of(Site.of(Kind.MLP_ACT, layer));
          }

          @Override
          public Tensor at(Site site, Tensor value, Layout rows) {
            long last = value.size(0) - 1;
            double[] changed = change.apply(value.select(0, last).toDoubles());
            Tensor row = Tensor.of(changed, 1, changed.length).to(value.dtype());
            return last == 0 ? row : Tensor.cat(List.of(value.narrow(0, 0, last), row), 0);
          }
        };
    try (var scope = Scope.withoutGradients()) {
      Pass pass = Pass.over(Layout.single(PROMPT.length)).with(tap).with(Wanted.LAST);
      double[] p = model.forward(Tensor.of(PROMPT, PROMPT.length), pass).softmax(-1).toDoubles();
      return p[FIRST] - p[SECOND];
    }
  }

  private static double[] scaled(double[] m, double factor) {
    return Arrays.stream(m).map(value -> factor * value).toArray();
  }

  private static double sum(float[] all, Transformer model, int layer) {
    double sum = 0;
    for (int j = IntegratedGap.before(model, layer);
        j < IntegratedGap.before(model, layer + 1);
        j++) {
      sum += all[j];
    }
    return sum;
  }

  /// Models that normalise what an MLP writes have their whole change at 0, where no point is.
  static List<String> adding() throws IOException {
    var norming = Set.of("gemma2", "gemma3", "olmo2");
    return decoders().stream().filter(name -> !norming.contains(name)).toList();
  }

  @ParameterizedTest
  @MethodSource("adding")
  void ofABlockTheyAddUpToWhatItsNeuronsDo(String family) {
    try (Transformer model = Fittings.load(family, DType.F64)) {
      float[] few = new IntegratedGap(model, 20, false).of(PROMPT, FIRST, SECOND);
      float[] more = new IntegratedGap(model, 300, false).of(PROMPT, FIRST, SECOND);
      float[] many = new IntegratedGap(model, 300, true).of(PROMPT, FIRST, SECOND);
      for (int layer = 0; layer < model.layers(); layer++) {
        int l = layer;
        double[] path =
            IntStream.rangeClosed(0, 10)
                .mapToDouble(i -> gap(model, l, m -> scaled(m, i / 10.0)))
                .toArray();
        double expected = path[10] - path[0];
        double size =
            Arrays.stream(path).max().orElseThrow() - Arrays.stream(path).min().orElseThrow();
        double exact = Math.abs(sum(many, model, layer) - expected);
        double rough = Math.abs(sum(few, model, layer) - expected);
        double less = Math.abs(sum(more, model, layer) - expected);
        assertThat(exact).as("%s layer %d", family, layer).isLessThan(2e-3 * size);
        assertThat(less).as("%s layer %d", family, layer).isLessThan(0.3 * rough + 2e-3 * size);
      }
    }
  }

  /// With one point on the left: the slope where all coefficients are 0.
  @ParameterizedTest
  @MethodSource("decoders")
  void slopesAreThoseOfTheModel(String family) {
    try (Transformer model = Fittings.load(family, DType.F64)) {
      float[] found = new IntegratedGap(model, 1, false).of(PROMPT, FIRST, SECOND);
      for (int layer = 0; layer < model.layers(); layer++) {
        for (int neuron : new int[] {0, 3, 17}) {
          double step = 1e-6;
          double[] m = {0};
          double above =
              gap(
                  model,
                  layer,
                  all -> {
                    m[0] = all[neuron];
                    double[] next = scaled(all, 0);
                    next[neuron] = step;
                    return next;
                  });
          double below =
              gap(
                  model,
                  layer,
                  all -> {
                    double[] next = scaled(all, 0);
                    next[neuron] = -step;
                    return next;
                  });
          double expected = m[0] * (above - below) / (2 * step);
          assertThat((double) found[IntegratedGap.before(model, layer) + neuron])
              .as("%s layer %d neuron %d", family, layer, neuron)
              .isCloseTo(expected, within(1e-8 + 1e-4 * Math.abs(expected)));
        }
      }
    }
  }

  @Test
  void exchangedWordsFlipTheSignAndEqualOnesHaveNoGap() {
    try (Transformer model = Fittings.load("llama", DType.F64)) {
      var gap = new IntegratedGap(model, 5, false);
      float[] one = gap.of(PROMPT, FIRST, SECOND);
      float[] other = gap.of(PROMPT, SECOND, FIRST);
      for (int j = 0; j < one.length; j++) {
        assertThat(other[j]).isCloseTo(-one[j], within(1e-7f));
      }
      for (float none : gap.of(PROMPT, FIRST, FIRST)) {
        assertThat(none).isZero();
      }
      assertThat(Arrays.equals(one, new float[one.length])).isFalse();
    }
  }

  /// However many blocks go up together.
  @Test
  void manyPointsGoUpInPieces() {
    try (Transformer model = Fittings.load("llama", DType.F64)) {
      float[] whole = new IntegratedGap(model, 100, true).of(PROMPT, FIRST, SECOND);
      float[] pieces = new IntegratedGap(model, 400, true).of(PROMPT, FIRST, SECOND);
      for (int j = 0; j < whole.length; j++) {
        assertThat(pieces[j]).isCloseTo(whole[j], within(1e-5f));
      }
    }
  }

  @Test
  void strongNeuronsContributeAShareOfTheMost() {
    float[] gap = {0.1f, -3, 0.5f, 1, 0.19f, 0.2f};
    assertThat(Bns.strong(gap, 0.2)).containsExactly(2, 3, 5);
    assertThat(Bns.strong(new float[] {-1, 0}, 0.2)).isEmpty();
  }

  @Test
  void neuronsOfADomainAreFrequentInBags() {
    int[] a = {1, 2, 3, 9};
    int[] b = {1, 2, 3};
    int[] c = {1, 2, 7};
    int[] d = {1, 8};
    // 1 is in 4 of 4 prompts, 2 in 3; a bag of two neurons is enough
    assertThat(Bns.chosen(List.of(List.of(a, b, c, d)), 0.7)).containsExactly(1, 2);
    // at 1.0 only neuron 1 is in all: the share moves down until there are two
    assertThat(Bns.chosen(List.of(List.of(a, b, c, d)), 1.0)).containsExactly(1, 2);
    // of two prompts no neuron is in three
    assertThat(Bns.chosen(List.of(List.of(a, b)), 0.5)).isEmpty();
    // too many neurons: the share moves up
    int[] many = {1, 2, 3, 4, 5, 6, 7};
    int[] two = {1, 2};
    assertThat(Bns.chosen(List.of(List.of(many, many, many, many, two)), 0.8))
        .containsExactly(1, 2);
  }

  @Test
  void promptsAreWhatTwoTextsBeginWith() {
    try (Transformer model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      var words = new Words(model.outputs(), true);
      Bns.Prompted found = Bns.prompted(fitting, "a b c d", "a b e").orElseThrow();
      assertThat(found.prompt()).isEqualTo(words.encode("a b", SpecialTokens.NONE).ids());
      assertThat(found.first()).isEqualTo(words.idOf("c"));
      assertThat(found.second()).isEqualTo(words.idOf("e"));
      assertThat(Bns.prompted(fitting, "a b c", "a x c")).isEmpty();
      assertThat(Bns.prompted(fitting, "a b c", "a b")).isEmpty();
      assertThat(Bns.prompted(fitting, "a b c", "a b c")).isEmpty();
      Fitting begun =
          Fittings.of(model, Fittings.GENDER, SentenceScorer.Context.BOS, Optional.empty());
      assertThat(Bns.prompted(begun, "a b c", "a x c").orElseThrow().prompt())
          .containsExactly(Words.BOS, words.idOf("a"));
    }
  }

  @ParameterizedTest
  @EnumSource(Bns.Pairs.class)
  void chosenNeuronsAreSilenced(Bns.Pairs pairs, @TempDir Path folder) {
    try (Transformer model = Fittings.load("llama", DType.F32)) {
      var official = SentenceScorer.Context.OFFICIAL;
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      Fitting cached = Fittings.of(model, Fittings.GENDER, official, Optional.of(folder));
      var method = new Bns(pairs, 2, 3, 4, 0.1, 0.5);
      Edit edit = ((Remedy.OfWeights) method.fit(fitting)).edit();
      for (int turn = 0; turn < 2; turn++) {
        Edit kept = ((Remedy.OfWeights) method.fit(cached)).edit();
        assertThat(kept.changes()).isEqualTo(edit.changes());
      }
      assertThat(folder).isNotEmptyDirectory();
      assertThat(edit.changes()).isNotEmpty();
      int silenced = 0;
      for (Change change : edit.changes()) {
        var rows = (Change.Rows) change;
        assertThat(rows.tensor()).contains("down_proj");
        silenced += rows.indices().size();
        try (var scope = Scope.withoutGradients()) {
          assertThat(rows.values().tensor(DType.F32).abs().max().item()).isZero();
        }
      }
      assertThat(edit.card().parameters())
          .containsEntry("neurons", Integer.toString(silenced))
          .containsEntry("prompts", "6");
    }
  }

  @Test
  void modelsThatNormWhatTheMlpWritesAreRefused() {
    try (Transformer model = Fittings.load("gemma2", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      assertThatThrownBy(() -> Bns.of(Bns.Pairs.ITEMS).fit(fitting))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("gemma2 model normalises what its MLPs write");
    }
  }

  @Test
  void tooFewPairsAreRefused() {
    try (Transformer model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      var strange = new AttributeWords("gender", List.of(List.of("zig", "zag")));
      var without =
          new Fitting(
              model,
              fitting.tokenizer(),
              "gender",
              fitting.items().subList(0, 3),
              strange,
              List.of(),
              fitting.context(),
              fitting.start(),
              0,
              Optional.empty());
      assertThatThrownBy(() -> Bns.of(Bns.Pairs.ITEMS).fit(without))
          .hasMessageContaining("BNS needs a term with at least 3 pairs of texts of gender");
      assertThatThrownBy(() -> Bns.of(Bns.Pairs.COUNTERFACTUALS).fit(without))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("BNS needs a word with at least 3 pairs");
    }
  }

  @Test
  void theGridHasEight() {
    assertThat(Bns.grid()).hasSize(8).doesNotHaveDuplicates();
  }
}
