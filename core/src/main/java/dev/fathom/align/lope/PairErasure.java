package dev.fathom.align.lope;

import dev.fathom.align.Basis;
import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Linear;
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
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// Takes out of what attention and MLPs write whatever tells one group from another, at the least
/// cost to the rest. A documented variant of LoPE: its directions come from counterfactual pairs
/// instead of probes of labelled sentences, and they are taken out of all of a sublayer's output.
///
/// With Σ the covariance of an output y over running text and Δ the second moment of its differences
/// between pairs, the r leading eigenvectors U of `Σ^(−½) Δ Σ^(−½)` are where groups differ most
/// against what varies anyway:
///
///     y ← y − γ A Bᵀ (y − μ),    A = Σ^(½) U,  B = Σ^(−½) U
///
/// For γ = 1 nothing linear of these differences is left, and of all linear maps for which that
/// holds this one changes y least (Belrose et al. 2023, LEACE, theorem 4.3). It is a low-rank step of
/// the output map's weight and a new bias, so it can be merged.
///
/// An orthogonal projection onto the rest (LoPE's) does far more damage here: streams have a few
/// dimensions that are a hundred times larger than others, and a direction that has a little of one
/// of them takes it out.
///
/// @param name in tables
/// @param rank r: directions of each output
/// @param from where in the depth it begins: 0 for the first layer, 0.5 for the middle
/// @param outputs which sublayers' outputs
/// @param strength γ
/// @param random whether the directions are drawn at random instead: the control
public record PairErasure(
    String name, int rank, double from, Outputs outputs, double strength, boolean random)
    implements Method {
  private static final int MOST_PAIRS = 600;
  private static final int NEUTRAL_TOKENS = 8192;
  private static final int TOKENS_AT_ONCE = 1024;
  private static final double RIDGE = 1e-3;
  private static final long MOST_BYTES = 512L << 20;

  public PairErasure {
    if (rank < 1 || !(from >= 0 && from < 1) || !(strength >= 0)) {
      throw new IllegalArgumentException(
          "rank is at least 1, where it begins from 0 to below 1, the strength at least 0, found %d, %s and %s"
              .formatted(rank, from, strength));
    }
  }

  /// What is changed in each layer.
  public enum Outputs {
    ATTENTION(Kind.ATTN_RAW),
    MLP(Kind.MLP_RAW),
    BOTH(Kind.ATTN_RAW, Kind.MLP_RAW);

    private final List<Kind> kinds;

    Outputs(Kind... kinds) {
      this.kinds = List.of(kinds);
    }
  }

  /// Of all layers' attention and MLP.
  public static PairErasure of(int rank) {
    return new PairErasure("pairs", rank, 0, Outputs.BOTH, 1, false);
  }

  /// What eight settings are tried.
  public static List<PairErasure> grid() {
    return List.of(
        of(1), of(2), of(4), of(8), of(12), of(16), of(8).from(0.25), of(16).with(Outputs.ATTENTION));
  }

  /// The same with random directions, as a control of equal size.
  public PairErasure atRandom() {
    return new PairErasure("random", rank, from, outputs, strength, true);
  }

  /// The same in the upper part of the depth.
  public PairErasure from(double share) {
    return new PairErasure(name, rank, share, outputs, strength, random);
  }

  public PairErasure with(Outputs outputs) {
    return new PairErasure(name, rank, from, outputs, strength, random);
  }

  public PairErasure withStrength(double strength) {
    return new PairErasure(name, rank, from, outputs, strength, random);
  }

  @Override
  public SequencedMap<String, String> settings() {
    var settings = new LinkedHashMap<String, String>();
    settings.put("rank", Integer.toString(rank));
    settings.put("from", Double.toString(from));
    settings.put("outputs", outputs.name().toLowerCase(Locale.ROOT));
    settings.put("strength", Double.toString(strength));
    return settings;
  }

  @Override
  public Remedy fit(Fitting fitting) {
    Transformer model = fitting.model();
    List<Site> sites = sites(model);
    var changes = new ArrayList<Change>();
    var draws = new SplittableRandom(fitting.seed());
    long each = 2L * 8 * model.dModel() * model.dModel();
    int together = (int) Math.clamp(MOST_BYTES / each, 1, sites.size());
    for (int first = 0; first < sites.size(); first += together) {
      List<Site> some = sites.subList(first, Math.min(sites.size(), first + together));
      Map<Site, Moments> moments = new LinkedHashMap<>();
      try (var scope = Scope.withoutGradients()) {
        some.forEach(site -> moments.put(site, Moments.none(model.dModel())));
        gather(fitting, moments);
        for (Site site : some) {
          add(changes, map(model, site), Objects.requireNonNull(moments.get(site)), draws);
        }
      }
    }
    return new Remedy.OfWeights(Edit.of(model, name, changes));
  }

  private List<Site> sites(Transformer model) {
    var sites = new ArrayList<Site>();
    for (int layer = (int) (from * model.layers()); layer < model.layers(); layer++) {
      for (Kind kind : outputs.kinds) {
        sites.add(Site.of(kind, layer));
      }
    }
    return sites;
  }

  private static Linear map(Transformer model, Site site) {
    var block = model.blocks().get(site.layer());
    return site.kind() == Kind.ATTN_RAW ? block.attention().out() : block.mlp().out();
  }

  // ---------------------------------------------------------------- what is measured

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
      model.stream(
          Tensor.of(ids, ids.length), Pass.over(Layout.rows(lengths)).with(tap));
    }
  }

  private static long[] longs(List<Long> values) {
    return values.stream().mapToLong(Long::longValue).toArray();
  }

  // ---------------------------------------------------------------- what is changed

  private void add(
      List<Change> changes, Linear map, Moments moments, SplittableRandom draws) {
    long width = moments.sum.size(0);
    Tensor mean = moments.sum.div(moments.tokens); // [width]
    Tensor covariance =
        moments.squares.div(moments.tokens).sub(mean.unsqueeze(1).matmul(mean.unsqueeze(0)));
    double ridge = RIDGE * covariance.mul(identity(width)).sum().item() / width;
    Tensor.Eigen eigen = covariance.add(identity(width).mul(ridge + 1e-30)).eigen();
    Tensor roots = eigen.values().sqrt().unsqueeze(0); // [1, width]
    Tensor basis = eigen.vectors();
    Tensor root = basis.mul(roots).matmul(basis.transpose(0, 1));
    Tensor inverse = basis.div(roots).matmul(basis.transpose(0, 1));
    int r = (int) Math.min(rank, width);
    Tensor u = // [r, width]
        random
            ? Basis.random(r, (int) width, draws.nextLong()).matrix()
            : leading(inverse.matmul(moments.differences).matmul(inverse), r);
    Tensor write = u.matmul(root); // Aᵀ: [r, width]
    Tensor read = u.matmul(inverse); // Bᵀ: [r, width]
    Tensor weight = map.weight().values().to(DType.F64); // [width, in]
    DType dtype = map.weight().values().dtype();
    changes.add(
        Change.LowRank.of(
            map,
            read.matmul(weight).to(dtype),
            write.transpose(0, 1).contiguous().to(dtype),
            -strength));
    Tensor centre = read.matmul(mean.unsqueeze(1)); // [r, 1]
    Tensor before = map.bias();
    Tensor old = before == null ? Tensor.zeros(DType.F64, width) : before.to(DType.F64);
    Tensor away = before == null ? centre : centre.sub(read.matmul(old.unsqueeze(1)));
    Tensor shift = write.transpose(0, 1).matmul(away).squeeze(1).mul(strength);
    changes.add(Change.Bias.of(map, old.add(shift).to(dtype)));
  }

  private static Tensor identity(long width) {
    float[] values = new float[Math.toIntExact(width * width)];
    for (int i = 0; i < width; i++) {
      values[(int) (i * width + i)] = 1;
    }
    return Tensor.of(values, width, width).to(DType.F64);
  }

  /// The leading eigenvectors of a symmetric matrix as rows, the greatest first.
  private static Tensor leading(Tensor matrix, int count) {
    Tensor.Eigen eigen = matrix.add(matrix.transpose(0, 1)).mul(0.5).eigen();
    long width = matrix.size(0);
    return eigen.vectors().narrow(1, width - count, count).flip(1).transpose(0, 1);
  }
}
