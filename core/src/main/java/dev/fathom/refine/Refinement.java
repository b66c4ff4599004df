package dev.fathom.refine;

import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.train.Ascent;
import dev.fathom.train.Objective;
import dev.fathom.train.Packed;
import dev.fathom.train.Parameters;
import dev.fathom.train.Row;
import dev.fathom.train.Tape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// What is learnt when a frozen model is refined: low-rank steps beside its maps ([Lora]), a
/// mixture of its late layers ([Mod]), or both, from the loss on the mixture's next tokens and the
/// divergence of the earlier routes ([Distillation]).
///
/// Blocks below the lowest that learns are computed without a graph. Where nothing below the late
/// layers learns, their streams may come from a [CachedStreams], and no step computes a block.
public final class Refinement implements Objective {
  /// Logits held at a time, for each of the few arrays over them: enough tokens to keep the head's
  /// products efficient.
  private static final long CHUNK_ELEMENTS = 2 << 20;

  /// A weight below this counts as 0 in routing statistics (thesis, section 5.1.3).
  private static final double SPARSE = 1e-5;

  private final Transformer model;
  private final Config config;
  private final Mod.Config mixed;
  private final int watched;
  private final @Nullable CachedStreams cached;

  /// @param loras which maps learn; none for a mixture alone
  /// @param mod the mixture; empty where the last layer speaks alone
  /// @param distillation of the mixture's earlier routes
  /// @param watched so many late layers' own losses are logged where there is no mixture
  /// @param watchedShare of the label tokens that they, or the routes of a mixture, are measured on
  ///   where distillation does not need them anyway
  /// @param recompute whether blocks are computed again on the way back, which saves memory
  /// @param seed of first values, dropout and samples
  public record Config(
      List<Lora> loras,
      Optional<Mod.Config> mod,
      Distillation distillation,
      int watched,
      double watchedShare,
      boolean recompute,
      long seed) {
    public Config {
      loras = List.copyOf(loras);
      if (loras.isEmpty() && mod.isEmpty()) {
        throw new IllegalArgumentException(
            "nothing would be learnt: give at least one LoRA or a mixture");
      }
      if (watched < 1 || !(watchedShare >= 0 && watchedShare <= 1)) {
        throw new IllegalArgumentException(
            "at least 1 layer is watched, on a share of tokens from 0 to 1, found %d and %s"
                .formatted(watched, watchedShare));
      }
    }

    /// Steps alone.
    public static Config of(List<Lora> loras) {
      return new Config(loras, Optional.empty(), Distillation.none(), 3, 1.0 / 32, false, 0);
    }

    /// A mixture, with or without steps.
    public static Config of(List<Lora> loras, Mod.Config mod) {
      return new Config(
          loras, Optional.of(mod), Distillation.standard(), mod.late(), 1.0 / 32, false, 0);
    }

    public Config with(Distillation distillation) {
      return new Config(loras, mod, distillation, watched, watchedShare, recompute, seed);
    }

    public Config watching(int layers, double share) {
      return new Config(loras, mod, distillation, layers, share, recompute, seed);
    }

    public Config recomputing(boolean recompute) {
      return new Config(loras, mod, distillation, watched, watchedShare, recompute, seed);
    }

    public Config withSeed(long seed) {
      return new Config(loras, mod, distillation, watched, watchedShare, recompute, seed);
    }
  }

  private Refinement(Transformer model, Config config, @Nullable CachedStreams cached) {
    this.model = model;
    this.config = config;
    this.mixed = config.mod.orElse(Mod.Config.lastLayer());
    this.watched = Math.min(config.watched, model.layers());
    this.cached = cached;
  }

  /// @param model stays as it is and must outlive this
  /// @throws IllegalArgumentException if the model has no such layers or maps, or cannot be mixed
  public static Refinement of(Transformer model, Config config) {
    Mod.require(model, config.mod.orElse(Mod.Config.lastLayer()));
    var _ = Lora.adapted(model, config.loras);
    return new Refinement(model, config, null);
  }

  /// The same over streams that are computed already.
  ///
  /// @throws IllegalArgumentException if something below the late layers learns
  Refinement over(CachedStreams streams) {
    if (!config.loras.isEmpty()) {
      throw new IllegalArgumentException("streams change while LoRA learns: they cannot be cached");
    }
    return new Refinement(model, config, streams);
  }

  /// What is learnt, with its first values; the caller closes it.
  public Parameters parameters() {
    DType dtype = model.card().dtype() == DType.F64 ? DType.F64 : DType.F32;
    var parameters = Parameters.zeros(shapes(), dtype);
    try (var scope = Scope.withoutGradients()) {
      var random = new SplittableRandom(config.seed);
      Lora.initialize(model, config.loras, parameters, random.split());
      Mod.initialize(model, mixed, parameters, random.split());
    }
    return parameters;
  }

  /// Names and shapes of what is learnt: LoRA's by the tensors they belong to, the mixture's as in
  /// its file.
  public SequencedMap<String, List<Long>> shapes() {
    var shapes = new LinkedHashMap<>(Lora.shapes(model, config.loras));
    shapes.putAll(Mod.shapes(model, mixed));
    return shapes;
  }

  public Config config() {
    return config;
  }

  // ---------------------------------------------------------------- what is measured

  @Override
  public List<String> measures() {
    var names = new ArrayList<String>(List.of("task"));
    boolean mixes = mixed.late() > 1;
    if (mixes) {
      names.add("distill");
    }
    int first = model.layers() - late();
    for (int i = 0; i < late(); i++) {
      names.add("loss." + (first + i));
    }
    for (String what :
        mixes ? List.of("gate.", "gate_square.", "sparse.", "best.") : List.<String>of()) {
      for (int i = 0; i < late(); i++) {
        names.add(what + (first + i));
      }
    }
    if (mixes) {
      names.add("entropy");
    }
    return names;
  }

  /// Layers whose own loss is measured.
  int late() {
    return mixed.late() > 1 ? mixed.late() : watched;
  }

  private static final class Totals {
    private double task;
    private double distill;
    private long counted;
    private final double[] routes;
    private final double[] gates; // mean, square, sparse, best of each route, then entropy

    Totals(int late) {
      this.routes = new double[late];
      this.gates = new double[4 * late + 1];
    }
  }

  private Sums sums(Totals totals, double loss) {
    var measures = new ArrayList<Double>(List.of(totals.task));
    boolean mixes = mixed.late() > 1;
    if (mixes) {
      measures.add(totals.distill);
    }
    Arrays.stream(totals.routes).forEach(measures::add);
    if (mixes) {
      Arrays.stream(totals.gates).forEach(measures::add);
    }
    return new Sums(loss, measures);
  }

  // ---------------------------------------------------------------- forth and back

  @Override
  public Sums backward(
      SequencedMap<String, Tensor> leaves, List<Row> rows, double scale, long step) {
    Packed natural = Packed.of(rows);
    long draw = draw(natural, step);
    Sample sample = sample(natural.targets().length, draw);
    Packed packed = natural.ordered(sample.order);
    try (var scope = Scope.withGradients();
        var tape = new Tape()) {
      if (cached != null) {
        var order = Tensor.of(sample.order, sample.order.length);
        List<Tensor> streams =
            cached.of(rows, routerRow(), model.layers()).stream()
                .map(row -> row.indexSelect(0, order))
                .toList();
        return losses(leaves, streams, packed, sample, scale).sums;
      }
      var dropout = new AdaptedMaps.Dropout(draw);
      Ascent ascent =
          climb(AdaptedMaps.of(model, config.loras, leaves, tape, dropout), packed, tape);
      Losses losses = losses(leaves, streams(ascent, packed), packed, sample, scale);
      if (!config.loras.isEmpty()) {
        ascent.descend(losses.spread(packed));
      }
      return losses.sums;
    }
  }

  @Override
  public Sums loss(SequencedMap<String, Tensor> parameters, List<Row> rows) {
    Packed packed = Packed.of(rows);
    int targets = packed.targets().length;
    var everything = new Sample(IntStream.range(0, targets).toArray(), targets);
    try (var scope = Scope.withoutGradients()) {
      List<Tensor> streams =
          cached != null
              ? cached.of(rows, routerRow(), model.layers())
              : streams(
                  climb(AdaptedMaps.of(model, config.loras, parameters, null, null), packed, null),
                  packed);
      return losses(parameters, streams, packed, everything, 0).sums;
    }
  }

  /// The lowest row that is read: what the router reads, or would.
  private int routerRow() {
    return model.layers() - late();
  }

  private Ascent climb(Transformer adapted, Packed packed, @Nullable Tape tape) {
    int from = config.loras.stream().mapToInt(Lora::from).min().orElse(model.layers());
    return Ascent.of(
        adapted,
        packed.tokens(),
        () -> Pass.over(packed.layout()),
        new Ascent.Route(from, model.layers(), routerRow(), config.recompute),
        tape);
  }

  private List<Tensor> streams(Ascent ascent, Packed packed) {
    return IntStream.rangeClosed(routerRow(), model.layers())
        .mapToObj(row -> packed.reading(ascent.row(row)))
        .toList();
  }

  // ---------------------------------------------------------------- samples

  /// Which targets every route speaks for itself.
  ///
  /// @param order of all targets, those first
  /// @param spoken how many they are
  private record Sample(int[] order, int spoken) {}

  private long draw(Packed packed, long step) {
    return (config.seed * 1_000_003 + step) * 1_000_003 + Arrays.hashCode(packed.ids());
  }

  private Sample sample(int targets, long draw) {
    double share = teaches() ? config.distillation.share() : config.watchedShare;
    int spoken = (int) Math.min(targets, Math.ceil(share * targets));
    int[] order = IntStream.range(0, targets).toArray();
    if (spoken < targets) {
      var random = new SplittableRandom(draw);
      for (int i = 0; i < spoken; i++) {
        int j = random.nextInt(i, targets);
        int other = order[j];
        order[j] = order[i];
        order[i] = other;
      }
    }
    return new Sample(order, spoken);
  }

  private boolean teaches() {
    return mixed.late() > 1 && config.distillation.weight() > 0;
  }

  // ---------------------------------------------------------------- losses

  /// @param gradients of the streams, from [#routerRow] up, a list of chunks each
  private record Losses(Sums sums, int firstRow, List<List<Tensor>> gradients) {
    /// Those gradients by row, `[tokens, dModel]`.
    Map<Integer, Tensor> spread(Packed packed) {
      var spread = new LinkedHashMap<Integer, Tensor>();
      for (int i = 0; i < gradients.size(); i++) {
        if (!gradients.get(i).isEmpty()) {
          spread.put(firstRow + i, packed.spread(Tensor.cat(gradients.get(i), 0)));
        }
      }
      return spread;
    }
  }

  /// @param tensors what is learnt
  /// @param streams from [#routerRow] up, `[targets, dModel]` each
  /// @param scale of the gradient; 0 for none
  private Losses losses(
      SequencedMap<String, Tensor> tensors,
      List<Tensor> streams,
      Packed packed,
      Sample sample,
      double scale) {
    Mod mod = Mod.over(model, mixed, tensors);
    var loss = new LateLoss(model.head(), mod, config.distillation);
    var totals = new Totals(late());
    int skipped = late() - mixed.late();
    List<Tensor> read = streams.subList(skipped, streams.size());
    var gradients = new ArrayList<List<Tensor>>();
    streams.forEach(_ -> gradients.add(new ArrayList<>()));
    int targets = packed.targets().length;
    double each = sample.spoken == 0 ? 0 : (double) targets / sample.spoken;
    double distill = teaches() ? scale * config.distillation.weight() * each : 0;
    boolean learnsBelow = scale > 0 && !config.loras.isEmpty();
    for (Packed.Chunk chunk : packed.chunks(sample.spoken, model.outputs(), CHUNK_ELEMENTS)) {
      boolean spoken = chunk.from() < sample.spoken;
      boolean routes = spoken && mixed.late() > 1;
      LateLoss.Part part =
          loss.of(
              read,
              packed.targets(),
              chunk,
              new LateLoss.Ask(scale, routes ? distill : 0, routes, learnsBelow));
      for (int i = 0; i < part.gradients().size(); i++) {
        gradients.get(skipped + i).add(part.gradients().get(i));
      }
      totals.task += part.task();
      totals.distill += each * part.distill();
      List<Double> own = spoken && !routes ? watch(streams, packed, chunk) : part.routes();
      for (int i = 0; i < own.size(); i++) {
        totals.routes[i] += each * own.get(i);
      }
      if (mixed.late() > 1) {
        count(part.gate(), packed, chunk, totals);
      }
    }
    settle(totals, packed);
    double whole = totals.task + (teaches() ? config.distillation.weight() * totals.distill : 0);
    return new Losses(sums(totals, whole), routerRow(), gradients);
  }

  /// What each of the watched layers would lose if it spoke alone.
  private List<Double> watch(List<Tensor> streams, Packed packed, Packed.Chunk chunk) {
    var lens = Mod.over(model, Mod.Config.lens(late()), Map.of());
    return new LateLoss(model.head(), lens, Distillation.none())
        .of(streams, packed.targets(), chunk, new LateLoss.Ask(0, 0, true, false))
        .routes();
  }

  /// Adds to the routing statistics. First tokens of rows are left out: models park activations
  /// there that saturate any router.
  private void count(Tensor gate, Packed packed, Packed.Chunk chunk, Totals totals) {
    double[] weights = gate.toDoubles();
    int late = late();
    long[] positions = packed.layout().positions();
    for (int t = 0; t < chunk.length(); t++) {
      if (positions[(int) packed.readers()[chunk.from() + t]] == 0) {
        continue;
      }
      totals.counted++;
      int best = 0;
      for (int i = 0; i < late; i++) {
        double g = weights[t * late + i];
        best = g > weights[t * late + best] ? i : best;
        totals.gates[i] += g;
        totals.gates[late + i] += g * g;
        totals.gates[2 * late + i] += g < SPARSE ? 1 : 0;
        totals.gates[4 * late] -= g > 0 ? g * Math.log(g) : 0;
      }
      totals.gates[3 * late + best]++;
    }
  }

  /// Makes sums over counted tokens into sums over all targets, as a log divides by these.
  private static void settle(Totals totals, Packed packed) {
    double factor = totals.counted == 0 ? 0 : (double) packed.targets().length / totals.counted;
    for (int i = 0; i < totals.gates.length; i++) {
      totals.gates[i] *= factor;
    }
  }

  @Override
  public String fingerprint() {
    return "%s %.12s %s".formatted(model.card().name(), model.card().sha256().get(), config)
        + " "
        + model.card().dtype();
  }
}
