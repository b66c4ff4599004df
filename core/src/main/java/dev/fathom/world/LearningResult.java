package dev.fathom.world;

import dev.fathom.evaluate.Share;
import dev.fathom.refine.Mod;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.SequencedMap;
import java.util.function.Function;
import java.util.stream.IntStream;

/// What a study of [Learning] gave.
///
/// @param parameters numbers of the model
/// @param learners as in the study; the first is what the others are compared with
/// @param lessons one for each lesson
public record LearningResult(
    Provenance provenance, long parameters, List<Learner> learners, List<Taught> lessons)
    implements Result {
  /// The share of LoRA's gain that a mixture alone is to recover.
  public static final double AIM = 0.7;

  private static final int DRAWS = 2000;

  public LearningResult {
    learners = List.copyOf(learners);
    lessons = List.copyOf(lessons);
  }

  /// What one learner answered after one lesson with one seed: a 1 for each right answer, otherwise
  /// a 0.
  ///
  /// @param again to questions that were told
  /// @param otherwise to questions that were not
  /// @param old to questions about what the model knew before
  /// @param numbers that were learnt
  /// @param loss of the last step, NaN without one
  public record Exam(
      String again, String otherwise, String old, long numbers, double loss, double seconds) {
    /// Share of right answers.
    static double accuracy(String bits) {
      return (double) right(bits) / bits.length();
    }

    private static int right(String bits) {
      return (int) bits.chars().filter(bit -> bit == '1').count();
    }
  }

  /// The exams of one learner, one a seed.
  public record Exams(String learner, List<Exam> seeds) {
    public Exams {
      seeds = List.copyOf(seeds);
    }

    /// Right answers over all seeds.
    public Share share(Function<Exam, String> of) {
      return new Share(
          seeds.stream().mapToInt(exam -> Exam.right(of.apply(exam))).sum(),
          seeds.stream().mapToInt(exam -> of.apply(exam).length()).sum());
    }

    /// How many numbers were learnt.
    public long numbers() {
      return seeds.getFirst().numbers();
    }

    private double seconds() {
      return seeds.stream().mapToDouble(Exam::seconds).average().orElse(0);
    }
  }

  /// A value and its interval, NaN where there is none.
  public record Recovered(double value, double low, double high) {}

  /// One lesson.
  ///
  /// @param exams the model's as it is, then those of the learners
  /// @param reach for each seed, what mixtures of 1 to all late layers can reach
  public record Taught(String lesson, List<Exams> exams, List<List<LensReach>> reach) {
    public Taught {
      exams = List.copyOf(exams);
      reach = reach.stream().map(List::copyOf).toList();
    }

    /// The model as it is.
    public Exams base() {
      return exams.getFirst();
    }

    /// What the others are compared with.
    public Exams reference() {
      return exams.get(1);
    }

    /// @throws IllegalArgumentException if there is no such learner
    public Exams of(String learner) {
      return exams.stream()
          .filter(found -> found.learner().equals(learner))
          .findFirst()
          .orElseThrow(() -> new IllegalArgumentException("no learner is called " + learner));
    }

    /// Of the questions about old things that the model answered before, those it still answers.
    public Share kept(Exams after) {
      int before = 0;
      int still = 0;
      for (int s = 0; s < after.seeds().size(); s++) {
        String was = base().seeds().get(s).old();
        String is = after.seeds().get(s).old();
        for (int q = 0; q < was.length(); q++) {
          before += was.charAt(q) == '1' ? 1 : 0;
          still += was.charAt(q) == '1' && is.charAt(q) == '1' ? 1 : 0;
        }
      }
      return before == 0 ? new Share(0, 1) : new Share(still, before);
    }

    /// `(learner − base) / (reference − base)` of the questions that were not told. The interval
    /// has 95 % of the values when questions are drawn again, each seed's among themselves.
    public Recovered recovered(Exams learner) {
      var random = new Random(1);
      double[] drawn = new double[DRAWS];
      for (int d = 0; d < DRAWS; d++) {
        double[] sums = new double[3];
        for (int s = 0; s < learner.seeds().size(); s++) {
          int n = learner.seeds().get(s).otherwise().length();
          for (int i = 0; i < n; i++) {
            add(sums, learner, s, random.nextInt(n));
          }
        }
        drawn[d] = ratio(sums);
      }
      double[] sums = new double[3];
      for (int s = 0; s < learner.seeds().size(); s++) {
        for (int q = 0; q < learner.seeds().get(s).otherwise().length(); q++) {
          add(sums, learner, s, q);
        }
      }
      double[] sorted = IntStream.range(0, DRAWS).mapToDouble(d -> drawn[d]).sorted().toArray();
      return new Recovered(
          ratio(sums), sorted[(int) (0.025 * DRAWS)], sorted[(int) (0.975 * DRAWS) - 1]);
    }

    private void add(double[] sums, Exams learner, int seed, int question) {
      sums[0] += bit(base(), seed, question);
      sums[1] += bit(reference(), seed, question);
      sums[2] += bit(learner, seed, question);
    }

    private static int bit(Exams exams, int seed, int question) {
      return exams.seeds().get(seed).otherwise().charAt(question) - '0';
    }

    private static double ratio(double[] sums) {
      return sums[1] == sums[0] ? Double.NaN : (sums[2] - sums[0]) / (sums[1] - sums[0]);
    }

    /// What mixtures of so many late layers can reach, over all seeds.
    public LensReach reach(int late) {
      List<LensReach> of = reach.stream().map(seed -> seed.get(late - 1)).toList();
      return new LensReach(
          late,
          of.stream().mapToInt(LensReach::questions).sum(),
          of.stream().mapToInt(LensReach::inLens).sum(),
          of.stream().mapToInt(LensReach::inMixture).sum(),
          of.stream().mapToInt(LensReach::inLensAmong).sum(),
          of.stream().mapToInt(LensReach::inMixtureAmong).sum(),
          of.stream().mapToDouble(LensReach::chance).average().orElse(Double.NaN),
          of.stream().mapToDouble(LensReach::rank).average().orElse(Double.NaN));
    }

    /// Layers of the model.
    int layers() {
      return reach.getFirst().size();
    }
  }

  /// @throws IllegalArgumentException if there is no such lesson
  public Taught lesson(String name) {
    return lessons.stream()
        .filter(taught -> taught.lesson().equals(name))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no lesson is called " + name));
  }

  /// Mixtures without steps that learn at most [Learning#FEW] of the model.
  private List<Exams> alone(Taught taught) {
    return learners.stream()
        .filter(learner -> learner.loras().isEmpty())
        .map(learner -> taught.of(learner.name()))
        .filter(exams -> exams.numbers() <= Learning.FEW * parameters)
        .toList();
  }

  /// The one of them that recovers most; empty where none was tried.
  public Optional<Exams> bestAlone(Taught taught) {
    return alone(taught).stream()
        .max(Comparator.comparingDouble(exams -> taught.recovered(exams).value()));
  }

  // ---------------------------------------------------------------- pictures

  @Override
  public String method() {
    return "learning";
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    views.add(
        new View.Text(
            "What came of it",
            "Does a mixture alone, of at most 0.1 % of the numbers, learn what LoRA learns?",
            lessons.stream().map(this::words).toList()));
    for (Taught taught : lessons) {
      views.add(accuracies(taught));
      views.add(ranking(taught));
      views.add(reach(taught));
      views.add(layers(taught));
    }
    views.add(seeds());
    views.add(settings());
    return views;
  }

  private String words(Taught taught) {
    String start =
        "%s: %s answers %s of the questions that were not told, the model before %s."
            .formatted(
                taught.lesson(),
                taught.reference().learner(),
                value(taught.reference().share(Exam::otherwise)),
                value(taught.base().share(Exam::otherwise)));
    Optional<Exams> best = bestAlone(taught);
    if (best.isEmpty()) {
      return start + " No mixture of so few numbers was tried.";
    }
    Recovered recovered = taught.recovered(best.get());
    String verdict = recovered.value() >= AIM ? "met" : "not met";
    return String.join(
        " ",
        start,
        ("The best mixture alone (%s, %s) recovers %s of that gain, and answers %s of what it was"
                + " told. The aim of %s is %s.")
            .formatted(
                best.get().learner(),
                size(best.get()),
                value(recovered),
                value(best.get().share(Exam::again)),
                number(AIM),
                verdict),
        held(taught),
        fewSteps(taught));
  }

  /// What the late layers hold.
  private static String held(Taught taught) {
    int n = taught.layers();
    LensReach all = taught.reach(n);
    return ("In %s of these questions the answer is first in some of the %d layers' lenses, and in"
            + " at most %s in any mixture of them, weights chosen for each question by somebody who"
            + " knows its answer. Among only the words that answer such questions it is first in"
            + " the last layer's lens in %s, where drawing one would give %s.")
        .formatted(
            value(all.lens()),
            n,
            value(all.mixture()),
            value(taught.reach(1).lensAmong()),
            number(all.chance()));
  }

  /// What steps do with as few numbers.
  private String fewSteps(Taught taught) {
    return learners.stream()
        .filter(learner -> learner.mod().isEmpty())
        .map(learner -> taught.of(learner.name()))
        .filter(exams -> exams.numbers() <= Learning.FEW * parameters)
        .max(Comparator.comparingDouble(exams -> taught.recovered(exams).value()))
        .map(exams ->
            "Steps inside the model, of as few numbers (%s), recover %s."
                .formatted(size(exams), value(taught.recovered(exams))))
        .orElse("");
  }

  private String size(Exams exams) {
    return String.format(
        Locale.ROOT, "%,d numbers, %.3f %%", exams.numbers(), 100.0 * exams.numbers() / parameters);
  }

  private static String value(Share share) {
    return number(share.value());
  }

  private static String value(Recovered recovered) {
    return "%s (%s to %s)"
        .formatted(number(recovered.value()), number(recovered.low()), number(recovered.high()));
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, "%.2f", value);
  }

  private View accuracies(Taught taught) {
    var rows = new ArrayList<List<View.Cell>>();
    for (Exams exams : taught.exams()) {
      Recovered recovered = taught.recovered(exams);
      boolean base = exams == taught.base();
      rows.add(
          List.of(
              View.Cell.of(exams.learner()),
              View.Cell.of(String.format(Locale.ROOT, "%,d", exams.numbers())),
              View.Cell.of(
                  String.format(Locale.ROOT, "%.3f %%", 100.0 * exams.numbers() / parameters)),
              quantity(exams.share(Exam::again)),
              quantity(exams.share(Exam::otherwise)),
              base
                  ? View.Cell.of("")
                  : new View.Quantity(recovered.value(), recovered.low(), recovered.high()),
              quantity(exams.share(Exam::old)),
              base ? View.Cell.of("") : quantity(taught.kept(exams))));
    }
    return new View.Table(
        "After the lesson " + taught.lesson(),
        "Share of right answers over all seeds, with 95 % intervals: what was told, what was not,"
            + " and what the model knew before; recovered is the share of %s's gain"
                .formatted(taught.reference().learner()),
        List.of(
            "learner",
            "numbers",
            "of the model",
            "told",
            "not told",
            "recovered",
            "old facts",
            "of those known before"),
        rows);
  }

  private static View.Cell quantity(Share share) {
    return new View.Quantity(share.value(), share.low(), share.high());
  }

  private View ranking(Taught taught) {
    var items =
        taught.exams().stream()
            .skip(1)
            .sorted(Comparator.comparingDouble(exams -> -taught.recovered(exams).value()))
            .map(exams -> {
              Recovered recovered = taught.recovered(exams);
              return View.Item.of(exams.learner(), recovered.value())
                  .within(recovered.low(), recovered.high())
                  .withDetails(List.of("%,d numbers".formatted(exams.numbers())));
            })
            .toList();
    return new View.Ranking(
        "Recovered, " + taught.lesson(),
        "How much of the gain of %s does each have, on questions that were not told?"
            .formatted(taught.reference().learner()),
        items,
        "share of the gain");
  }

  private View reach(Taught taught) {
    var rows = new ArrayList<List<View.Cell>>();
    int n = taught.layers();
    for (int late : IntStream.of(1, Math.min(Learner.LATE, n), n).distinct().toArray()) {
      LensReach reach = taught.reach(late);
      rows.add(
          List.of(
              View.Cell.of(late),
              quantity(reach.lens()),
              quantity(reach.mixture()),
              quantity(reach.lensAmong()),
              quantity(reach.mixtureAmong()),
              View.Cell.of(reach.chance()),
              View.Cell.of(reach.rank())));
    }
    return new View.Table(
        "What late layers hold, " + taught.lesson(),
        "In how many questions that are not told is the answer first in one of the last layers'"
            + " lenses, or at most in a mixture whose weights are chosen knowing it?",
        List.of(
            "late layers",
            "some lens",
            "some mixture",
            "some lens, among candidates",
            "some mixture, among candidates",
            "chance, one lens",
            "median best rank"),
        rows);
  }

  /// Mixtures that differ only in how many layers they mix, by that.
  private SequencedMap<Integer, Learner> byLayers() {
    var found = new LinkedHashMap<Integer, Learner>();
    learners.stream()
        .filter(learner -> learner.loras().isEmpty())
        .filter(learner -> learner.mod().equals(learner.mod().map(m -> Mod.Config.dense(m.late()))))
        .sorted(Comparator.comparingInt(learner -> learner.mod().orElseThrow().late()))
        .forEach(learner -> found.putIfAbsent(learner.mod().orElseThrow().late(), learner));
    return found;
  }

  private View layers(Taught taught) {
    List<Share> lens =
        IntStream.rangeClosed(1, taught.layers()).mapToObj(k -> taught.reach(k).lens()).toList();
    List<Share> mixture =
        IntStream.rangeClosed(1, taught.layers()).mapToObj(k -> taught.reach(k).mixture()).toList();
    SequencedMap<Integer, Learner> by = byLayers();
    float[] learnt = new float[taught.layers()];
    for (int k = 1; k <= learnt.length; k++) {
      Learner learner = by.get(k);
      learnt[k - 1] =
          learner == null
              ? Float.NaN
              : (float) taught.of(learner.name()).share(Exam::otherwise).value();
    }
    learnt[0] = (float) taught.base().share(Exam::otherwise).value();
    Axis axis =
        Axis.of(
            "late layers",
            IntStream.rangeClosed(1, taught.layers()).mapToObj(Integer::toString).toList());
    return View.Lines.over(
        "More layers, " + taught.lesson(),
        "Does a mixture of more layers learn more, and how much could it, if it only weighed them?",
        axis,
        View.Panel.of(
            "share of questions not told",
            View.Series.of("learnt", Grid.vector(axis, learnt)),
            curve("some lens", axis, lens),
            curve("some mixture", axis, mixture)));
  }

  private static View.Series curve(String name, Axis axis, List<Share> shares) {
    return View.Series.of(name, grid(axis, shares, Share::value))
        .within(grid(axis, shares, Share::low), grid(axis, shares, Share::high));
  }

  private static Grid grid(Axis axis, List<Share> shares, Function<Share, Double> value) {
    float[] values = new float[shares.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = value.apply(shares.get(i)).floatValue();
    }
    return Grid.vector(axis, values);
  }

  private View seeds() {
    var columns = new ArrayList<String>(List.of("lesson", "learner"));
    int seeds = lessons.getFirst().base().seeds().size();
    IntStream.rangeClosed(1, seeds).forEach(seed -> columns.add("seed " + seed));
    var rows = new ArrayList<List<View.Cell>>();
    for (Taught taught : lessons) {
      for (Exams exams : taught.exams()) {
        var row = new ArrayList<View.Cell>();
        row.add(View.Cell.of(taught.lesson()));
        row.add(View.Cell.of(exams.learner()));
        exams.seeds().forEach(exam -> row.add(View.Cell.of(Exam.accuracy(exam.otherwise()))));
        rows.add(row);
      }
    }
    return new View.Table(
        "Seed by seed", "Is it the same with other facts and other first values?", columns, rows);
  }

  private View settings() {
    var rows = new ArrayList<List<View.Cell>>();
    for (Learner learner : learners) {
      rows.add(
          List.of(
              View.Cell.of(learner.name()),
              View.Cell.of(learner.loras().isEmpty() ? "" : learner.loras().getFirst().summary()),
              View.Cell.of(learner.mod().map(mod -> Integer.toString(mod.late())).orElse("")),
              View.Cell.of(learner.rate()),
              View.Cell.of(learner.epochs()),
              View.Cell.of(lessons.getFirst().of(learner.name()).seconds())));
    }
    return new View.Table(
        "Learners",
        "What does each learn, how fast and how long?",
        List.of("learner", "steps", "late layers mixed", "rate", "epochs", "seconds"),
        rows);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    for (Taught taught : lessons) {
      Axis rows = Axis.of("learner", taught.exams().stream().map(Exams::learner).toList());
      Axis columns = Axis.index("seed", taught.base().seeds().size());
      arrays.put(taught.lesson() + "_told", grid(taught, rows, columns, Exam::again));
      arrays.put(taught.lesson() + "_not_told", grid(taught, rows, columns, Exam::otherwise));
      arrays.put(taught.lesson() + "_old", grid(taught, rows, columns, Exam::old));
    }
    return arrays;
  }

  private static Grid grid(Taught taught, Axis rows, Axis columns, Function<Exam, String> bits) {
    float[] values = new float[rows.size() * columns.size()];
    int at = 0;
    for (Exams exams : taught.exams()) {
      for (Exam exam : exams.seeds()) {
        values[at++] = (float) Exam.accuracy(bits.apply(exam));
      }
    }
    return Grid.real(List.of(rows, columns), values);
  }
}
