package dev.fathom.align.lope;

import dev.fathom.align.Basis;
import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Change;
import dev.fathom.model.Block;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Linear;
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
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.function.ToIntFunction;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/// Takes out of what attention and MLPs write whatever tells one group from another, at the least
/// cost to the rest. A documented variant of LoPE: its directions come from counterfactual pairs
/// instead of probes of labelled sentences, and they are taken out of all of a sublayer's output.
///
/// With Σ the covariance of an output y over running text and the pairs, μ its mean, and Δ the
/// second moment of its differences between pairs, the r leading eigenvectors U of
/// `Σ^(−½) Δ Σ^(−½)` are where groups differ most against what varies anyway:
///
///     y ← y − γ A Bᵀ (y − μ),    A = Σ^(½) U,  B = Σ^(−½) U
///
/// `BᵀA` is the identity, so for γ = 1 all texts have the same `Bᵀ y`. Where r is the rank of Δ,
/// nothing of the differences is left then, and of all affine maps for which that holds this one
/// changes y least (Belrose et al. 2023, LEACE). Σ has 1e-3 of its mean eigenvalue added. It is a
/// low-rank step of the output map's weight and a new bias, so it can be merged.
///
/// An orthogonal projection onto the rest (LoPE's) does far more damage here: streams have a few
/// dimensions that are a hundred times larger than others, and a direction that has a little of one
/// of them takes it out.
///
/// All outputs are measured in the unedited model. In the edited one upper sublayers read another
/// stream, so that what they write still tells groups apart a little. It misleads where the words
/// say more than the group (*king* and *queen*, *rabbi* and *imam*): that goes, too.
///
/// @param name in tables
/// @param rank r: directions of each output, fewer where pairs do not differ in as many
/// @param from where in the depth it begins: 0 for the first layer, 0.5 for the middle
/// @param outputs which sublayers' outputs
/// @param strength γ
/// @param random whether the directions U are drawn at random instead: the control
public record PairErasure(
    String name, int rank, double from, Outputs outputs, double strength, boolean random)
    implements Method {
  private static final int MOST_PAIRS = 600;
  private static final int NEUTRAL_TOKENS = 8192;
  private static final int WINDOW = 128;
  private static final int TOKENS_AT_ONCE = 1024;
  private static final double RIDGE = 1e-3;

  /// Eigenvalues below this share of the largest are rounding.
  private static final double NEGLIGIBLE = 1e-8;

  /// Of sums that are gathered in one pass over the texts; more outputs take more passes.
  private static final long MOST_BYTES = 512L << 20;

  public PairErasure {
    boolean sound = rank >= 1 && from >= 0 && from < 1 && strength >= 0;
    if (!sound || !Double.isFinite(strength)) {
      throw new IllegalArgumentException(
          "The rank is at least 1, the depth where it begins 0 to below 1, the strength at least 0;"
              + " found %d, %s and %s.".formatted(rank, from, strength));
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

  /// Eight settings to choose from.
  public static List<PairErasure> grid() {
    return List.of(
        of(1),
        of(2),
        of(4),
        of(8),
        of(12),
        of(16),
        of(8).withFrom(0.25),
        of(16).with(Outputs.ATTENTION));
  }

  /// The same with random directions, as a control of equal size.
  public PairErasure atRandom() {
    return new PairErasure("random", rank, from, outputs, strength, true);
  }

  /// The same in the upper part of the depth.
  public PairErasure withFrom(double share) {
    return new PairErasure(name, rank, share, outputs, strength, random);
  }

  /// The same of other outputs.
  public PairErasure with(Outputs outputs) {
    return new PairErasure(name, rank, from, outputs, strength, random);
  }

  /// The same with another γ.
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
    return fit(fitting, MOST_BYTES);
  }

  /// @param mostBytes of sums that are gathered in one pass; it changes no number
  Remedy fit(Fitting fitting, long mostBytes) {
    Transformer model = fitting.model();
    List<CounterfactualPairs.Pair> pairs = CounterfactualPairs.of(fitting, MOST_PAIRS);
    int[] neutral = fitting.tokens(fitting.neutral(), NEUTRAL_TOKENS);
    var batches = new ArrayList<>(Batch.ofText(neutral, model.card().context()));
    batches.addAll(Batch.ofPairs(pairs));
    List<Site> sites = strength == 0 ? List.of() : sites(model);
    long fit = Math.max(1, mostBytes / Moments.bytes(model.dModel()));
    int together = (int) Math.min(fit, sites.size());
    var draws = new SplittableRandom(fitting.seed());
    var changes = new ArrayList<Change>();
    for (int first = 0; first < sites.size(); first += together) {
      List<Site> some = sites.subList(first, Math.min(sites.size(), first + together));
      try (var scope = Scope.withoutGradients()) {
        Map<Site, Moments> moments = new LinkedHashMap<>();
        some.forEach(site -> moments.put(site, Moments.none(model.dModel())));
        batches.forEach(batch -> batch.read(model, moments));
        moments.forEach((site, own) -> changes.addAll(changes(map(model, site), own, draws)));
      }
    }
    var found = new LinkedHashMap<String, String>();
    found.put("pairs", Integer.toString(pairs.size()));
    found.put("neutral tokens", Integer.toString(neutral.length));
    return new Remedy.OfWeights(fitting.edit(this, changes, found));
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
    Block block = model.blocks().get(site.layer());
    return site.kind() == Kind.ATTN_RAW ? block.attention().out() : block.mlp().out();
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
  /// @param content tokens that count in mean and covariance: all but each row's first
  /// @param one tokens of the first texts of pairs that are compared
  /// @param other those of the second texts that they are compared with
  private record Batch(
      int[] ids, int[] lengths, List<Long> content, List<Long> one, List<Long> other) {
    /// Running text, in windows.
    static List<Batch> ofText(int[] ids, int context) {
      int window = Math.min(WINDOW, context);
      var windows = new ArrayList<int[]>();
      for (int from = 0; from < ids.length; from += window) {
        windows.add(Arrays.copyOfRange(ids, from, Math.min(ids.length, from + window)));
      }
      return batches(windows, row -> row.length).stream()
          .map(rows -> of(rows, List.of()))
          .toList();
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
        LongStream.range(start + 1, end).forEach(content::add);
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
      return Tensor.of(
          places.stream().mapToLong(Long::longValue).toArray(), (long) places.size());
    }
  }

  // ---------------------------------------------------------------- what is changed

  /// The step and the bias of an output's map; none where no pair differs there.
  private List<Change> changes(Linear map, Moments moments, SplittableRandom draws) {
    try (var scope = Scope.open()) {
      Tensor.Eigen eigen = moments.covariance().eigen();
      Tensor variances = eigen.values().relu(); // rounding may leave them below 0
      double ridge = RIDGE * variances.mean().item() + Double.MIN_NORMAL;
      Tensor roots = variances.add(ridge).sqrt(); // [width]
      Tensor axes = eigen.vectors();
      Tensor root = axes.mul(roots).matmul(axes.transpose(0, 1)); // Σ^½
      Tensor inverse = axes.div(roots).matmul(axes.transpose(0, 1)); // Σ^(−½)
      Tensor u = leading(inverse.matmul(moments.differences).matmul(inverse)); // [r, width]
      if (random) {
        int width = Math.toIntExact(u.size(1));
        u = Basis.random((int) u.size(0), width, draws.nextLong()).matrix();
      }
      return u.size(0) == 0
          ? List.of()
          : changes(map, u.matmul(root), u.matmul(inverse), moments.mean());
    }
  }

  /// The leading eigenvectors of a symmetric matrix as rows, the greatest first, without those that
  /// belong to nothing.
  private Tensor leading(Tensor matrix) {
    Tensor.Eigen eigen = matrix.add(matrix.transpose(0, 1)).mul(0.5).eigen();
    double[] values = eigen.values().toDoubles(); // ascending
    double least = NEGLIGIBLE * values[values.length - 1];
    long there = Arrays.stream(values).filter(value -> value > least && value > 0).count();
    long count = Math.min(rank, there);
    return eigen.vectors().transpose(0, 1).narrow(0, values.length - count, count).flip(0);
  }

  /// @param write Aᵀ `[r, width]`
  /// @param read Bᵀ `[r, width]`
  /// @param mean μ `[width]`
  private List<Change> changes(Linear map, Tensor write, Tensor read, Tensor mean) {
    Tensor weight = map.weight().values(); // [width, in]
    DType kept = weight.dtype() == DType.F64 ? DType.F64 : DType.F32;
    Tensor step = read.matmul(weight.to(DType.F64)); // Bᵀ W [r, in]
    Tensor a = write.transpose(0, 1).contiguous(); // [width, r]
    Tensor before = map.bias();
    Tensor bias = before == null ? Tensor.zeros(DType.F64, map.out()) : before.to(DType.F64);
    Tensor away = read.matmul(mean.sub(bias).unsqueeze(1)); // Bᵀ (μ − b) [r, 1]
    Tensor shift = a.matmul(away).squeeze(1).mul(strength);
    return List.of(
        Change.LowRank.of(map, step.to(kept), a.to(kept), -strength),
        Change.Bias.of(map, bias.add(shift).to(kept)));
  }
}
