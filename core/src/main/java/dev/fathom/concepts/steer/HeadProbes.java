package dev.fathom.concepts.steer;

import dev.fathom.align.probe.Auc;
import dev.fathom.align.probe.Features;
import dev.fathom.align.probe.LogisticFit;
import dev.fathom.align.probe.LogisticProbe;
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
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/// Which heads know what pairs of texts differ in? Each head's z at a text's last token is probed
/// by a logistic regression, and those that are right most often on held-out texts are shifted
/// along a direction of their own (inference-time intervention: Li et al. 2023):
///
///     z_head ← z_head + α · σ · θ
///
/// θ is the mean difference of both sides, which the paper found to work best, or what a [Reading]
/// makes of them; σ is the standard deviation of all texts' z along θ. Both are read from all
/// pairs, the heads are chosen by held-out ones.
///
/// It misleads with few pairs: of hundreds of heads some are right on ten held-out texts by chance.
///
/// @param heads all heads that were probed, the best first: of equal accuracy that of the higher
///   AUC, then the lower one
/// @param held texts that probes were tried on
public record HeadProbes(List<Head> heads, int held) {
  private static final double HELD_SHARE = 0.2;
  private static final int FEWEST = 4;

  public HeadProbes {
    heads = List.copyOf(heads);
  }

  /// A head.
  ///
  /// @param accuracy of its probe on held-out texts
  /// @param auc likewise
  /// @param direction to shift it along
  public record Head(int layer, int head, double accuracy, double auc, Direction direction) {
    /// Such as `z.3.h5`.
    @Override
    public String toString() {
      return Slice.of(Kind.Z, layer).heads(head).toString();
    }
  }

  /// Probes all heads of some layers.
  ///
  /// @param layers where
  /// @param reading how directions are made
  /// @param seed of which pairs are held out
  /// @param progress is told how many texts more are read
  /// @throws IllegalArgumentException if there are fewer than 4 pairs, or a text is too long
  public static HeadProbes of(
      Transformer model,
      Tokenizer tokenizer,
      List<ContrastPair> pairs,
      List<Integer> layers,
      Reading reading,
      long seed,
      IntConsumer progress) {
    if (pairs.size() < FEWEST) {
      throw new IllegalArgumentException(
          "heads are chosen by held-out texts, which takes at least %d pairs, found %d"
              .formatted(FEWEST, pairs.size()));
    }
    var texts = new ArrayList<Features.Text>();
    pairs.forEach(pair -> texts.add(Features.Text.of(pair.positive())));
    pairs.forEach(pair -> texts.add(Features.Text.of(pair.negative())));
    List<Slice> slices =
        layers.stream()
            .flatMap(layer ->
                IntStream.range(0, model.blocks().get(layer).attention().heads())
                    .mapToObj(head -> Slice.of(Kind.Z, layer).heads(head)))
            .toList();
    var split = Split.of(pairs.size(), seed);
    var config = Features.Config.of(slices).with(Features.Reduction.LAST);
    try (var features = Features.of(model, tokenizer, texts, config, progress)) {
      var heads = new ArrayList<Head>();
      for (Slice slice : slices) {
        try (var scope = Scope.withoutGradients()) {
          head(slice, features.at(slice).to(DType.F64), split, reading, seed).ifPresent(heads::add);
        }
      }
      heads.sort(
          Comparator.comparingDouble(Head::accuracy)
              .thenComparingDouble(Head::auc)
              .reversed()
              .thenComparingInt(Head::layer)
              .thenComparingInt(Head::head));
      return new HeadProbes(heads, split.held.length);
    }
  }

  /// Which texts are learnt from and which tried on, both of a pair on one side.
  @SuppressWarnings("ArrayRecordComponent")
  private record Split(int pairs, long[] learnt, long[] held) {
    static Split of(int pairs, long seed) {
      var order = new ArrayList<>(IntStream.range(0, pairs).boxed().toList());
      Collections.shuffle(order, new Random(seed));
      int held = Math.max(1, (int) Math.round(HELD_SHARE * pairs));
      return new Split(
          pairs, texts(order.subList(held, pairs), pairs), texts(order.subList(0, held), pairs));
    }

    private static long[] texts(List<Integer> chosen, int pairs) {
      return IntStream.concat(
              chosen.stream().mapToInt(pair -> pair),
              chosen.stream().mapToInt(pair -> pairs + pair))
          .asLongStream()
          .toArray();
    }
  }

  /// @param z F64 `[texts, width]`, the positive texts first
  private static Optional<Head> head(
      Slice slice, Tensor z, Split split, Reading reading, long seed) {
    LogisticProbe probe =
        LogisticFit.of(
                z.indexSelect(0, split.learnt),
                firstHalf(split.learnt.length),
                LogisticFit.Config.standard())
            .probe();
    double[] tried = probe.projections(z.indexSelect(0, split.held));
    boolean[] positive = firstHalf(tried.length);
    int right = 0;
    for (int i = 0; i < tried.length; i++) {
      right += (probe.logOdds(tried[i]) > 0) == positive[i] ? 1 : 0;
    }
    double[] unit =
        reading
            .of(z.narrow(0, 0, split.pairs), z.narrow(0, split.pairs, split.pairs), seed)
            .direction();
    double[] along = z.matmul(Tensor.of(unit, unit.length, 1)).toDoubles();
    if (Arrays.stream(along).allMatch(x -> x == along[0])) {
      return Optional.empty(); // both sides are the same to this head
    }
    return Optional.of(
        new Head(
            slice.site().layer(),
            slice.units().getFirst(),
            (double) right / tried.length,
            Auc.ofHalves(tried),
            Direction.along(unit, along)));
  }

  private static boolean[] firstHalf(int n) {
    boolean[] positive = new boolean[n];
    Arrays.fill(positive, 0, n / 2, true);
    return positive;
  }

  /// The best ones.
  ///
  /// @throws IllegalArgumentException if there are not as many
  public List<Head> best(int count) {
    if (count < 1 || count > heads.size()) {
      throw new IllegalArgumentException(
          "1 to %d heads can be shifted, not %d".formatted(heads.size(), count));
    }
    return heads.subList(0, count);
  }

  /// Shifts of the best heads.
  ///
  /// @param strength α, in spreads
  public List<Steering> shifted(int count, double strength) {
    var byLayer = new TreeMap<Integer, Map<Integer, Direction>>();
    best(count)
        .forEach(head ->
            byLayer
                .computeIfAbsent(head.layer, _ -> new TreeMap<>())
                .put(head.head, head.direction));
    return byLayer.entrySet().stream()
        .<Steering>map(layer -> new Steering.ShiftHeads(layer.getKey(), layer.getValue(), strength))
        .toList();
  }
}
