package dev.fathom.align.balance;

import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Change;
import dev.fathom.edit.Values;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.evaluate.bias.ScoredItem;
import dev.fathom.evaluate.bias.StereoSetEvaluation;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.model.Layout;
import dev.fathom.model.Linears.Role;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.refine.Lora;
import dev.fathom.refine.LoraLearner;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.train.Schedule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.IntStream;

/// Learns to find a stereotype as likely as its opposite, while all other text stays as likely as
/// it was: low-rank steps of the down-projections of a model's upper layers, from the squared gap
/// of both sentences' scores, what they lose against a meaningless sentence, and the divergence
/// from the unchanged model on running text ([Lesson]).
///
/// A documented variant beside LoPE, and not the thesis' idea: LoPE looks for where a bias is
/// written and takes it out; this asks only what sentences are wanted to score. A loss that makes a
/// stereotype and its opposite alike and keeps the rest is that of Xu et al. (2025, BiasEdit), who
/// train a network that writes the edit; here the edit itself is learnt. What it learns are items
/// of the test's own form, so it misleads more than others where a score is taken for a model's
/// behaviour elsewhere.
///
/// @param random whether, after learning, each step is replaced by one drawn at random with the
///   same norms: the control
/// @param steps of learning
/// @param rate the highest learning rate
/// @param rank of the low-rank steps
/// @param from where in the depth it begins: 0 for the first layer, 0.5 for the middle
/// @param sense μ, the weight of what sense loses against nonsense
/// @param keep λ, the weight of the divergence on running text
public record Balance(
    boolean random, int steps, double rate, int rank, double from, double sense, double keep)
    implements Method {
  private static final int BATCH_ITEMS = 12;
  private static final int TEXT_TOKENS = 128;
  private static final int TEXT_ROW = 64;
  private static final int NEUTRAL_TOKENS = 16384;

  public Balance {
    if (steps < 1
        || !(rate > 0)
        || rank < 1
        || !(from >= 0 && from < 1)
        || !(sense >= 0)
        || !(keep >= 0)) {
      throw new IllegalArgumentException(
          ("Balance takes steps, a rate and a rank above 0, a depth from 0 to below 1 and"
                  + " weights of at least 0; found %d, %s, %d, %s, %s and %s.")
              .formatted(steps, rate, rank, from, sense, keep));
    }
  }

  /// 60 steps of 12 items at 2e-3, of rank 8, in the upper two thirds; a quarter for either weight.
  public static Balance standard() {
    return new Balance(false, 60, 2e-3, 8, 1.0 / 3, 0.25, 0.25);
  }

  /// The same with random steps of equal size, as a control.
  public Balance atRandom() {
    return new Balance(true, steps, rate, rank, from, sense, keep);
  }

  /// The same of so many steps.
  public Balance withSteps(int steps) {
    return new Balance(random, steps, rate, rank, from, sense, keep);
  }

  @Override
  public String name() {
    return random ? "balance-random" : "balance";
  }

  @Override
  public SequencedMap<String, String> settings() {
    var settings = new LinkedHashMap<String, String>();
    settings.put("steps", Integer.toString(steps));
    settings.put("rate", Double.toString(rate));
    settings.put("rank", Integer.toString(rank));
    settings.put("from layer", from + " of the depth");
    settings.put("sense", Double.toString(sense));
    settings.put("keep", Double.toString(keep));
    return settings;
  }

  @Override
  public Remedy fit(Fitting fitting) {
    Balance learning = new Balance(false, steps, rate, rank, from, sense, keep);
    List<Change> learnt = fitting.shared().of(learning, () -> learning.learnt(fitting));
    DType dtype = fitting.model().card().dtype() == DType.F64 ? DType.F64 : DType.F32;
    List<Change> changes = random ? drawn(learnt, fitting.seed(), dtype) : learnt;
    return new Remedy.OfWeights(fitting.edit(this, changes, new LinkedHashMap<>()));
  }

  private List<Change> learnt(Fitting fitting) {
    Transformer model = fitting.model();
    if (!model.card().causal()) {
      throw new IllegalArgumentException(
          "scores of whole sentences are learnt by causal models, but %s is an encoder"
              .formatted(model.card().name()));
    }
    List<StereoSetItem> items =
        fitting.items().stream().filter(item -> Lesson.Item.fits(fitting, item)).toList();
    List<int[]> text =
        fitting.rows(fitting.neutral(), NEUTRAL_TOKENS).stream()
            .map(row -> Arrays.copyOf(row, Math.min(row.length, TEXT_ROW)))
            .toList();
    if (items.isEmpty() || text.isEmpty()) {
      throw new IllegalArgumentException(
          "learning takes items that fit into the model's context and running text; found %d and %d"
              .formatted(items.size(), text.size()));
    }
    var turns = new Turns<>(items, fitting.seed());
    List<List<StereoSetItem>> batches =
        IntStream.range(0, steps)
            .mapToObj(_ -> turns.next(Math.min(BATCH_ITEMS, items.size())))
            .toList();
    Map<StereoSetItem, Lesson.Item> found = found(fitting, batches);
    var texts = new Turns<>(text, fitting.seed() + 1);
    var weights = new Lesson.Weights(sense, keep);
    var schedule = new Schedule(rate, steps / 10, steps, Schedule.Shape.LINEAR, 0);
    try (var learner = LoraLearner.of(model, lora(model), fitting.seed())) {
      for (int step = 1; step <= steps; step++) {
        List<Lesson.Item> some =
            batches.get(step - 1).stream().map(found::get).map(Objects::requireNonNull).toList();
        var lesson = new Lesson(model, some, some(texts), weights);
        learner.step(lesson.rows(), stream -> lesson.of(stream).gradient(), schedule.rate(step));
      }
      return learner.changes();
    }
  }

  /// The items of some steps, as the unchanged model finds them.
  static Map<StereoSetItem, Lesson.Item> found(Fitting fitting, List<List<StereoSetItem>> steps) {
    List<StereoSetItem> items = steps.stream().flatMap(List::stream).distinct().toList();
    List<ScoredItem> scored =
        StereoSetEvaluation.scores(fitting.scorer(TokenScorer.of(fitting.model())), items);
    float[] afterStart = afterStart(fitting);
    var found = new LinkedHashMap<StereoSetItem, Lesson.Item>();
    for (int i = 0; i < items.size(); i++) {
      StereoSetItem item = items.get(i);
      found.put(item, Lesson.Item.of(fitting, item, scored.get(i), afterStart));
    }
    return found;
  }

  private Lora lora(Transformer model) {
    int lowest = (int) (from * model.layers());
    return Lora.standard(model)
        .withTargets(Set.of(Role.DOWN))
        .withRank(rank, 2.0 * rank)
        .withDropout(0)
        .onLayers(lowest, model.layers());
  }

  /// Texts until there are enough tokens.
  private static List<int[]> some(Turns<int[]> texts) {
    var rows = new ArrayList<int[]>();
    for (int tokens = 0; tokens < TEXT_TOKENS; tokens += rows.getLast().length) {
      rows.addAll(texts.next(1));
    }
    return rows;
  }

  /// `ln p` of every token behind the start token alone.
  static float[] afterStart(Fitting fitting) {
    try (var scope = Scope.withoutGradients()) {
      int[] start = {fitting.start().id()};
      return fitting
          .model()
          .logits(Tensor.of(start, 1), Layout.single(1), Wanted.ALL)
          .wide()
          .logSoftmax(-1)
          .toFloats();
    }
  }

  /// Steps drawn at random that are as large, each as a matrix.
  private static List<Change> drawn(List<Change> learnt, long seed, DType dtype) {
    var random = new Random(seed);
    try (var scope = Scope.withoutGradients()) {
      return learnt.stream()
          .<Change>map(change -> {
            if (!(change instanceof Change.LowRank step)) {
              throw new IllegalStateException("only low-rank steps are learnt");
            }
            Tensor a = drawn(step.a().shape(), random);
            Tensor b = drawn(step.b().shape(), random);
            double size = size(step.a().tensor(DType.F64), step.b().tensor(DType.F64)) / size(a, b);
            return new Change.LowRank(
                step.tensor(),
                step.from(),
                Values.of(a.to(dtype)),
                Values.of(b.mul(size).to(dtype)),
                step.factor());
          })
          .toList();
    }
  }

  private static Tensor drawn(List<Long> shape, Random random) {
    double[] values = new double[Math.toIntExact(shape.getFirst() * shape.getLast())];
    Arrays.setAll(values, _ -> random.nextGaussian());
    return Tensor.of(values, shape.getFirst(), shape.getLast());
  }

  /// `‖B A‖`, Frobenius: the root of `tr((Bᵀ B)(A Aᵀ))`.
  private static double size(Tensor a, Tensor b) {
    Tensor inner = a.matmul(a.transpose(0, 1));
    return Math.sqrt(b.transpose(0, 1).matmul(b).mul(inner).sum().item());
  }

  /// Takes all in turn, in another order each time.
  private static final class Turns<T> {
    private final List<T> all;
    private final Random random;
    private int at;

    Turns(List<T> all, long seed) {
      this.all = new ArrayList<>(all);
      this.random = new Random(seed);
      Collections.shuffle(this.all, random);
    }

    List<T> next(int count) {
      var some = new ArrayList<T>();
      while (some.size() < count) {
        if (at == all.size()) {
          Collections.shuffle(all, random);
          at = 0;
        }
        some.add(all.get(at++));
      }
      return some;
    }
  }
}
