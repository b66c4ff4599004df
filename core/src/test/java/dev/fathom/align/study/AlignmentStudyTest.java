package dev.fathom.align.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import dev.fathom.align.Fitting;
import dev.fathom.align.Fittings;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.align.lope.PairErasure;
import dev.fathom.edit.Change;
import dev.fathom.edit.EditFile;
import dev.fathom.edit.Edits;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.evaluate.bias.BiasScorer;
import dev.fathom.evaluate.bias.ScoredItem;
import dev.fathom.evaluate.bias.StereoSetEvaluation;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.model.Linear;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.node.JsonNodeFactory;

class AlignmentStudyTest {
  private static final Transformer MODEL = Fittings.load("llama", DType.F32);
  private static final List<String> TEXT =
      List.of("one line of some words", "another line of other words", "and a third line");
  private static final AlignmentStudy.HeldOut HELD_OUT =
      new AlignmentStudy.HeldOut("lines", TEXT, 60);

  @TempDir private Path folder = Path.of("");

  @BeforeAll
  static void oneThread() {
    Threads.set(1); // more only wait for each other over products this small
  }

  @AfterAll
  static void close() {
    MODEL.close();
  }

  /// Makes all logits larger by a share, and counts how often it is fitted.
  private record Louder(double share, AtomicInteger fits) implements Method {
    @Override
    public String name() {
      return "louder";
    }

    @Override
    public SequencedMap<String, String> settings() {
      return new LinkedHashMap<>(Map.of("share", Double.toString(share)));
    }

    @Override
    public Remedy fit(Fitting fitting) {
      fits.incrementAndGet();
      Linear head = fitting.model().head().out();
      List<Integer> all = IntStream.range(0, (int) head.out()).boxed().toList();
      try (var scope = Scope.withoutGradients()) {
        Tensor rows = head.weight().values().mul(1 + share);
        List<Change> changes = List.of(Change.Rows.outputs(head, all, rows));
        return new Remedy.OfWeights(fitting.edit(this, changes, new LinkedHashMap<>()));
      }
    }
  }

  private static Entrant louder(AtomicInteger fits, double... shares) {
    var settings = new ArrayList<Method>();
    for (double share : shares) {
      settings.add(new Louder(share, fits));
    }
    return new Entrant("louder", settings);
  }

  private static Fitting fitting(List<StereoSetItem> items, long seed) {
    Fitting some = Fittings.of(MODEL, Fittings.GENDER);
    return new Fitting(
        MODEL,
        some.tokenizer(),
        "gender",
        items,
        some.words(),
        some.neutral(),
        some.context(),
        some.start(),
        seed,
        Optional.empty());
  }

  private static List<AlignmentStudy.Domain> domains(int seeds) {
    var domains = new ArrayList<AlignmentStudy.Domain>();
    for (long seed = 1; seed <= seeds; seed++) {
      for (Folds.Fold fold : Folds.of(Fittings.items(Fittings.GENDER), 2, seed)) {
        domains.add(
            new AlignmentStudy.Domain(fitting(fold.fit(), seed), fold.number(), fold.test()));
      }
    }
    return domains;
  }

  private AlignmentTable run(List<AlignmentStudy.Domain> domains, Entrant... entrants) {
    return AlignmentStudy.run(domains, List.of(entrants), HELD_OUT, folder, _ -> {});
  }

  /// But for the seconds.
  private static List<Outcome> timeless(AlignmentTable table) {
    return table.outcomes().stream()
        .map(o ->
            new Outcome(
                o.entrant(),
                o.domain(),
                o.seed(),
                o.fold(),
                o.settings(),
                o.items(),
                o.perplexity(),
                o.divergence(),
                o.changed(),
                0))
        .toList();
  }

  @Test
  void everyEntrantIsMeasuredOnItemsItWasNotFittedOnAndItsEditKept() {
    var told = new ArrayList<String>();
    List<AlignmentStudy.Domain> domains = domains(1);
    List<Entrant> entrants =
        List.of(
            new Entrant("pairs", List.of(PairErasure.of(1), PairErasure.of(3))),
            new Entrant("random", List.of(PairErasure.of(3).atRandom())));
    AlignmentTable table =
        AlignmentStudy.run(
            domains,
            entrants,
            HELD_OUT,
            folder,
            outcome -> told.add(outcome.fold() + outcome.entrant()));
    assertThat(told)
        .containsExactly("1base", "1pairs", "1random", "2base", "2pairs", "2random")
        .hasSize(AlignmentStudy.size(domains, entrants));
    assertThat(table.entrants()).containsExactly("base", "pairs", "random");
    assertThat(table.scores("pairs").row("gender").n()).isEqualTo(16);
    assertThat(table.provenance().parameters())
        .containsEntry("neutral text", "lines")
        .containsEntry("folds", "2")
        .containsEntry("seeds", "1");
    Outcome pairs = table.outcomes().get(1);
    assertThat(pairs.settings().get("rank")).isIn("1", "3");
    assertThat(pairs.changed()).isEqualTo(3L * (48 * 48 + 48 * 80 + 2 * 48));
    assertThat(pairs.divergence()).isPositive();
    Path edit = folder.resolve("seed1/gender1/pairs/edit.safetensors");
    try (var edited = Edits.apply(MODEL, List.of(EditFile.read(edit)))) {
      Fitting fitting = domains.getFirst().fitting();
      BiasScorer scorer =
          BiasScorer.causal(edited, fitting.tokenizer(), fitting.context(), fitting.start());
      assertThat(StereoSetEvaluation.scores(scorer, domains.getFirst().test()))
          .isEqualTo(pairs.items());
    }
    assertThat(folder.resolve("seed1/gender2/base/outcome.json")).exists();
    assertThat(folder.resolve("seed1/gender2/base/edit.safetensors")).doesNotExist();
  }

  @Test
  void theBaseIsTheModelAsItIs() {
    AlignmentTable table = run(domains(1), louder(new AtomicInteger(), 0));
    Outcome base = table.outcomes().getFirst();
    assertThat(base.divergence()).isZero();
    assertThat(base.changed()).isZero();
    assertThat(base.settings()).isEmpty();
    Outcome same = table.outcomes().get(1); // by nothing
    assertThat(same.items()).isEqualTo(base.items());
    assertThat(same.perplexity()).isCloseTo(base.perplexity(), within(1e-9));
    assertThat(same.divergence()).isCloseTo(0, within(1e-9));
    assertThat(same.changed()).isEqualTo(131 * 48);
    assertThat(table.perplexity("louder")).isCloseTo(1, within(1e-9));
  }

  @Test
  void aKilledStudyGoesOnWhereItWas() throws IOException {
    var fits = new AtomicInteger();
    List<AlignmentStudy.Domain> domains = domains(2);
    AlignmentTable whole = run(domains, louder(fits, 0.1));
    assertThat(fits).hasValue(4);
    assertThat(timeless(run(domains, louder(fits, 0.1)))).isEqualTo(timeless(whole));
    assertThat(fits).as("nothing is done again").hasValue(4);
    // the edit is there already, as after a kill between the two files
    Files.delete(folder.resolve("seed2/gender1/louder/outcome.json"));
    assertThat(timeless(run(domains, louder(fits, 0.1)))).isEqualTo(timeless(whole));
    assertThat(fits).hasValue(5);
    // one more entrant does not touch the others
    var entrants = List.of(louder(fits, 0.1), new Entrant("pairs", List.of(PairErasure.of(1))));
    AlignmentTable more = AlignmentStudy.run(domains, entrants, HELD_OUT, folder, _ -> {});
    assertThat(more.entrants()).containsExactly("base", "louder", "pairs");
    assertThat(fits).hasValue(5);
  }

  @Test
  void aFolderOfAnotherStudyIsRefused() {
    var fits = new AtomicInteger();
    run(domains(1), louder(fits, 0.1));
    List<Runnable> others =
        List.of(
            () -> run(domains(1), louder(fits, 0.2)),
            () -> run(domains(1), louder(fits, 0.1, 0.2)),
            () -> {
              var less = new AlignmentStudy.HeldOut("lines", TEXT, 10);
              AlignmentStudy.run(domains(1), List.of(), less, folder, _ -> {});
            },
            () -> {
              var other = new AlignmentStudy.HeldOut("lines", TEXT.subList(1, 3), 60);
              AlignmentStudy.run(domains(1), List.of(), other, folder, _ -> {});
            });
    for (Runnable other : others) {
      assertThatThrownBy(other::run)
          .isInstanceOf(FathomException.class)
          .hasMessageContainingAll("outcome.json", "other settings", "another folder");
    }
    assertThat(fits).hasValue(2);
  }

  @Test
  void aBrokenOutcomeIsRefused() throws IOException {
    run(domains(1));
    Path file = folder.resolve("seed1/gender1/base/outcome.json");
    String text = Files.readString(file);
    Files.writeString(file, text.replace("\"perplexity\"", "\"perplex\""));
    assertThatThrownBy(() -> run(domains(1)))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("not an outcome");
    Files.writeString(file, text.substring(0, 100));
    assertThatThrownBy(() -> run(domains(1)))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("not valid JSON");
  }

  @Test
  void theBestAffordableSettingIsChosenAndWithoutOneTheLeastHarmful() {
    var fits = new AtomicInteger();
    AlignmentTable some = run(domains(1), louder(fits, 3, 0, 2));
    assertThat(some.outcomes().get(1).settings()).containsEntry("share", "0.0");
    assertThat(fits).hasValue(6);
    Path elsewhere = folder.resolve("elsewhere");
    AlignmentTable none =
        AlignmentStudy.run(
            domains(1), List.of(louder(fits, 3, 1, 2)), HELD_OUT, elsewhere, _ -> {});
    assertThat(none.outcomes().get(1).settings()).containsEntry("share", "1.0");
    assertThat(none.perplexity("louder")).isGreaterThan(1.05);
  }

  @Test
  void whatIsDoneAtRunTimeIsMeasuredTooButHasNoEdit() {
    var method =
        new Method() {
          @Override
          public String name() {
            return "biased";
          }

          @Override
          public SequencedMap<String, String> settings() {
            return new LinkedHashMap<>();
          }

          @Override
          public Remedy fit(Fitting fitting) {
            return new Remedy.AtRunTime(
                "biased",
                model -> {
                  TokenScorer scorer = TokenScorer.of(model);
                  return new Remedy.Treated(
                      model,
                      (rows, config) -> {
                        List<float[]> found = scorer.score(rows, config);
                        found.forEach(row -> row[0] -= 1);
                        return found;
                      },
                      Optional.empty(),
                      () -> {});
                });
          }
        };
    AlignmentTable table = run(domains(1), new Entrant("biased", List.of(method)));
    Outcome base = table.outcomes().getFirst();
    Outcome biased = table.outcomes().get(1);
    for (int i = 0; i < base.items().size(); i++) {
      ScoredItem item = base.items().get(i);
      double less = 1 / Math.log(2) / 9; // nine words a sentence
      assertThat(biased.items().get(i).stereotype())
          .isCloseTo(item.stereotype() - less, within(1e-6));
    }
    assertThat(biased.changed()).isZero();
    assertThat(folder.resolve("seed1/gender1/biased/outcome.json")).exists();
    assertThat(folder.resolve("seed1/gender1/biased/edit.safetensors")).doesNotExist();
  }

  @Test
  void aMethodThatCannotBeFittedIsNamed() {
    var refusing =
        new Method() {
          @Override
          public String name() {
            return "refusing";
          }

          @Override
          public SequencedMap<String, String> settings() {
            return new LinkedHashMap<>();
          }

          @Override
          public Remedy fit(Fitting fitting) {
            throw new IllegalArgumentException("too few texts");
          }
        };
    assertThatThrownBy(() -> run(domains(1), new Entrant("refusing", List.of(refusing))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("The method refusing cannot be fitted for gender: too few texts");
  }

  @Test
  void fittedAndTestedTermsMayNotOverlap() {
    List<StereoSetItem> items = Fittings.items(Fittings.GENDER);
    assertThatThrownBy(() -> new AlignmentStudy.Domain(fitting(items, 1), 1, items.subList(3, 4)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll(items.get(3).target(), "fitted on and tested");
    assertThatThrownBy(() -> new AlignmentStudy.Domain(fitting(items, 1), 1, List.of()))
        .hasMessageContaining("no items of domain gender to test on");
  }

  @Test
  void namesOfDomainsDoNotLeadElsewhere() {
    List<Folds.Fold> folds = Folds.of(Fittings.items(Fittings.GENDER), 2, 1);
    Fitting fitting = fitting(folds.getFirst().fit(), 1);
    var other =
        new Fitting(
            MODEL,
            fitting.tokenizer(),
            "../gender",
            fitting.items(),
            fitting.words(),
            fitting.neutral(),
            fitting.context(),
            fitting.start(),
            1,
            Optional.empty());
    assertThatThrownBy(() -> new AlignmentStudy.Domain(other, 1, folds.getFirst().test()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("'../gender'");
  }

  @Test
  void senselessStudiesAreRefused() {
    Entrant one = louder(new AtomicInteger(), 0);
    assertThatThrownBy(() -> run(List.of(), one)).hasMessageContaining("at least one domain");
    assertThatThrownBy(() -> run(domains(1), one, one)).hasMessageContaining("different names");
    List<AlignmentStudy.Domain> twice = new ArrayList<>(domains(1));
    twice.add(twice.getFirst());
    assertThatThrownBy(() -> run(twice, one))
        .hasMessageContaining("Fold 1 of domain gender with seed 1 is there twice");
    assertThatThrownBy(() -> new AlignmentStudy.HeldOut("x", TEXT, 1))
        .hasMessageContaining("at least 2 tokens");
  }

  @Test
  void anOutcomeOfADestroyedModelCanBeKept() {
    var outcome =
        new Outcome(
            "x",
            "gender",
            3,
            2,
            new LinkedHashMap<>(Map.of("k", "1")),
            List.of(new ScoredItem("a", "gender", "t", -1.25, -2.5, -1e300)),
            Double.POSITIVE_INFINITY,
            Double.NaN,
            7,
            0.25);
    var json = JsonNodeFactory.instance.objectNode();
    outcome.write(json);
    assertThat(Outcome.read(json, Path.of("x"))).isEqualTo(outcome);
  }

  /// What changes nothing has the base's scores; what changes something of its own is measured.
  @Test
  void whatChangesNothingIsTheBase() {
    var nothing = new Entrant("nothing", List.of(PairErasure.of(1).withStrength(0)));
    AlignmentTable table =
        run(domains(1), nothing, new Entrant("pairs", List.of(PairErasure.of(3))));
    for (int fold = 1; fold <= 2; fold++) {
      Outcome base = outcome(table, "base", fold);
      Outcome same = outcome(table, "nothing", fold);
      assertThat(same.items()).isEqualTo(base.items());
      assertThat(same.perplexity()).isEqualTo(base.perplexity());
      assertThat(same.divergence()).isZero();
      assertThat(same.changed()).isZero();
      assertThat(same.settings()).containsEntry("strength", "0.0");
      assertThat(outcome(table, "pairs", fold).items()).isNotEqualTo(base.items());
    }
  }

  private static Outcome outcome(AlignmentTable table, String entrant, int fold) {
    return table.outcomes().stream()
        .filter(o -> o.entrant().equals(entrant) && o.fold() == fold)
        .findFirst()
        .orElseThrow();
  }
}
