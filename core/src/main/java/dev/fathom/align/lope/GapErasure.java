package dev.fathom.align.lope;

import dev.fathom.align.Basis;
import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Change;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.Stream;

/// Takes out of what attention and MLPs write whatever goes with the model's own preference for one
/// group's word over another's: the log-odds of the two words with which a stereotype and its
/// opposite go on ([GapCases]). A variant of LoPE for items whose term says no group and is
/// *followed* by a word that does (*most pilots are* men, women). There, counterfactual pairs
/// ([PairErasure]) differ only from that word on, where the bias has already been at work.
///
/// With y an output at all tokens of what stands before that word, and of running text; Σ and μ its
/// covariance and mean; and z the preference at the tokens before, 0 in running text and at first
/// tokens:
///
///     C = Cov(y, z)     U: the r leading left singular vectors of Σ^(−½) C
///     y ← y − γ A Bᵀ (y − μ),    A = Σ^(½) U,  B = Σ^(−½) U
///
/// After that no line reads z from y, where r is the rank of C, and of all affine maps for which that
/// holds this one changes y least (Belrose et al. 2023, LEACE, whose z are classes). z has a
/// component for each group, at the last token and at those before it, since a term is not read
/// where the word is said. For two groups the rank is 2 at most. Outputs are taken in the order of
/// computation, each measured with those before it edited already, in a single pass.
///
/// All that is read together is held in memory, some thousand tokens of one output at a time.
///
/// It misleads where the preference goes with something else that terms tell: that goes, too. It
/// brings the model's mean preference to no particular value; where one group is preferred for all
/// terms alike, that stays.
///
/// @param name in tables
/// @param rank r: directions of each output, at most; 2 takes out all for two groups
/// @param from where in the depth it begins: 0 for the first layer, 0.5 for the middle
/// @param outputs which sublayers' outputs
/// @param strength γ
/// @param random whether the directions U are drawn at random instead: the control
public record GapErasure(
    String name,
    int rank,
    double from,
    PairErasure.Outputs outputs,
    double strength,
    boolean random)
    implements Method {
  private static final int NEUTRAL_TOKENS = 4096;

  public GapErasure {
    boolean sound = rank >= 1 && from >= 0 && from < 1 && strength >= 0;
    if (!sound || !Double.isFinite(strength)) {
      throw new IllegalArgumentException(
          ("The rank is at least 1, the depth where it begins 0 to below 1, the strength at least"
                  + " 0; found %d, %s and %s.")
              .formatted(rank, from, strength));
    }
  }

  /// Of all layers' attention and MLP.
  public static GapErasure of(int rank) {
    return new GapErasure("gap", rank, 0, PairErasure.Outputs.BOTH, 1, false);
  }

  /// Four settings to choose from.
  public static List<GapErasure> grid() {
    return List.of(of(1), of(2), of(2).withFrom(0.25), of(2).with(PairErasure.Outputs.ATTENTION));
  }

  /// The same with random directions, as a control of equal size.
  public GapErasure atRandom() {
    return new GapErasure("random", rank, from, outputs, strength, true);
  }

  /// The same in the upper part of the depth.
  public GapErasure withFrom(double share) {
    return new GapErasure(name, rank, share, outputs, strength, random);
  }

  /// The same of other outputs.
  public GapErasure with(PairErasure.Outputs outputs) {
    return new GapErasure(name, rank, from, outputs, strength, random);
  }

  /// The same with another γ.
  public GapErasure withStrength(double strength) {
    return new GapErasure(name, rank, from, outputs, strength, random);
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
    var changes = new ArrayList<Change>();
    var found = new LinkedHashMap<String, String>();
    if (strength > 0) {
      GapCases cases = fitting.shared().of(GapCases.class, () -> GapCases.of(fitting));
      try (var reading = new Reading(fitting, cases)) {
        changes.addAll(reading.changes());
      }
      found.put("prompts", Integer.toString(cases.prompts().size()));
      found.put("mean gap", String.format(Locale.ROOT, "%.3f", cases.meanGap()));
    }
    return new Remedy.OfWeights(fitting.edit(this, changes, found));
  }

  /// One pass over prompts and running text, in which each output is measured and edited.
  private final class Reading implements Tap, AutoCloseable {
    private final Scope scope = Scope.withoutGradients();
    private final Transformer model;
    private final Fitting fitting;
    private final Set<Site> sites;
    private final int[] lengths;
    private final int[] ids;
    private final Tensor z; // F64 [tokens, 2 · groups], centred
    private final List<Change> changes = new ArrayList<>();

    Reading(Fitting fitting, GapCases cases) {
      this.fitting = fitting;
      this.model = fitting.model();
      this.sites = new LinkedHashSet<>(outputs.sites(model, from));
      List<int[]> rows =
          Stream.concat(
                  cases.prompts().stream().map(GapCases.Prompted::ids),
                  fitting.rows(fitting.neutral(), NEUTRAL_TOKENS).stream())
              .toList();
      this.lengths = rows.stream().mapToInt(row -> row.length).toArray();
      this.ids = rows.stream().flatMapToInt(Arrays::stream).toArray();
      var gaps = new ArrayList<double[]>();
      for (int r = 0; r < lengths.length; r++) {
        for (int p = 0; p < lengths[r]; p++) {
          gaps.add(p == 0 ? cases.none() : cases.gaps(r, p == lengths[r] - 1));
        }
      }
      Tensor raw = Tensor.ofRows(gaps);
      this.z = raw.sub(raw.mean(0, true));
    }

    List<Change> changes() {
      model.stream(Tensor.of(ids, ids.length), Pass.over(Layout.rows(lengths)).with(this));
      return changes;
    }

    @Override
    public Set<Site> sites() {
      return sites;
    }

    @Override
    public List<Slice> writes() {
      return sites.stream().map(Slice::of).toList();
    }

    @Override
    public Tensor at(Site site, Tensor value, Layout rows) {
      try (var inner = Scope.open()) {
        Tensor y = value.to(DType.F64);
        Tensor mean = y.mean(0, false);
        Tensor off = y.sub(mean);
        double tokens = ids.length;
        Tensor covariance = off.transpose(0, 1).matmul(off).div(tokens);
        Whitening whitening = Whitening.of(covariance);
        Tensor with = off.transpose(0, 1).matmul(z).div(tokens); // C [width, 2 · groups]
        Basis own = Basis.leading(whitening.inverse().matmul(with).transpose(0, 1), rank);
        Tensor u = directions(own, site).matrix(); // Uᵀ [r, width]
        if (u.size(0) == 0) {
          return value;
        }
        Tensor write = u.matmul(whitening.root());
        Tensor read = u.matmul(whitening.inverse());
        changes.addAll(
            PairErasure.changes(PairErasure.map(model, site), write, read, mean, strength));
        Tensor taken = off.matmul(read.transpose(0, 1)).matmul(write);
        return inner.escape(y.sub(taken.mul(strength)).to(value.dtype()));
      }
    }

    /// @param own what was found
    private Basis directions(Basis own, Site site) {
      long seed = 31 * fitting.seed() + site.toString().hashCode();
      return random ? Basis.random(own.rank(), own.width(), seed) : own;
    }

    @Override
    public void close() {
      scope.close();
    }
  }
}
