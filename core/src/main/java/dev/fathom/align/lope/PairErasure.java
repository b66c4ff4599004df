package dev.fathom.align.lope;

import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.model.Kind;
import dev.fathom.model.Linear;
import dev.fathom.model.Site;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.SequencedMap;

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
  public PairErasure {
    if (rank < 1 || rank > PairDirections.MOST || !(from >= 0 && from < 1) || !(strength >= 0)) {
      throw new IllegalArgumentException(
          "rank is 1 to %d, where it begins from 0 to below 1, the strength at least 0, found %d, %s and %s"
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
  }

  /// Of all layers' attention and MLP.
  public static PairErasure of(int rank) {
    return new PairErasure("pairs", rank, 0, Outputs.BOTH, 1, false);
  }

  /// What eight settings are tried.
  public static List<PairErasure> grid() {
    return List.of(
        of(1),
        of(2),
        of(4),
        of(8),
        of(12),
        of(16),
        of(8).from(0.25),
        of(16).with(Outputs.ATTENTION));
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
    PairDirections directions = PairDirections.of(fitting);
    var changes = new ArrayList<Change>();
    for (int layer = (int) (from * model.layers()); layer < model.layers(); layer++) {
      for (Kind kind : outputs.kinds) {
        Site site = Site.of(kind, layer);
        try (var scope = Scope.withoutGradients()) {
          add(changes, map(model, site), Objects.requireNonNull(directions.sites().get(site)));
        }
      }
    }
    return new Remedy.OfWeights(Edit.of(model, name, changes));
  }

  private static Linear map(Transformer model, Site site) {
    var block = model.blocks().get(site.layer());
    return site.kind() == Kind.ATTN_RAW ? block.attention().out() : block.mlp().out();
  }

  private void add(List<Change> changes, Linear map, PairDirections.Found found) {
    PairDirections.Directions directions = random ? found.random() : found.found();
    int width = found.mean().length;
    Tensor write = matrix(directions.write(), width); // Aᵀ: [r, width]
    Tensor read = matrix(directions.read(), width); // Bᵀ: [r, width]
    DType dtype = map.weight().values().dtype();
    changes.add(
        Change.LowRank.of(
            map,
            read.matmul(map.weight().values().to(DType.F64)).to(dtype), // [r, in]
            write.transpose(0, 1).contiguous().to(dtype),
            -strength));
    Tensor mean = Tensor.of(found.mean(), width);
    Tensor before = map.bias();
    Tensor old = before == null ? Tensor.zeros(DType.F64, width) : before.to(DType.F64);
    Tensor away = read.matmul(mean.sub(old).unsqueeze(1)); // [r, 1]
    Tensor shift = write.transpose(0, 1).matmul(away).squeeze(1).mul(strength);
    changes.add(Change.Bias.of(map, old.add(shift).to(dtype)));
  }

  private Tensor matrix(List<double[]> rows, int width) {
    int r = Math.min(rank, rows.size());
    return Tensor.of(rows.stream().limit(r).flatMapToDouble(Arrays::stream).toArray(), r, width);
  }
}
