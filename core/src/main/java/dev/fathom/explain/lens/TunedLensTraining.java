package dev.fathom.explain.lens;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.explain.lens.TunedLens.Translator;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.train.AdamW;
import dev.fathom.train.Nesterov;
import dev.fathom.train.Optimiser;
import dev.fathom.train.Parameters;
import dev.fathom.train.Row;
import dev.fathom.train.Schedule;
import dev.fathom.train.TrainingSet;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/// Learns a [TunedLens] from texts: translators start as nothing (A = 0, b = 0) and make `KL(p_N ‖
/// q_l)` small, the mean over positions, where q_l is what the head says of the translated stream
/// and p_N what the model says in the end. No labels, no shift; the model is frozen.
///
/// One layer is trained after another, over streams that are held for all positions: those of the
/// layer and those of the last one, `8 · positions · dModel` bytes in F32, however deep the model;
/// of a text with more positions than all steps draw, rows from all over it. Each step draws a few
/// hundred positions anew; logits over the whole vocabulary are made a chunk at a time, and their
/// gradient, `(q − p) / n`, is put in by hand.
///
/// Cost: each position of a step takes three products with the head forth and one back, `8 · dModel
/// · vocab` operations, times layers times steps.
public final class TunedLensTraining {
  /// Logits held at a time, for each of the three arrays over them.
  private static final long CHUNK_BYTES = 24 << 20;

  /// Tokens of a forward pass.
  private static final int PASS_TOKENS = 4096;

  private static final int MOST_HELD_OUT = 2048;

  private final Transformer model;
  private final Config config;
  private final DType dtype;
  private final ItemDirectory directory;
  private final Consumer<Progress> listener;

  private TunedLensTraining(
      Transformer model, Config config, ItemDirectory directory, Consumer<Progress> listener) {
    this.model = model;
    this.config = config;
    this.dtype = TunedLens.dtype(model);
    this.directory = directory;
    this.listener = listener;
  }

  /// How steps are made.
  public enum Method {
    /// Adam at 0.001, a warm-up of a fifth of the steps (at most 1000), then down to 0 in a line.
    ADAM,
    /// As the tuned-lens package: SGD with Nesterov's momentum 0.9 at 0.1, down to 0 in a line.
    SGD
  }

  /// @param biasOnly whether to learn b alone
  /// @param method the optimiser
  /// @param rate the peak of the learning rate
  /// @param weightDecay the pull to the logit lens
  /// @param steps of each layer
  /// @param positions drawn for a step, at most 512
  /// @param heldOut share of the text that is only evaluated
  /// @param seed of the draws
  public record Config(
      boolean biasOnly,
      Method method,
      double rate,
      double weightDecay,
      int steps,
      int positions,
      double heldOut,
      long seed) {
    public Config {
      if (steps < 1 || positions < 1 || positions > 512) {
        throw new IllegalArgumentException(
            "a lens needs at least 1 step of 1 to 512 positions, found %d of %d"
                .formatted(steps, positions));
      }
      if (!(rate > 0) || !(weightDecay >= 0) || !(heldOut > 0 && heldOut < 1)) {
        throw new IllegalArgumentException(
            "rate must be above 0, weight decay at least 0, the held-out share between 0 and 1,"
                + " found %s, %s and %s".formatted(rate, weightDecay, heldOut));
      }
    }

    /// Adam, 250 steps of 512 positions; a tenth of the text is held out.
    public static Config standard() {
      return new Config(false, Method.ADAM, 1e-3, 1e-3, 250, 512, 0.1, 0);
    }

    /// The same with an optimiser at its usual rate.
    public Config with(Method method) {
      double usual = method == Method.ADAM ? 1e-3 : 0.1;
      return new Config(biasOnly, method, usual, weightDecay, steps, positions, heldOut, seed);
    }

    public Config withRate(double rate) {
      return new Config(biasOnly, method, rate, weightDecay, steps, positions, heldOut, seed);
    }

    public Config withSteps(int steps, int positions) {
      return new Config(biasOnly, method, rate, weightDecay, steps, positions, heldOut, seed);
    }

    public Config withBiasOnly(boolean biasOnly) {
      return new Config(biasOnly, method, rate, weightDecay, steps, positions, heldOut, seed);
    }

    public Config withSeed(long seed) {
      return new Config(biasOnly, method, rate, weightDecay, steps, positions, heldOut, seed);
    }

    Schedule schedule() {
      return switch (method) {
        case ADAM -> new Schedule(rate, Math.min(1000, steps / 5), steps, Schedule.Shape.LINEAR, 0);
        case SGD -> new Schedule(rate, 0, steps, Schedule.Shape.LINEAR, 0);
      };
    }

    Optimiser optimiser(Parameters parameters) {
      return switch (method) {
        case ADAM -> new AdamW(parameters, new AdamW.Config(0.9, 0.999, 1e-8, weightDecay));
        case SGD -> new Nesterov(parameters, 0.9, weightDecay);
      };
    }
  }

  /// @param layer the one being trained
  /// @param step done of that layer, from 1
  /// @param loss of the step, nats
  public record Progress(int layer, int layers, int step, int steps, double loss) {}

  /// Trains all layers, or goes on after the last one that an earlier run finished.
  ///
  /// @param texts rows of token ids, at least two: the last ones are held out
  /// @param data what the texts are, for people
  /// @param directory of the run: `settings.json`, a line a layer in `items.jsonl`, and
  ///   `layer.N.safetensors`
  /// @return the lens; the caller closes it
  /// @throws IllegalArgumentException if the model is a classifier or there are fewer than two rows
  /// @throws FathomException if the directory holds a run with other settings, or the loss stops
  ///   being a number
  public static TunedLens run(
      Transformer model,
      List<int[]> texts,
      String data,
      Config config,
      Path directory,
      Consumer<Progress> listener) {
    if (!model.card().labels().isEmpty()) {
      throw new IllegalArgumentException(
          "%s is a classifier: a tuned lens is learnt from predictions at every position"
              .formatted(model.card().name()));
    }
    if (texts.size() < 2) {
      throw new IllegalArgumentException(
          "A tuned lens needs at least two rows of text, one of them held out, found %d: give more"
                  .formatted(texts.size())
              + " text, or shorter rows.");
    }
    Card card =
        Card.of(TunedLens.KIND, "tuned lens", model.card().name(), model.card().sha256().get())
            .withParameters(parameters(config))
            .withSeed(config.seed)
            .withData(data);
    try (var items = ItemDirectory.open(directory, settings(card, model, texts))) {
      return new TunedLensTraining(model, config, items, listener).run(texts, card);
    }
  }

  private static SequencedMap<String, String> parameters(Config config) {
    var parameters = new LinkedHashMap<String, String>();
    parameters.put("bias_only", Boolean.toString(config.biasOnly));
    parameters.put("optimiser", config.method.name().toLowerCase(Locale.ROOT));
    parameters.put("learning_rate", Double.toString(config.rate));
    parameters.put("weight_decay", Double.toString(config.weightDecay));
    parameters.put("steps", Integer.toString(config.steps));
    parameters.put("positions", Integer.toString(config.positions));
    parameters.put("held_out", Double.toString(config.heldOut));
    return parameters;
  }

  private static SequencedMap<String, String> settings(
      Card card, Transformer model, List<int[]> texts) {
    var settings = new LinkedHashMap<>(card.parameters());
    settings.put("method", card.method());
    settings.put("model", card.baseSha256());
    settings.put("dtype", model.card().dtype().name());
    settings.put("seed", Long.toString(card.seed().orElseThrow()));
    settings.put("texts", TrainingSet.digest(texts.stream().map(Row::of).toList()));
    return settings;
  }

  /// Some rows of text and the streams of all their positions at one layer.
  private final class Streams {
    private final List<int[]> rows;
    private Tensor stream; // [positions, dModel], belongs to no scope
    private int layer;

    Streams(List<int[]> rows) {
      this.rows = rows;
      this.stream = Tensor.empty(model.card().dtype(), count(), model.dModel()).keep();
      each((layout, ids, part) ->
          part.copyInPlace(model.embed(Tensor.of(ids, ids.length), Pass.over(layout))));
    }

    int count() {
      return rows.stream().mapToInt(row -> row.length).sum();
    }

    /// Goes through blocks up to this layer.
    void advance(int to) {
      while (layer < to) {
        each((layout, _, part) -> part.copyInPlace(model.block(layer, part, Pass.over(layout))));
        layer++;
      }
    }

    private void each(Part what) {
      int at = 0;
      for (int from = 0; from < rows.size(); ) {
        int to = from + 1;
        int tokens = rows.get(from).length;
        while (to < rows.size() && tokens + rows.get(to).length <= PASS_TOKENS) {
          tokens += rows.get(to++).length;
        }
        List<int[]> some = rows.subList(from, to);
        try (var scope = Scope.withoutGradients()) {
          what.of(
              Layout.rows(some.stream().mapToInt(row -> row.length).toArray()),
              some.stream().flatMapToInt(Arrays::stream).toArray(),
              stream.narrow(0, at, tokens));
        }
        at += tokens;
        from = to;
      }
    }

    void free() {
      stream.free();
    }
  }

  /// What is done to a part of the rows.
  private interface Part {
    void of(Layout layout, int[] ids, Tensor stream);
  }

  private TunedLens run(List<int[]> texts, Card card) {
    int held = Math.clamp(Math.round(texts.size() * config.heldOut), 1, texts.size() - 1);
    List<int[]> learnt =
        spread(texts.subList(0, texts.size() - held), (long) config.steps * config.positions);
    List<int[]> heldOut = spread(texts.subList(texts.size() - held, texts.size()), MOST_HELD_OUT);
    var translators = new ArrayList<Translator>();
    var open = new ArrayList<Streams>();
    boolean whole = false;
    try (var scope = Scope.withoutGradients()) {
      for (List<int[]> rows : List.of(learnt, heldOut, learnt, heldOut)) {
        open.add(new Streams(rows));
      }
      open.get(2).advance(model.layers());
      open.get(3).advance(model.layers());
      for (int layer = 0; layer < model.layers(); layer++) {
        open.get(0).advance(layer);
        open.get(1).advance(layer);
        if (!directory.has(key(layer))) {
          train(layer, open);
        }
        translators.add(read(layer));
      }
      var found = divergences();
      whole = true;
      return new TunedLens(card, translators, found.get(0), found.get(1));
    } finally {
      open.forEach(Streams::free);
      if (!whole) {
        translators.forEach(Translator::free);
      }
    }
  }

  /// Rows from all over a text with about so many tokens, or all: more than are drawn need not be
  /// held.
  private static List<int[]> spread(List<int[]> rows, long tokens) {
    long all = rows.stream().mapToLong(row -> row.length).sum();
    int count = (int) Math.clamp(Math.ceilDiv(tokens * rows.size(), all), 1, rows.size());
    return IntStream.range(0, count)
        .mapToObj(i -> rows.get((int) ((long) i * rows.size() / count)))
        .toList();
  }

  private static String key(int layer) {
    return "layer " + layer;
  }

  private Path file(int layer) {
    return directory.path().resolve("layer.%d.safetensors".formatted(layer));
  }

  private List<double[]> divergences() {
    double[] logit = new double[model.layers()];
    double[] tuned = new double[model.layers()];
    directory.forEach(item -> {
      int layer = item.path("layer").asInt();
      logit[layer] = number(item, "kl_logit");
      tuned[layer] = number(item, "kl_tuned");
    });
    return List.of(logit, tuned);
  }

  private static double number(JsonNode item, String name) {
    return item.path(name).asDouble(Double.NaN);
  }

  /// Trains one layer and writes what was learnt.
  private void train(int layer, List<Streams> streams) {
    var shapes = new LinkedHashMap<String, List<Long>>();
    if (!config.biasOnly) {
      shapes.put("weight", List.of((long) model.dModel(), (long) model.dModel()));
    }
    shapes.put("bias", List.of((long) model.dModel()));
    try (var parameters = Parameters.zeros(shapes, dtype);
        var optimiser = config.optimiser(parameters);
        var scope = Scope.withoutGradients()) {
      Tensor heldOut = sample(streams.get(1).stream, heldOutPositions(streams.get(1)));
      Tensor heldOutLast = sample(streams.get(3).stream, heldOutPositions(streams.get(3)));
      double before = divergence(parameters, heldOut, heldOutLast);
      Tensor gradient = Tensor.zeros(dtype, parameters.elements());
      Schedule schedule = config.schedule();
      int available = streams.get(0).count();
      var random = new SplittableRandom(config.seed * 1_000_003 + layer);
      for (int step = 1; step <= config.steps; step++) {
        long[] drawn = random.longs(config.positions, 0, available).toArray();
        try (var inner = Scope.withoutGradients()) {
          gradient.zeroInPlace();
          double loss =
              step(
                  parameters,
                  gradient,
                  sample(streams.get(0).stream, drawn),
                  sample(streams.get(2).stream, drawn));
          double norm = gradient.norm(0, false).item();
          if (!Double.isFinite(loss) || !Double.isFinite(norm)) {
            throw new FathomException(
                "layer %d, step %d: the loss is %s; try a lower learning rate than %s"
                    .formatted(layer, step, loss, config.rate));
          }
          if (norm > 1) {
            gradient.mulInPlace(1 / norm);
          }
          optimiser.step(gradient, step, schedule.rate(step));
          listener.accept(new Progress(layer, model.layers(), step, config.steps, loss));
        }
      }
      double after = divergence(parameters, heldOut, heldOutLast);
      write(layer, parameters);
      directory.append(
          key(layer),
          item -> item.put("layer", layer).put("kl_logit", before).put("kl_tuned", after));
    }
  }

  /// All held-out positions, or some of many.
  private long[] heldOutPositions(Streams streams) {
    int count = streams.count();
    return count <= MOST_HELD_OUT
        ? LongStream.range(0, count).toArray()
        : new SplittableRandom(config.seed).longs(MOST_HELD_OUT, 0, count).toArray();
  }

  private Tensor sample(Tensor stream, long[] positions) {
    return stream.indexSelect(0, Tensor.of(positions, positions.length)).to(dtype);
  }

  private static Tensor translated(SequencedMap<String, Tensor> parameters, Tensor h) {
    @Nullable Tensor weight = parameters.get("weight");
    return Translator.of(weight, Objects.requireNonNull(parameters.get("bias")), h);
  }

  /// Adds the gradient of the mean divergence to `gradient` and returns it.
  private double step(Parameters parameters, Tensor gradient, Tensor stream, Tensor last) {
    int n = (int) stream.size(0);
    try (var scope = Scope.withGradients()) {
      Tensor translated = translated(parameters.leaves(gradient), stream);
      Tensor out = Tensor.zeros(dtype, n, model.dModel()); // the gradient at the translated stream
      double sum = 0;
      int chunk = chunk();
      for (int from = 0; from < n; from += chunk) {
        int count = Math.min(chunk, n - from);
        try (var inner = Scope.withGradients()) {
          Tensor leaf = translated.detach().narrow(0, from, count).requireGradient();
          leaf.gatherGradientIn(out.narrow(0, from, count));
          Tensor logits = model.head().of(leaf.to(model.card().dtype()));
          sum += pull(logits, last.narrow(0, from, count), 1.0 / n);
        }
      }
      translated.backward(out);
      return sum / n;
    }
  }

  /// Sends `scale · (q − p)` back from the logits of q and returns `Σ KL(p ‖ q)`.
  private double pull(Tensor logits, Tensor last, double scale) {
    Tensor back;
    double sum;
    try (var scope = Scope.withoutGradients()) {
      Tensor logQ = logits.detach().to(dtype).logSoftmax(-1);
      Tensor logP = logP(last);
      Tensor p = logP.exp();
      sum = p.mul(logP.sub(logQ)).sum().item();
      back = scope.escape(logQ.exp().sub(p).mul(scale).to(logits.dtype()));
    }
    logits.backward(back);
    return sum;
  }

  private Tensor logP(Tensor stream) {
    return model.head().of(stream.to(model.card().dtype())).to(dtype).logSoftmax(-1);
  }

  private int chunk() {
    return (int) Math.max(1, CHUNK_BYTES / ((long) dtype.bytes() * model.outputs()));
  }

  private double divergence(Parameters parameters, Tensor stream, Tensor last) {
    int n = (int) stream.size(0);
    int chunk = chunk();
    double sum = 0;
    for (int from = 0; from < n; from += chunk) {
      int count = Math.min(chunk, n - from);
      try (var scope = Scope.withoutGradients()) {
        Tensor logP = logP(last.narrow(0, from, count));
        Tensor logQ = logP(translated(parameters.tensors(), stream.narrow(0, from, count)));
        sum += logP.exp().mul(logP.sub(logQ)).sum().item();
      }
    }
    return sum / n;
  }

  private void write(int layer, Parameters parameters) {
    TensorType type = dtype == DType.F64 ? TensorType.F64 : TensorType.F32;
    var specs = new ArrayList<TensorSpec>();
    parameters.shapes().forEach((name, shape) -> specs.add(new TensorSpec(name, type, shape)));
    try (var scope = Scope.withoutGradients();
        var writer = SafetensorsWriter.create(file(layer), specs, Map.of())) {
      parameters.tensors().forEach((name, part) -> writer.append(name, part.memory()));
      writer.commit();
    }
  }

  private Translator read(int layer) {
    try (var scope = Scope.withoutGradients();
        var file = SafetensorsFile.open(file(layer))) {
      long d = model.dModel();
      return new Translator(
          config.biasOnly ? null : Tensor.borrow(file.bytes("weight"), dtype, d, d).copy().keep(),
          Tensor.borrow(file.bytes("bias"), dtype, d).copy().keep());
    }
  }
}
