package dev.fathom.concepts.steer;

import dev.fathom.align.probe.Auc;
import dev.fathom.align.probe.Features;
import dev.fathom.checkpoint.Card;
import dev.fathom.concepts.Reading;
import dev.fathom.data.ContrastPair;
import dev.fathom.model.Kind;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/// Directions read from pairs of texts, at every layer asked for: contrastive activation addition
/// (Panickssery et al. 2024), where the direction of a layer is the mean difference of the streams
/// that leave it at the texts' last tokens. What a text is about as a whole, such as its tone, is
/// better read as the mean over its tokens.
///
/// One half of the pairs, drawn by a seed, gives the vector to steer by; the other half is kept to
/// judge by, so that what is steered is not measured by itself. Of fewer than 4 pairs all give the
/// vector, and there is no judge.
///
/// @param vector to steer by
/// @param judge read from the other half
/// @param auc by layer: how often does a text of the other half that has it score higher along the
///   vector than one that has it not; NaN without a judge
/// @param gap by layer: how far apart both sides are along the vector, in its spreads: the step
///   that contrastive activation addition calls 1
public record Contrast(
    SteeringVector vector,
    Optional<SteeringVector> judge,
    SortedMap<Integer, Double> auc,
    SortedMap<Integer, Double> gap) {
  private static final int FEWEST_TO_SPLIT = 4;

  public Contrast {
    auc = Collections.unmodifiableSortedMap(new TreeMap<>(auc));
    gap = Collections.unmodifiableSortedMap(new TreeMap<>(gap));
  }

  /// How directions are read.
  ///
  /// @param layers where
  /// @param reduction which of a text's tokens are read
  /// @param reading how one is made of both sides' activations
  /// @param seed of the halves, and of what the reading draws
  public record Config(
      List<Integer> layers, Features.Reduction reduction, Reading reading, long seed) {
    public Config {
      layers = List.copyOf(layers);
      if (layers.isEmpty()) {
        throw new IllegalArgumentException("at least one layer is needed to read directions at");
      }
      if (reduction == Features.Reduction.WORD) {
        throw new IllegalArgumentException("pairs have no words: read their last tokens or means");
      }
    }

    /// Mean differences of last tokens at these layers.
    public static Config of(List<Integer> layers) {
      return new Config(layers, Features.Reduction.LAST, Reading.MEAN_DIFFERENCE, 0);
    }

    public Config withSeed(long seed) {
      return new Config(layers, reduction, reading, seed);
    }

    public Config with(Features.Reduction reduction) {
      return new Config(layers, reduction, reading, seed);
    }

    public Config with(Reading reading) {
      return new Config(layers, reduction, reading, seed);
    }
  }

  /// Reads.
  ///
  /// @param name what the positive texts have
  /// @param progress is told how many texts more are read
  /// @throws IllegalArgumentException if there is no pair, a text is too long for the model, or
  ///   both sides are the same to it
  public static Contrast of(
      Transformer model,
      Tokenizer tokenizer,
      List<ContrastPair> pairs,
      String name,
      Config config,
      IntConsumer progress) {
    if (pairs.isEmpty()) {
      throw new IllegalArgumentException("a direction is read from at least one pair of texts");
    }
    List<Slice> slices =
        config.layers.stream().distinct().map(l -> Slice.of(Kind.RESID_POST, l)).toList();
    var texts = new ArrayList<Features.Text>();
    pairs.forEach(pair -> texts.add(Features.Text.of(pair.positive())));
    pairs.forEach(pair -> texts.add(Features.Text.of(pair.negative())));
    var reading = Features.Config.of(slices).with(config.reduction);
    List<List<Integer>> halves = halves(pairs.size(), config.seed);
    try (var features = Features.of(model, tokenizer, texts, reading, progress)) {
      Card card =
          Card.of(
                  SteeringVector.KIND,
                  method(config),
                  model.card().name(),
                  model.card().sha256().get())
              .withSeed(config.seed)
              .with("concept", name)
              .with("pairs", Integer.toString(halves.getFirst().size()))
              .with("read", config.reduction.text());
      var vector = new TreeMap<Integer, Direction>();
      var judge = new TreeMap<Integer, Direction>();
      var auc = new TreeMap<Integer, Double>();
      var gap = new TreeMap<Integer, Double>();
      for (Slice slice : slices) {
        int layer = slice.site().layer();
        try (var scope = Scope.withoutGradients()) {
          Tensor all = features.at(slice).to(DType.F64);
          Sides own = Sides.of(all, halves.getFirst());
          Direction direction = SteeringVector.in(layer, () -> own.read(config));
          vector.put(layer, direction);
          gap.put(layer, own.gap(direction));
          if (halves.size() > 1) {
            Sides other = Sides.of(all, halves.getLast());
            judge.put(layer, SteeringVector.in(layer, () -> other.read(config)));
            auc.put(layer, other.auc(direction));
          } else {
            auc.put(layer, Double.NaN);
          }
        }
      }
      return new Contrast(
          new SteeringVector(name, Kind.RESID_POST, vector, card),
          judge.isEmpty()
              ? Optional.empty()
              : Optional.of(
                  new SteeringVector(
                      name,
                      Kind.RESID_POST,
                      judge,
                      card.with("pairs", Integer.toString(halves.getLast().size())))),
          auc,
          gap);
    }
  }

  private static String method(Config config) {
    return config.reading == Reading.MEAN_DIFFERENCE
        ? "contrastive activation addition"
        : "pairs, " + config.reading.name().toLowerCase(Locale.ROOT);
  }

  /// One half or two, each with half of the pairs.
  private static List<List<Integer>> halves(int pairs, long seed) {
    var all = new ArrayList<>(IntStream.range(0, pairs).boxed().toList());
    if (pairs < FEWEST_TO_SPLIT) {
      return List.of(all);
    }
    Collections.shuffle(all, new Random(seed));
    int first = (pairs + 1) / 2;
    return List.of(all.subList(0, first), all.subList(first, pairs));
  }

  /// The layer at which held-out texts are told apart best; of equal ones that nearest to the
  /// middle of the model, where steering has both something to push and layers left to act. Without
  /// held-out texts the middle one.
  public int bestLayer(int layers) {
    double middle = (layers - 1) / 2.0;
    int best = auc.firstKey();
    for (int layer : auc.keySet()) {
      double more = value(layer) - value(best);
      boolean nearer = Math.abs(layer - middle) < Math.abs(best - middle);
      if (more > 0 || (more == 0 && nearer)) {
        best = layer;
      }
    }
    return best;
  }

  private double value(int layer) {
    double value = auc.getOrDefault(layer, Double.NaN);
    return Double.isNaN(value) ? 0 : value;
  }

  /// Activations of pairs, F64 `[n, width]` each.
  private record Sides(Tensor with, Tensor without) {
    /// @param all the positive texts, then the negative ones
    static Sides of(Tensor all, List<Integer> pairs) {
      long n = all.size(0) / 2;
      long[] places = pairs.stream().mapToLong(Integer::longValue).toArray();
      long[] others = Arrays.stream(places).map(place -> n + place).toArray();
      return new Sides(all.indexSelect(0, places), all.indexSelect(0, others));
    }

    Direction read(Config config) {
      double[] unit = config.reading.of(with, without, config.seed).direction();
      return Direction.along(unit, scores(unit));
    }

    /// `h·v`, the positive ones first.
    private double[] scores(double[] unit) {
      return Tensor.cat(List.of(with, without), 0)
          .matmul(Tensor.of(unit, unit.length, 1))
          .toDoubles();
    }

    double gap(Direction direction) {
      double[] along = scores(direction.unit());
      int n = along.length / 2;
      double high = Arrays.stream(along, 0, n).average().orElse(0);
      double low = Arrays.stream(along, n, along.length).average().orElse(0);
      return (high - low) / direction.spread();
    }

    double auc(Direction direction) {
      return Auc.ofHalves(scores(direction.unit()));
    }
  }
}
