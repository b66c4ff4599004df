package dev.fathom.align.lope;

import dev.fathom.align.Basis;
import dev.fathom.align.Fitting;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.ToIntFunction;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/// Where the outputs of a model's sublayers differ most between counterfactual pairs, against what
/// varies in them anyway: see [PairErasure]. All settings of that method share it.
///
/// @param sites by the site of a sublayer's output
/// @param pairs how many were read
/// @param neutralTokens how many of running text were read
record PairDirections(Map<Site, Found> sites, int pairs, int neutralTokens) {
  /// Directions that are kept of each site, at most.
  static final int MOST = 64;

  private static final int MOST_PAIRS = 600;
  private static final int NEUTRAL_TOKENS = 8192;
  private static final int TOKENS_AT_ONCE = 1024;

  /// Eigenvalues below this share of the largest are rounding.
  private static final double NEGLIGIBLE = 1e-8;

  /// Of sums that are gathered in one pass over the texts; more outputs take more passes.
  private static final long MOST_BYTES = 512L << 20;

  /// Directions of one output.
  ///
  /// @param pairs those in which pairs differ, the most first; none where they do not differ
  /// @param random as many, drawn
  /// @param mean the output's: μ `[width]`, not copied
  @SuppressWarnings("ArrayRecordComponent")
  record Found(Directions pairs, Directions random, double[] mean) {}

  /// @param write rows of Aᵀ: where what is taken out lies
  /// @param read rows of Bᵀ: how much of it there is
  record Directions(List<double[]> write, List<double[]> read) {}

  /// Those of a fitting, found once.
  static PairDirections of(Fitting fitting) {
    return fitting.shared().of(PairDirections.class, () -> compute(fitting, MOST_BYTES));
  }

  /// @param mostBytes of sums that are gathered in one pass; it changes no number
  static PairDirections compute(Fitting fitting, long mostBytes) {
    Transformer model = fitting.model();
    List<CounterfactualPairs.Pair> pairs = CounterfactualPairs.of(fitting, MOST_PAIRS);
    List<int[]> neutral = fitting.rows(fitting.neutral(), NEUTRAL_TOKENS);
    var batches = new ArrayList<>(Batch.ofTexts(neutral));
    batches.addAll(Batch.ofPairs(pairs));
    List<Site> sites = sites(model);
    int together = (int) Math.clamp(mostBytes / Moments.bytes(model.dModel()), 1, sites.size());
    var draws = new SplittableRandom(fitting.seed());
    var found = new LinkedHashMap<Site, Found>();
    for (int first = 0; first < sites.size(); first += together) {
      List<Site> some = sites.subList(first, Math.min(sites.size(), first + together));
      try (var scope = Scope.withoutGradients()) {
        var moments = new LinkedHashMap<Site, Moments>();
        some.forEach(site -> moments.put(site, Moments.none(model.dModel())));
        batches.forEach(batch -> batch.read(model, moments));
        moments.forEach((site, own) -> found.put(site, found(own, draws.nextLong())));
      }
    }
    int tokens = neutral.stream().mapToInt(row -> row.length).sum();
    return new PairDirections(found, pairs.size(), tokens);
  }

  private static List<Site> sites(Transformer model) {
    var sites = new ArrayList<Site>();
    for (int layer = 0; layer < model.layers(); layer++) {
      sites.add(Site.of(Kind.ATTN_RAW, layer));
      sites.add(Site.of(Kind.MLP_RAW, layer));
    }
    return sites;
  }

  // ---------------------------------------------------------------- what is measured

  /// Sums over tokens, F64.
  private static final class Moments {
    private final Tensor centre; // c [width], near the mean, so that no digits are lost
    private final Tensor squares; // Σ (y − c)(y − c)ᵀ [width, width]
    private final Tensor sum; // Σ (y − c) [width]
    private final Tensor differences; // Σ δ δᵀ [width, width], of differences between pairs
    private long tokens;

    private Moments(Tensor centre, Tensor squares, Tensor sum, Tensor differences) {
      this.centre = centre;
      this.squares = squares;
      this.sum = sum;
      this.differences = differences;
    }

    static Moments none(long width) {
      return new Moments(
          Tensor.zeros(DType.F64, width),
          Tensor.zeros(DType.F64, width, width),
          Tensor.zeros(DType.F64, width),
          Tensor.zeros(DType.F64, width, width));
    }

    /// What they take.
    static long bytes(long width) {
      return 2 * 8 * width * width;
    }

    /// @param y `[tokens, width]`, F32 or F64
    void add(Tensor y) {
      if (tokens == 0) {
        centre.copyInPlace(y.mean(0, false));
      }
      Tensor x = y.sub(centre.to(y.dtype()));
      squares.addInPlace(x.transpose(0, 1).matmul(x));
      sum.addInPlace(x.sum(0, false));
      tokens += y.size(0);
    }

    /// @param delta `[positions, width]`
    void addDifferences(Tensor delta) {
      Tensor x = delta.to(DType.F64);
      differences.addInPlace(x.transpose(0, 1).matmul(x));
    }

    /// μ `[width]`.
    Tensor mean() {
      return centre.add(sum.div(tokens));
    }

    /// Σ `[width, width]`.
    Tensor covariance() {
      Tensor off = sum.div(tokens);
      return squares.div(tokens).sub(off.unsqueeze(1).matmul(off.unsqueeze(0)));
    }
  }

  /// Rows that are read together, packed.
  ///
  /// @param content tokens that count in mean and covariance: all, each row's first among them,
  ///   which models give streams of another size, and which is edited as all are
  /// @param one tokens of the first texts of pairs that are compared
  /// @param other those of the second texts that they are compared with
  private record Batch(
      int[] ids, int[] lengths, List<Long> content, List<Long> one, List<Long> other) {
    static List<Batch> ofTexts(List<int[]> texts) {
      return batches(texts, row -> row.length).stream().map(rows -> of(rows, List.of())).toList();
    }

    static List<Batch> ofPairs(List<CounterfactualPairs.Pair> pairs) {
      return batches(pairs, pair -> pair.one().length + pair.other().length).stream()
          .map(some ->
              of(some.stream().flatMap(pair -> Stream.of(pair.one(), pair.other())).toList(), some))
          .toList();
    }

    /// Neighbours together until there are enough tokens.
    private static <T> List<List<T>> batches(List<T> all, ToIntFunction<T> tokens) {
      var batches = new ArrayList<List<T>>();
      int together = TOKENS_AT_ONCE;
      for (T each : all) {
        if (together >= TOKENS_AT_ONCE) {
          batches.add(new ArrayList<>());
          together = 0;
        }
        batches.getLast().add(each);
        together += tokens.applyAsInt(each);
      }
      return batches;
    }

    /// @param pairs whose texts the rows are, in turn; none for text
    private static Batch of(List<int[]> rows, List<CounterfactualPairs.Pair> pairs) {
      int[] lengths = rows.stream().mapToInt(row -> row.length).toArray();
      var content = new ArrayList<Long>();
      var compared = List.of(new ArrayList<Long>(), new ArrayList<Long>());
      long start = 0;
      for (int r = 0; r < lengths.length; r++) {
        long end = start + lengths[r];
        LongStream.range(start, end).forEach(content::add);
        if (!pairs.isEmpty()) {
          LongStream.range(end - pairs.get(r / 2).count(), end).forEach(compared.get(r % 2)::add);
        }
        start = end;
      }
      int[] ids = rows.stream().flatMapToInt(Arrays::stream).toArray();
      return new Batch(ids, lengths, content, compared.getFirst(), compared.getLast());
    }

    /// Adds what one pass shows at some sites to their moments.
    void read(Transformer model, Map<Site, Moments> moments) {
      if (content.isEmpty()) {
        return;
      }
      try (var scope = Scope.withoutGradients()) {
        Tensor counted = index(content);
        Tensor left = index(one);
        Tensor right = index(other);
        Taps.Sink sink =
            (site, value, _) -> {
              try (var inner = Scope.open()) {
                Moments own = Objects.requireNonNull(moments.get(site));
                Tensor y = value.wide();
                own.add(y.indexSelect(0, counted));
                own.addDifferences(y.indexSelect(0, left).sub(y.indexSelect(0, right)));
              }
            };
        Pass pass = Pass.over(Layout.rows(lengths)).with(Taps.capture(moments.keySet(), sink));
        model.stream(Tensor.of(ids, ids.length), pass);
      }
    }

    private static Tensor index(List<Long> places) {
      return Tensor.of(places.stream().mapToLong(Long::longValue).toArray(), (long) places.size());
    }
  }

  // ---------------------------------------------------------------- what is found

  /// @param seed of the random ones
  private static Found found(Moments moments, long seed) {
    try (var scope = Scope.open()) {
      Whitening whitening = Whitening.of(moments.covariance());
      Tensor root = whitening.root();
      Tensor inverse = whitening.inverse();
      Tensor own = leading(inverse.matmul(moments.differences).matmul(inverse)); // Uᵀ [r, width]
      int count = Math.toIntExact(own.size(0));
      Tensor drawn = Basis.random(count, Math.toIntExact(own.size(1)), seed).matrix();
      return new Found(
          directions(own, root, inverse),
          directions(drawn, root, inverse),
          moments.mean().toDoubles());
    }
  }

  /// @param u Uᵀ `[r, width]`
  private static Directions directions(Tensor u, Tensor root, Tensor inverse) {
    return u.size(0) == 0
        ? new Directions(List.of(), List.of())
        : new Directions(u.matmul(root).toRows(), u.matmul(inverse).toRows());
  }

  /// The leading eigenvectors of a symmetric matrix as rows, the greatest first, without those that
  /// belong to nothing.
  private static Tensor leading(Tensor matrix) {
    Tensor.Eigen eigen = matrix.add(matrix.transpose(0, 1)).mul(0.5).eigen();
    double[] values = eigen.values().toDoubles(); // ascending
    double least = NEGLIGIBLE * values[values.length - 1];
    long there = Arrays.stream(values).filter(value -> value > least && value > 0).count();
    long count = Math.min(MOST, there);
    return eigen.vectors().transpose(0, 1).narrow(0, values.length - count, count).flip(0);
  }
}
