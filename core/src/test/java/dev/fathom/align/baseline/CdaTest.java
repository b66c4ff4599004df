package dev.fathom.align.baseline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.align.AttributeWords;
import dev.fathom.align.AttributeWords.Counterfactual;
import dev.fathom.align.Fitting;
import dev.fathom.align.Fittings;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.align.Words;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.evaluate.Likelihood;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Threads;
import dev.fathom.text.SpecialTokens;
import dev.fathom.train.Row;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CdaTest {
  private static final Tuning SHORT = new Tuning(40, 100, 1e-2, 4, 0);

  @TempDir private Path folder;

  @BeforeAll
  static void oneThread() {
    Threads.set(1); // more only wait for each other over products this small
  }

  private static Edit fit(Method method, Fitting fitting) {
    return ((Remedy.OfWeights) method.fit(fitting)).edit();
  }

  private Fitting cached(Transformer model) {
    return Fittings.of(
        model, Fittings.GENDER, SentenceScorer.Context.OFFICIAL, Optional.of(folder));
  }

  private List<String> runs() throws IOException {
    try (Stream<Path> all = Files.list(folder)) {
      return all.map(path -> String.valueOf(path.getFileName()))
          .filter(name -> name.startsWith("tuned-"))
          .toList();
    }
  }

  private static List<Double> losses(TokenScorer scorer, Words words, List<String> texts) {
    List<int[]> rows =
        texts.stream().map(text -> words.encode(text, SpecialTokens.NONE).ids()).toList();
    return scorer.score(rows, Likelihood.Config.standard()).stream()
        .map(values -> -Likelihood.sum(values))
        .toList();
  }

  @Test
  void bothSidesAreLearntAndComeCloser() {
    try (Transformer model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      List<Counterfactual> pairs = Cda.pairs(fitting, "CDA");
      assertThat(pairs).hasSizeGreaterThan(10);
      var words = new Words(model.outputs(), true);
      List<String> texts = pairs.stream().map(Counterfactual::text).toList();
      List<String> others = pairs.stream().map(Counterfactual::other).toList();
      Remedy remedy = new Cda(SHORT, 1).fit(fitting);
      try (Remedy.Treated treated = remedy.applied(model)) {
        List<Double> before = losses(TokenScorer.of(model), words, texts);
        List<Double> after = losses(treated.scorer(), words, texts);
        List<Double> otherBefore = losses(TokenScorer.of(model), words, others);
        List<Double> otherAfter = losses(treated.scorer(), words, others);
        assertThat(mean(after)).isLessThan(0.9 * mean(before));
        assertThat(mean(otherAfter)).isLessThan(0.9 * mean(otherBefore));
        assertThat(gap(after, otherAfter)).isLessThan(gap(before, otherBefore));
      }
    }
  }

  private static double mean(List<Double> values) {
    return values.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
  }

  private static double gap(List<Double> a, List<Double> b) {
    double sum = 0;
    for (int i = 0; i < a.size(); i++) {
      sum += Math.abs(a.get(i) - b.get(i));
    }
    return sum / a.size();
  }

  @Test
  void methodsThatLearnTheSameShareARunAndGiveTheSame() throws IOException {
    try (Transformer model = Fittings.load("gpt2", DType.F32)) {
      Fitting fitting = cached(model);
      Edit whole = fit(new Cda(SHORT, 1), fitting);
      assertThat(runs()).hasSize(1);
      Path log = folder.resolve(runs().getFirst()).resolve("log.jsonl");
      long steps = Files.readAllLines(log).size();
      Edit half = fit(new Cda(SHORT, 0.5), fitting);
      Edit again = fit(new Cda(SHORT, 1), fitting);
      assertThat(runs()).hasSize(1);
      assertThat(Files.readAllLines(log)).hasSize((int) steps);
      assertThat(again.changes()).isEqualTo(whole.changes());
      for (int i = 0; i < whole.changes().size(); i++) {
        var one = (Change.LowRank) whole.changes().get(i);
        var other = (Change.LowRank) half.changes().get(i);
        assertThat(other.factor()).isCloseTo(one.factor() / 2, within(1e-12));
        assertThat(other.b()).isEqualTo(one.b());
      }
      assertThat(whole.name()).isEqualTo("cda");
      assertThat(whole.card().parameters())
          .containsEntry("strength", "1")
          .containsEntry("domain", "gender")
          .containsKey("sentences");
      Edit dropping = fit(new DropoutTuning(SHORT.withDropout(0.3), 1), fitting);
      assertThat(runs()).hasSize(2);
      assertThat(dropping.changes()).isNotEqualTo(whole.changes());
      assertThat(dropping.name()).isEqualTo("dropout");
    }
  }

  @Test
  void withoutACacheItGivesTheSame() {
    try (Transformer model = Fittings.load("gpt2", DType.F32)) {
      Tuning few = SHORT.withSteps(4);
      Edit kept = fit(new Cda(few, 1), cached(model));
      Edit free = fit(new Cda(few, 1), Fittings.of(model, Fittings.GENDER));
      assertThat(free.changes()).isEqualTo(kept.changes());
    }
  }

  @Test
  void dropoutLearnsTheTextsAsTheyAre() {
    try (Transformer model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      var words = new Words(model.outputs(), true);
      List<String> texts =
          Cda.pairs(fitting, "dropout").stream().map(Counterfactual::text).toList();
      Remedy remedy = new DropoutTuning(SHORT.withDropout(0.2), 1).fit(fitting);
      try (Remedy.Treated treated = remedy.applied(model)) {
        assertThat(mean(losses(treated.scorer(), words, texts)))
            .isLessThan(0.9 * mean(losses(TokenScorer.of(model), words, texts)));
      }
    }
  }

  @Test
  void textsStandBehindEachOtherWithAnEndEach() {
    var words = new Words(50, true);
    List<Row> rows = Tuning.rows(words, List.of("a b c", "d e", "f"), 4);
    var all = new ArrayList<Integer>();
    rows.forEach(row -> {
      for (int id : row.ids()) {
        all.add(id);
      }
    });
    int end = Words.EOS;
    assertThat(all)
        .containsExactly(
            words.idOf("a"),
            words.idOf("b"),
            words.idOf("c"),
            end, //
            words.idOf("d"),
            words.idOf("e"),
            end,
            words.idOf("f"));
    assertThat(rows).hasSize(2); // the last end alone teaches nothing
  }

  @Test
  void stepsAreAtMostAsManyAsTheEpochsNeed() throws IOException {
    try (Transformer model = Fittings.load("gpt2", DType.F32)) {
      fit(new Cda(SHORT.withEpochs(1), 1), cached(model));
      Path log = folder.resolve(runs().getFirst()).resolve("log.jsonl");
      assertThat(Files.readAllLines(log)).hasSizeLessThan(8);
    }
  }

  @Test
  void textsWithoutSuchWordsAreRefused() {
    try (Transformer model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      var strange = new AttributeWords("gender", List.of(List.of("zig", "zag")));
      var without =
          new Fitting(
              model,
              fitting.tokenizer(),
              "gender",
              fitting.items(),
              strange,
              fitting.neutral(),
              fitting.context(),
              fitting.start(),
              0,
              Optional.empty());
      assertThatThrownBy(() -> Cda.standard().fit(without))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("cda learns sentences with words of gender, and there is none");
    }
  }

  @Test
  void gridsShareOneRun() {
    assertThat(Cda.grid()).hasSizeLessThanOrEqualTo(8).contains(Cda.standard());
    assertThat(Cda.grid().stream().map(Cda::tuning).distinct()).hasSize(1);
    assertThat(DropoutTuning.grid().stream().map(DropoutTuning::tuning).distinct()).hasSize(1);
    assertThat(DropoutTuning.standard().tuning().dropout()).isGreaterThan(0.05);
  }
}
