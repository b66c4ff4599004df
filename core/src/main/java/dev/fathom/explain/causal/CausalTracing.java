package dev.fathom.explain.causal;

import dev.fathom.data.TokenSpan;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Names;
import dev.fathom.explain.Question;
import dev.fathom.explain.Readout;
import dev.fathom.explain.Runs;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.PositionSpan;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/// Where is a fact recalled? The subject's embeddings are drowned in noise until the model no
/// longer knows the answer; then one state at a time is put back as it was, and the score is the
/// mean over noise samples of the metric, usually P(answer) (Meng et al. 2022, section 2). `total
/// effect = high − low`, `indirect effect = score − low`, the cell; with
/// [dev.fathom.explain.Metric#KL], which is 0 on the clean run, `low` and `low − score`.
///
/// Sublayers are put back over a window of layers, as one alone carries little.
///
/// It misleads where the noise is too weak to destroy the answer (then high and low are close), and
/// it localises what suffices to restore an answer, which need not be where editing it works best
/// (Hase et al. 2023).
public final class CausalTracing {
  private CausalTracing() {}

  /// What is put back.
  public enum State {
    /// The stream after one block.
    HIDDEN("hidden", Kind.RESID_POST, "the stream"),
    /// What the MLPs of a window add.
    MLP("mlp", Kind.MLP_OUT, "the MLPs of a window of layers"),
    /// What attention adds in a window.
    ATTENTION("attn", Kind.ATTN_OUT, "attention in a window of layers");

    private final String text;
    private final Kind kind;
    private final String title;

    State(String text, Kind kind, String title) {
      this.text = text;
      this.kind = kind;
      this.title = title;
    }

    /// The end of the array's name: `trace_mlp`.
    public String text() {
      return text;
    }

    public String title() {
      return title;
    }
  }

  /// @param states what is put back, a map for each
  /// @param samples noise samples, the same for every cell
  /// @param strength of the noise in standard deviations of the subject's embeddings
  /// @param deviation that standard deviation; empty to take it from this prompt's subject (over a
  ///   data set it is one number for all)
  /// @param window layers around each in which sublayers are put back
  /// @param seed of the noise
  /// @param budget memory that changed runs may take at a time, in bytes
  /// @param randomDirection whether, as a control, a state is moved as far as putting it back would
  ///   move it, but in a random direction
  /// @param progress told how many changed runs are done, again and again
  public record Config(
      Set<State> states,
      int samples,
      double strength,
      OptionalDouble deviation,
      int window,
      long seed,
      long budget,
      boolean randomDirection,
      LongConsumer progress) {
    public Config {
      states = Collections.unmodifiableSet(EnumSet.copyOf(states));
      if (samples < 1 || window < 1 || !(strength >= 0)) {
        throw new IllegalArgumentException(
            "tracing takes at least 1 noise sample, a window of at least 1 layer and a strength of at least 0, found %d, %d and %s"
                .formatted(samples, window, strength));
      }
    }

    /// All states, 10 samples of three deviations, windows of 10 layers or a third of the model's.
    public static Config standard(Transformer model) {
      return new Config(
          EnumSet.allOf(State.class),
          10,
          3,
          OptionalDouble.empty(),
          Math.clamp(model.layers() / 3, 1, 10),
          1,
          Sweep.BUDGET,
          false,
          _ -> {});
    }

    public Config of(State... chosen) {
      return new Config(
          Set.of(chosen),
          samples,
          strength,
          deviation,
          window,
          seed,
          budget,
          randomDirection,
          progress);
    }

    public Config withSamples(int count) {
      return new Config(
          states, count, strength, deviation, window, seed, budget, randomDirection, progress);
    }

    public Config withStrength(double deviations) {
      return new Config(
          states, samples, deviations, deviation, window, seed, budget, randomDirection, progress);
    }

    public Config withDeviation(double value) {
      return new Config(
          states,
          samples,
          strength,
          OptionalDouble.of(value),
          window,
          seed,
          budget,
          randomDirection,
          progress);
    }

    public Config withWindow(int layers) {
      return new Config(
          states, samples, strength, deviation, layers, seed, budget, randomDirection, progress);
    }

    public Config withSeed(long value) {
      return new Config(
          states, samples, strength, deviation, window, value, budget, randomDirection, progress);
    }

    public Config within(long bytes) {
      return new Config(
          states, samples, strength, deviation, window, seed, bytes, randomDirection, progress);
    }

    public Config telling(LongConsumer told) {
      return new Config(
          states, samples, strength, deviation, window, seed, budget, randomDirection, told);
    }

    /// The control: nothing is put back, everything is moved as far in a random direction.
    public Config inRandomDirections() {
      return new Config(states, samples, strength, deviation, window, seed, budget, true, progress);
    }
  }

  /// Traces one prompt; `tokenizer` only names tokens.
  ///
  /// @param question its metric is usually [dev.fathom.explain.Metric#PROBABILITY]
  /// @param subject the tokens that are drowned in noise
  /// @throws IllegalArgumentException if the subject stands after the position that is read
  public static TracingResult run(
      Transformer model, Tokenizer tokenizer, Question question, TokenSpan subject, Config config) {
    long start = System.nanoTime();
    int[] ids = question.ids(model);
    requireBefore(question, subject, ids.length);
    try (var scope = Scope.withoutGradients()) {
      Runs clean = Runs.of(model, ids, kept(config));
      double deviation = config.deviation.orElseGet(() -> deviation(model, ids, subject));
      var bearings = config.randomDirection ? new Bearings(config.seed) : null;
      Runs corrupt = corrupted(model, ids, subject, deviation * config.strength, config);
      int position = question.position();
      var readout = new Readout(model, question, clean.last(0, position));
      double high = readout.clean();
      double low =
          mean(readout.values(lastOf(corrupt, config.samples, position)), 0, config.samples);
      var names = new Names(model, tokenizer);
      List<String> tokens = names.tokens(question.prompt()).subList(0, ids.length);
      int first = model.card().causal() ? subject.first() : 0;
      var maps = new LinkedHashMap<State, TracingResult.Map>();
      for (State state : State.values()) {
        if (config.states.contains(state)) {
          var rows = new ArrayList<Sweep.Row>();
          for (int layer = 0; layer < model.layers(); layer++) {
            for (int p = first; p < ids.length; p++) {
              for (int s = 0; s < config.samples; s++) {
                rows.add(row(model, clean, corrupt, state, layer, p, s, config.window, bearings));
              }
            }
          }
          double[] values =
              readout.values(
                  new Sweep(model, corrupt, position)
                      .within(config.budget)
                      .telling(config.progress)
                      .run(rows));
          maps.put(
              state, map(values, low, model.layers(), ids.length, first, config.samples, tokens));
        }
      }
      return new TracingResult(
          provenance(model, question, subject, deviation, config, names, start),
          question.metric(),
          question.prompt().startToken(),
          subject,
          high,
          low,
          maps);
    }
  }

  /// Refuses a subject that the answer cannot depend on.
  public static void requireBefore(Question question, TokenSpan subject, int length) {
    if (subject.last() >= length) {
      throw new IllegalArgumentException(
          "The subject ends at token %d, but the answer is read at token %d: it cannot depend on what comes later."
              .formatted(subject.last(), question.position()));
    }
  }

  private static Kind[] kept(Config config) {
    return config.states.stream()
        .map(state -> state.kind)
        .filter(kind -> kind != Kind.RESID_POST)
        .toArray(Kind[]::new);
  }

  /// Standard deviation of all numbers of the subject's token embeddings.
  static double deviation(Transformer model, int[] ids, TokenSpan subject) {
    return deviation(model, List.of(Arrays.copyOfRange(ids, subject.first(), subject.last() + 1)));
  }

  /// The same over several subjects, each as its tokens.
  static double deviation(Transformer model, List<int[]> subjects) {
    var embedding = model.embedding();
    long count = 0;
    double mean = 0;
    double squares = 0; // Σ (x − mean)², Welford 1962
    for (int[] subject : subjects) {
      try (var scope = Scope.withoutGradients()) {
        Tensor ids = Tensor.of(subject, subject.length);
        for (double value : embedding.table().embedding(ids).mul(embedding.scale()).toDoubles()) {
          count++;
          double gap = value - mean;
          mean += gap / count;
          squares += gap * (value - mean);
        }
      }
    }
    return Math.sqrt(squares / count);
  }

  /// Runs whose subject is noisy, one a sample.
  private static Runs corrupted(
      Transformer model, int[] ids, TokenSpan subject, double scale, Config config) {
    var random = new SplittableRandom(config.seed);
    var rows = new ArrayList<int[]>();
    var noise = new ArrayList<Intervention>();
    Slice embeddings =
        Slice.of(Site.of(Kind.EMBED, -1)).at(new PositionSpan(subject.first(), subject.last()));
    for (int s = 0; s < config.samples; s++) {
      float[] values = new float[subject.length() * model.dModel()];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) (scale * random.nextGaussian());
      }
      noise.add(
          new Intervention.Add(
              embeddings.onRows(s), Tensor.of(values, subject.length(), model.dModel()), 1));
      rows.add(ids);
    }
    return Runs.of(
        model, rows, Taps.of(noise), config.randomDirection ? kept(config) : new Kind[0]);
  }

  private static Tensor lastOf(Runs runs, int samples, int position) {
    var last = new ArrayList<Tensor>();
    for (int s = 0; s < samples; s++) {
      last.add(runs.last(s, position));
    }
    return Tensor.cat(last, 0);
  }

  private static Sweep.Row row(
      Transformer model,
      Runs clean,
      Runs corrupt,
      State state,
      int layer,
      int position,
      int sample,
      int window,
      @Nullable Bearings bearings) {
    if (state == State.HIDDEN) {
      boolean last = layer == model.layers() - 1;
      Slice slice = last ? Slice.of(Kind.RESID_POST, layer) : Slice.of(Kind.RESID_PRE, layer + 1);
      Tensor known = clean.stream(layer + 1).narrow(0, position, 1);
      long noisy = (long) sample * corrupt.length() + position;
      return Sweep.Row.of(
          sample,
          position,
          new Intervention.Replace(
              slice.at(position),
              bearings == null
                  ? known
                  : bearings.away(corrupt.stream(layer + 1).narrow(0, noisy, 1), known)));
    }
    int from = Math.max(0, layer - window / 2);
    int to = Math.min(model.layers(), Math.max(from + 1, layer + Math.ceilDiv(window, 2)));
    var changes = new ArrayList<Intervention>();
    for (int l = from; l < to; l++) {
      Tensor known = clean.at(state.kind, l, 0, position);
      changes.add(
          new Intervention.Replace(
              Slice.of(state.kind, l).at(position),
              bearings == null
                  ? known
                  : bearings.away(corrupt.at(state.kind, l, sample, position), known)));
    }
    return new Sweep.Row(sample, from, position, changes);
  }

  /// Means over samples with their standard errors; `low` where nothing could be put back.
  private static TracingResult.Map map(
      double[] values,
      double low,
      int layers,
      int length,
      int first,
      int samples,
      List<String> tokens) {
    float[] score = new float[layers * length];
    float[] error = new float[score.length];
    Arrays.fill(score, (float) low);
    int traced = length - first;
    for (int layer = 0; layer < layers; layer++) {
      for (int p = first; p < length; p++) {
        int from = (layer * traced + p - first) * samples;
        double mean = mean(values, from, samples);
        double square = 0;
        for (int s = 0; s < samples; s++) {
          square += (values[from + s] - mean) * (values[from + s] - mean);
        }
        score[layer * length + p] = (float) mean;
        error[layer * length + p] =
            samples < 2 ? Float.NaN : (float) Math.sqrt(square / (samples - 1) / samples);
      }
    }
    List<Axis> axes = List.of(Axis.index("layer", layers), Axis.of("position", tokens));
    return new TracingResult.Map(Grid.real(axes, score), Grid.real(axes, error));
  }

  private static double mean(double[] values, int from, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum += values[from + i];
    }
    return sum / count;
  }

  private static Provenance provenance(
      Transformer model,
      Question question,
      TokenSpan subject,
      double deviation,
      Config config,
      Names names,
      long start) {
    var found =
        Provenances.of(
            model,
            question.prompt(),
            names.tokens(question.prompt()),
            (System.nanoTime() - start) / 1e9,
            "target",
            names.output(question.target()),
            "foil",
            question.foil().isPresent() ? names.output(question.foil().getAsInt()) : "none",
            "metric",
            question.metric().text(),
            "subject",
            "tokens %d to %d".formatted(subject.first(), subject.last()),
            "noise",
            String.format(Locale.ROOT, "%.4g × %.4g", config.strength, deviation),
            "samples",
            Integer.toString(config.samples),
            "window",
            Integer.toString(config.window));
    return new Provenance(
        found.model(),
        found.weights(),
        found.version(),
        found.tokenIds(),
        found.tokens(),
        found.parameters(),
        OptionalLong.of(config.seed),
        found.dtype(),
        found.seconds(),
        found.peakBytes());
  }
}
