package dev.fathom.align.lope;

import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Change;
import dev.fathom.model.Block;
import dev.fathom.model.Kind;
import dev.fathom.model.Linear;
import dev.fathom.model.Site;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.SequencedMap;

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
/// Σ and μ are of all tokens, each text's first among them: models give it a stream of another size,
/// and what is measured without it takes that out.
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
/// @param rank r: directions of each output, at most 64; fewer where pairs do not differ in as many
/// @param from where in the depth it begins: 0 for the first layer, 0.5 for the middle
/// @param outputs which sublayers' outputs
/// @param strength γ
/// @param random whether the directions U are drawn at random instead: the control
public record PairErasure(
    String name, int rank, double from, Outputs outputs, double strength, boolean random)
    implements Method {
  public PairErasure {
    boolean sound =
        rank >= 1 && rank <= PairDirections.MOST && from >= 0 && from < 1 && strength >= 0;
    if (!sound || !Double.isFinite(strength)) {
      throw new IllegalArgumentException(
          ("The rank is 1 to %d, the depth where it begins 0 to below 1, the strength at least 0;"
                  + " found %d, %s and %s.")
              .formatted(PairDirections.MOST, rank, from, strength));
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

    /// The sites of these outputs in the upper part of the depth, in the order of computation.
    List<Site> sites(Transformer model, double from) {
      var sites = new ArrayList<Site>();
      for (int layer = (int) (from * model.layers()); layer < model.layers(); layer++) {
        for (Kind kind : kinds) {
          sites.add(Site.of(kind, layer));
        }
      }
      return sites;
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
    var changes = new ArrayList<Change>();
    var found = new LinkedHashMap<String, String>();
    if (strength > 0) {
      Transformer model = fitting.model();
      PairDirections directions = PairDirections.of(fitting);
      for (Site site : outputs.sites(model, from)) {
        changes.addAll(
            changes(map(model, site), Objects.requireNonNull(directions.sites().get(site))));
      }
      found.put("pairs", Integer.toString(directions.pairs()));
      found.put("neutral tokens", Integer.toString(directions.neutralTokens()));
    }
    return new Remedy.OfWeights(fitting.edit(this, changes, found));
  }

  /// The map that writes a sublayer's output.
  static Linear map(Transformer model, Site site) {
    Block block = model.blocks().get(site.layer());
    return site.kind() == Kind.ATTN_RAW ? block.attention().out() : block.mlp().out();
  }

  /// The step and the bias of an output's map; none where no pair differs there.
  private List<Change> changes(Linear map, PairDirections.Found found) {
    PairDirections.Directions directions = random ? found.random() : found.pairs();
    if (directions.read().isEmpty()) {
      return List.of();
    }
    try (var scope = Scope.withoutGradients()) {
      return changes(
          map,
          first(directions.write()),
          first(directions.read()),
          Tensor.of(found.mean(), found.mean().length),
          strength);
    }
  }

  /// The step and the bias that make a map's output `y − γ A Bᵀ (y − μ)`.
  ///
  /// @param write Aᵀ, F64 `[r, width]`
  /// @param read Bᵀ, F64 `[r, width]`
  /// @param mean μ, F64 `[width]`
  static List<Change> changes(Linear map, Tensor write, Tensor read, Tensor mean, double strength) {
    Tensor weight = map.weight().values(); // [width, in]
    DType kept = weight.dtype() == DType.F64 ? DType.F64 : DType.F32;
    Tensor a = write.transpose(0, 1).contiguous(); // A [width, r]
    Tensor step = read.matmul(weight.to(DType.F64)); // Bᵀ W [r, in]
    Tensor before = map.bias();
    Tensor bias = before == null ? Tensor.zeros(DType.F64, map.out()) : before.to(DType.F64);
    Tensor away = read.matmul(mean.sub(bias).unsqueeze(1)); // Bᵀ (μ − b) [r, 1]
    Tensor shift = a.matmul(away).squeeze(1).mul(strength);
    return List.of(
        Change.LowRank.of(map, step.to(kept), a.to(kept), -strength),
        Change.Bias.of(map, bias.add(shift).to(kept)));
  }

  /// The first r of some rows, or all where there are fewer: `[r, width]`.
  private Tensor first(List<double[]> rows) {
    return Tensor.ofRows(rows.stream().limit(rank).toList());
  }
}
