package dev.fathom.align.balance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.align.Fitting;
import dev.fathom.align.Fittings;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.SpecialTokens;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class BalanceTest {
  private static final Balance SHORT = new Balance(false, 20, 2e-2, 4, 0, 1, 1);

  static List<String> decoders() throws IOException {
    return Fittings.decoders();
  }

  private static Fitting fitting(Transformer model, SentenceScorer.Context context) {
    return Fittings.of(model, Fittings.GENDER, context, Optional.empty());
  }

  private static Edit edit(Balance balance, Fitting fitting) {
    return ((Remedy.OfWeights) balance.fit(fitting)).edit();
  }

  /// Mean squared gap of the fitted items, in bits, as they are evaluated.
  private static double gaps(TokenScorer tokens, Fitting fitting) {
    var config = SentenceScorer.Config.official(fitting.start()).with(fitting.context());
    var scorer = SentenceScorer.of(tokens, config);
    List<int[]> rows =
        fitting.sentences().stream()
            .map(text -> fitting.tokenizer().encode(text, SpecialTokens.NONE).ids())
            .toList();
    double[] scores = scorer.score(rows);
    double sum = 0;
    for (int i = 0; i < scores.length; i += 2) {
      sum += Math.pow(scores[i] - scores[i + 1], 2);
    }
    return sum / (scores.length / 2.0);
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void whatIsFittedComesCloser(String family) {
    try (Transformer model = Fittings.load(family, DType.F32)) {
      Fitting fitting = fitting(model, SentenceScorer.Context.OFFICIAL);
      double before = gaps(TokenScorer.of(model), fitting);
      try (var treated = new Remedy.OfWeights(edit(SHORT, fitting)).applied(model)) {
        assertThat(gaps(treated.scorer(), fitting)).isLessThan(before / 2);
      }
      assertThat(gaps(TokenScorer.of(model), fitting)).isEqualTo(before);
    }
  }

  /// The loss is what the evaluation measures, its gradient that of the loss.
  @ParameterizedTest
  @CsvSource({"llama,OFFICIAL", "llama,BOS", "gemma2,OFFICIAL", "granite,OFFICIAL", "gpt2,BOS"})
  void lossAndGradient(String family, SentenceScorer.Context context) {
    try (Transformer model = Fittings.load(family, DType.F64);
        var scope = Scope.withoutGradients()) {
      Fitting fitting = fitting(model, context);
      List<Lesson.Item> items =
          List.copyOf(Balance.found(fitting, List.of(fitting.items())).values());
      var weights = new Lesson.Weights(3, 0.7);
      var lesson = new Lesson(model, items, fitting.rows(fitting.neutral(), 100), weights);
      Tensor stream = model.stream(lesson.rows().ids(), lesson.rows().pass());
      Lesson.Loss loss = lesson.of(stream);
      assertThat(loss.value())
          .isCloseTo(gaps(TokenScorer.of(model), fitting), within(1e-5)); // nothing drifts yet
      var random = new Random(5);
      double[] values = new double[Math.toIntExact(stream.elements())];
      Arrays.setAll(values, _ -> 0.1 * random.nextGaussian());
      Tensor away = stream.add(Tensor.of(values, stream.shape()));
      Arrays.setAll(values, _ -> random.nextGaussian());
      Tensor direction = Tensor.of(values, stream.shape()).mul(1e-4);
      double slope = lesson.of(away).gradient().mul(direction).sum().item();
      double rise = lesson.of(away.add(direction)).value() - lesson.of(away.sub(direction)).value();
      assertThat(slope).isCloseTo(rise / 2, within(1e-6 * Math.abs(rise) + 1e-10));
    }
  }

  /// However few logits are held at a time; of a token alone, too.
  @Test
  void partByPartIsTheSame() {
    try (Transformer model = Fittings.load("llama", DType.F64);
        var scope = Scope.withoutGradients()) {
      Fitting fitting = fitting(model, SentenceScorer.Context.OFFICIAL);
      var items = new ArrayList<>(Balance.found(fitting, List.of(fitting.items())).values());
      Lesson.Item some = items.getFirst();
      var sentences = new ArrayList<>(some.sentences());
      sentences.set(1, new Lesson.Sentence(new int[] {sentences.get(0).row()[0]}, 1.4, -3));
      sentences.set(2, new Lesson.Sentence(new int[] {3, 4}, 0.7, -2));
      items.add(new Lesson.Item(sentences, some.sense()));
      List<int[]> text = fitting.rows(fitting.neutral(), 100);
      var weights = new Lesson.Weights(3, 0.7);
      var whole = new Lesson(model, items, text, weights, Long.MAX_VALUE);
      Tensor stream = model.stream(whole.rows().ids(), whole.rows().pass());
      double[] values = new double[Math.toIntExact(stream.elements())];
      var random = new Random(6);
      Arrays.setAll(values, _ -> 0.1 * random.nextGaussian());
      Tensor away = stream.add(Tensor.of(values, stream.shape()));
      Lesson.Loss expected = whole.of(away);
      for (long most : new long[] {1, 10L * model.outputs()}) {
        Lesson.Loss found = new Lesson(model, items, text, weights, most).of(away);
        assertThat(found.value()).isCloseTo(expected.value(), within(1e-9));
        assertThat(found.gradient().toDoubles())
            .containsExactly(expected.gradient().toDoubles(), within(1e-9));
      }
    }
  }

  @Test
  void theSameSeedLearnsTheSame() {
    try (Transformer model = Fittings.load("gpt2", DType.F32)) {
      Edit one = edit(SHORT, fitting(model, SentenceScorer.Context.OFFICIAL));
      Edit other = edit(SHORT, fitting(model, SentenceScorer.Context.OFFICIAL));
      assertThat(other.changes()).isEqualTo(one.changes());
      assertThat(one.name()).isEqualTo("balance");
      assertThat(one.card().parameters()).containsEntry("domain", "gender").containsKey("steps");
    }
  }

  @Test
  void onlyDownProjectionsOfUpperLayersAreStepped() {
    try (Transformer model = Fittings.load("llama", DType.F32)) {
      var upper = new Balance(false, 2, 1e-3, 4, 0.5, 1, 1);
      Edit edit = edit(upper, fitting(model, SentenceScorer.Context.OFFICIAL));
      assertThat(edit.changes()).hasSize(model.layers() - model.layers() / 2);
      for (Change change : edit.changes()) {
        assertThat(change).isInstanceOf(Change.LowRank.class);
        assertThat(((Change.LowRank) change).tensor()).contains("down_proj");
        assertThat(((Change.LowRank) change).rank()).isEqualTo(4);
      }
    }
  }

  @Test
  void theControlIsAsLargeAndElsewhere() {
    try (Transformer model = Fittings.load("llama", DType.F32);
        var scope = Scope.withoutGradients()) {
      Fitting fitting = fitting(model, SentenceScorer.Context.OFFICIAL);
      List<Change> learnt = edit(SHORT, fitting).changes();
      List<Change> drawn = edit(SHORT.atRandom(), fitting).changes();
      assertThat(drawn).hasSameSizeAs(learnt);
      for (int i = 0; i < learnt.size(); i++) {
        Tensor one = step((Change.LowRank) learnt.get(i));
        Tensor other = step((Change.LowRank) drawn.get(i));
        double size = Math.sqrt(one.square().sum().item());
        assertThat(Math.sqrt(other.square().sum().item())).isCloseTo(size, within(1e-5 * size));
        double cosine = one.mul(other).sum().item() / (size * size);
        assertThat(Math.abs(cosine)).isLessThan(0.2);
      }
    }
  }

  private static Tensor step(Change.LowRank step) {
    return step.b().tensor(DType.F64).matmul(step.a().tensor(DType.F64));
  }

  @Test
  void settingsAreSpelledTheSameInEveryLocale() {
    Locale usual = Locale.getDefault();
    try {
      Locale.setDefault(Locale.GERMANY);
      assertThat(Balance.standard().settings())
          .containsEntry("from layer", "0.3333333333333333 of the depth");
    } finally {
      Locale.setDefault(usual);
    }
  }

  @Test
  void whatCannotBeLearntIsRefused() {
    assertThatThrownBy(() -> new Balance(false, 0, 1e-3, 8, 0, 1, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("steps, a rate and a rank above 0");
    try (Transformer model = Fittings.load("llama", DType.F32)) {
      Fitting whole = fitting(model, SentenceScorer.Context.OFFICIAL);
      var silent =
          new Fitting(
              model,
              whole.tokenizer(),
              "gender",
              whole.items(),
              whole.words(),
              List.of(),
              whole.context(),
              whole.start(),
              1,
              Optional.empty());
      assertThatThrownBy(() -> SHORT.fit(silent))
          .hasMessageContaining("running text; found 16 and 0");
    }
  }
}
