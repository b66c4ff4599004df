package dev.fathom.align.lope;

import dev.fathom.align.Basis;
import dev.fathom.align.Fitting;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
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
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// Where the outputs of a model's sublayers differ most between counterfactual pairs, against what
/// varies in them anyway: see [PairErasure]. All settings of that method share it.
///
/// @param sites by the site of a sublayer's output
record PairDirections(Map<Site, Found> sites) {
  /// Directions that are kept of each site.
  static final int MOST = 16;

  private static final int MOST_PAIRS = 600;
  private static final int NEUTRAL_TOKENS = 8192;
  private static final int TOKENS_AT_ONCE = 1024;
  private static final double RIDGE = 1e-3;
  private static final long MOST_BYTES = 512L << 20;

  /// Directions of one output, the one that differs most first.
  ///
  /// @param found of the pairs
  /// @param random as many, drawn
  /// @param mean the output's: μ
  @SuppressWarnings("ArrayRecordComponent")
  record Found(Directions found, Directions random, double[] mean) {}

  /// @param write rows of Aᵀ: where what is taken out lies
  /// @param read rows of Bᵀ: how much of it there is
  record Directions(List<double[]> write, List<double[]> read) {}

  /// Those of a fitting, found once.
  static PairDirections of(Fitting fitting) {
    return fitting.shared().of(PairDirections.class, () -> compute(fitting, MOST_BYTES));
  }

  /// @param mostBytes of moments held at a time; more sites take more passes
  static PairDirections compute(Fitting fitting, long mostBytes) {
    Transformer model = fitting.model();
    var sites = new ArrayList<Site>();
    for (int layer = 0; layer < model.layers(); layer++) {
      sites.add(Site.of(Kind.ATTN_RAW, layer));
      sites.add(Site.of(Kind.MLP_RAW, layer));
    }
    var found = new LinkedHashMap<Site, Found>();
    var draws = new SplittableRandom(fitting.seed());
    long each = 2L * Double.BYTES * model.dModel() * model.dModel();
    int together = (int) Math.clamp(mostBytes / each, 1, sites.size());
    for (int first = 0; first < sites.size(); first += together) {
      List<Site> some = sites.subList(first, Math.min(sites.size(), first + together));
      try (var scope = Scope.withoutGradients()) {
        var moments = new LinkedHashMap<Site, Moments>();
        some.forEach(site -> moments.put(site, Moments.none(model.dModel())));
        gather(fitting, moments);
        for (Site site : some) {
          long seed = draws.nextLong();
          try (var inner = Scope.open()) {
            found.put(site, Objects.requireNonNull(moments.get(site)).directions(seed));
          }
        }
      }
    }
    return new PairDirections(found);
  }

  /// Sums over tokens, F64: `Σ y yᵀ`, `Σ y`, and `Σ δ δᵀ` of the differences between pairs.
  private static final class Moments {
    private final Tensor squares;
    private final Tensor sum;
    private final Tensor differences;
    private long tokens;

    private Moments(Tensor squares, Tensor sum, Tensor differences) {
      this.squares = squares;
      this.sum = sum;
      this.differences = differences;
    }

    static Moments none(long width) {
      return new Moments(
          Tensor.zeros(DType.F64, width, width),
          Tensor.zeros(DType.F64, width),
          Tensor.zeros(DType.F64, width, width));
    }

    /// @param y `[tokens, width]`
    void add(Tensor y) {
      squares.addInPlace(y.transpose(0, 1).matmul(y).to(DType.F64));
      sum.addInPlace(y.sum(0, false).to(DType.F64));
      tokens += y.size(0);
    }

    void addDifferences(Tensor y) {
      differences.addInPlace(y.transpose(0, 1).matmul(y).to(DType.F64));
    }

    /// @param seed of the random ones
    Found directions(long seed) {
      int width = Math.toIntExact(sum.size(0));
      Tensor mean = sum.div(tokens); // [width]
      Tensor covariance = squares.div(tokens).sub(mean.unsqueeze(1).matmul(mean.unsqueeze(0)));
      Tensor identity = identity(width);
      double ridge = RIDGE * covariance.mul(identity).sum().item() / width;
      Tensor.Eigen eigen = covariance.add(identity.mul(ridge + Double.MIN_NORMAL)).eigen();
      Tensor roots = eigen.values().sqrt().unsqueeze(0); // [1, width]
      Tensor basis = eigen.vectors();
      Tensor root = basis.mul(roots).matmul(basis.transpose(0, 1));
      Tensor inverse = basis.div(roots).matmul(basis.transpose(0, 1));
      int count = Math.min(MOST, width);
      Tensor own = leading(inverse.matmul(differences).matmul(inverse), count);
      Tensor drawn = Basis.random(count, width, seed).matrix();
      return new Found(
          new Directions(rows(own.matmul(root)), rows(own.matmul(inverse))),
          new Directions(rows(drawn.matmul(root)), rows(drawn.matmul(inverse))),
          mean.toDoubles());
    }

    private static List<double[]> rows(Tensor matrix) {
      int width = Math.toIntExact(matrix.size(1));
      double[] all = matrix.toDoubles();
      var rows = new ArrayList<double[]>();
      for (int from = 0; from < all.length; from += width) {
        rows.add(Arrays.copyOfRange(all, from, from + width));
      }
      return rows;
    }

    private static Tensor identity(int width) {
      double[] values = new double[width * width];
      for (int i = 0; i < width; i++) {
        values[i * width + i] = 1;
      }
      return Tensor.of(values, width, width);
    }

    /// The leading eigenvectors of a symmetric matrix as rows, the greatest first.
    private static Tensor leading(Tensor matrix, int count) {
      Tensor.Eigen eigen = matrix.add(matrix.transpose(0, 1)).mul(0.5).eigen();
      long width = matrix.size(0);
      return eigen.vectors().narrow(1, width - count, count).flip(1).transpose(0, 1);
    }
  }

  private static void gather(Fitting fitting, Map<Site, Moments> moments) {
    var texts = new ArrayList<int[]>();
    int held = 0;
    for (int[] row : fitting.rows(fitting.neutral(), NEUTRAL_TOKENS)) {
      texts.add(row);
      held += row.length;
      if (held >= TOKENS_AT_ONCE) {
        read(fitting.model(), texts, moments, null);
        texts.clear();
        held = 0;
      }
    }
    if (!texts.isEmpty()) {
      read(fitting.model(), texts, moments, null);
    }
    List<CounterfactualPairs.Pair> pairs = CounterfactualPairs.of(fitting, MOST_PAIRS);
    var batch = new ArrayList<CounterfactualPairs.Pair>();
    int tokens = 0;
    for (CounterfactualPairs.Pair pair : pairs) {
      batch.add(pair);
      tokens += pair.one().length + pair.other().length;
      if (tokens >= TOKENS_AT_ONCE) {
        readPairs(fitting.model(), batch, moments);
        batch.clear();
        tokens = 0;
      }
    }
    if (!batch.isEmpty()) {
      readPairs(fitting.model(), batch, moments);
    }
  }

  private static void readPairs(
      Transformer model, List<CounterfactualPairs.Pair> pairs, Map<Site, Moments> moments) {
    var rows = pairs.stream().flatMap(pair -> List.of(pair.one(), pair.other()).stream()).toList();
    read(model, rows, moments, pairs);
  }

  /// One pass; everything but first tokens counts.
  private static void read(
      Transformer model,
      List<int[]> texts,
      Map<Site, Moments> moments,
      @Nullable List<CounterfactualPairs.Pair> pairs) {
    int[] ids = texts.stream().flatMapToInt(Arrays::stream).toArray();
    int[] lengths = texts.stream().mapToInt(row -> row.length).toArray();
    var content = new ArrayList<Long>();
    var left = new ArrayList<Long>();
    var right = new ArrayList<Long>();
    long start = 0;
    for (int r = 0; r < lengths.length; r++) {
      for (long t = start + 1; t < start + lengths[r]; t++) {
        content.add(t);
      }
      start += lengths[r];
      if (pairs != null) {
        int count = pairs.get(r / 2).count();
        for (long t = start - count; t < start; t++) {
          (r % 2 == 0 ? left : right).add(t);
        }
      }
    }
    if (content.isEmpty()) {
      return;
    }
    try (var scope = Scope.withoutGradients()) {
      long[] all = longs(content);
      var tap =
          new Tap() {
            @Override
            public Set<Site> sites() {
              return new TreeSet<>(moments.keySet());
            }

            @Override
            public Tensor at(Site site, Tensor value, Layout rows) {
              Moments own = Objects.requireNonNull(moments.get(site));
              try (var inner = Scope.open()) {
                Tensor y = value.wide();
                own.add(y.indexSelect(0, all));
                if (!left.isEmpty()) {
                  own.addDifferences(
                      y.indexSelect(0, longs(left)).sub(y.indexSelect(0, longs(right))));
                }
              }
              return value;
            }
          };
      model.stream(Tensor.of(ids, ids.length), Pass.over(Layout.rows(lengths)).with(tap));
    }
  }

  private static long[] longs(List<Long> values) {
    return values.stream().mapToLong(Long::longValue).toArray();
  }
}
