package dev.fathom.concepts.steer;

import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.model.Block;
import dev.fathom.model.Kind;
import dev.fathom.model.Linear;
import dev.fathom.model.Site;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/// Steering of every token as a change of weights, where there is one that does exactly the same: a
/// small file, and an ordinary checkpoint once it is merged.
///
/// | steering | is |
/// |---|---|
/// | [Steering.Add] after a block, or to what its attention or MLP writes | a bias of the last map that writes there |
/// | [Steering.ShiftHeads] | a bias of attention's output map: `W_O (α σ θ)` |
/// | [Steering.ProjectOut] of what attention or an MLP writes | a low-rank step of its output map: `W − s v (vᵀ W)`, `b − s v (vᵀ b)` |
///
/// Nothing does the same as a projection of the stream itself, which also holds what the embedding
/// wrote, as a decomposition, or as a step behind a norm.
public final class SteeringEdit {
  private SteeringEdit() {}

  /// Why this cannot be an edit of a model, a sentence; empty where it can.
  public static Optional<String> refusal(Transformer model, List<? extends Steering> steerings) {
    return steerings.stream()
        .filter(SteeringTap::acts)
        .map(steering -> reason(model, steering))
        .flatMap(Optional::stream)
        .findFirst();
  }

  /// The edit, on its card what was done.
  ///
  /// @param method how the directions were found, a few words; names the edit
  /// @param parameters for its card
  /// @throws IllegalArgumentException if there is none that does the same, or a steering does not
  ///   fit the model
  public static Edit of(
      Transformer model,
      List<? extends Steering> steerings,
      String method,
      SequencedMap<String, String> parameters) {
    steerings.forEach(steering -> steering.requireFits(model));
    refusal(model, steerings)
        .ifPresent(reason -> {
          throw new IllegalArgumentException(reason);
        });
    var changes = new ArrayList<Change>();
    try (var scope = Scope.withoutGradients()) {
      Map<Linear, Writer> maps = new IdentityHashMap<>();
      var order = new ArrayList<Writer>();
      steerings.stream()
          .filter(SteeringTap::acts)
          .<Steering>map(steering -> steering)
          .sorted(Comparator.comparing(Steering::site)) // as they come in a pass
          .forEach(steering -> {
            Linear linear = writer(model, steering.site());
            Writer map =
                maps.computeIfAbsent(
                    linear,
                    own -> {
                      order.add(new Writer(own));
                      return order.getLast();
                    });
            map.change(model.blocks().get(steering.site().layer()), steering);
          });
      order.forEach(map -> changes.addAll(map.changes()));
    }
    Edit edit = Edit.of(model, method, changes);
    var all = new LinkedHashMap<>(parameters);
    all.putIfAbsent("steering", describe(steerings));
    return edit.with(edit.card().withParameters(all));
  }

  private static String describe(List<? extends Steering> steerings) {
    return String.join(", ", steerings.stream().map(Steering::summary).toList());
  }

  // ---------------------------------------------------------------- what can be kept

  private static Optional<String> reason(Transformer model, Steering steering) {
    return switch (steering) {
      case Steering.ShiftHeads _ -> Optional.empty();
      case Steering.Remove _ ->
          Optional.of(
              "Removing concepts by decomposition cannot be kept as an edit: what is taken off"
                  + " depends on each token, so no change of weights does the same.");
      case Steering.ProjectOut out ->
          switch (out.site().kind()) {
            case ATTN_RAW, MLP_RAW -> Optional.empty();
            case ATTN_OUT, MLP_OUT -> behindNorm(model, out.site());
            default ->
                Optional.of(
                    "A projection of the stream (%s) cannot be kept as an edit, for the stream also holds what the embedding wrote: take the direction out of what attention and MLPs write instead."
                        .formatted(out.site()));
          };
      case Steering.Add add ->
          switch (add.site().kind()) {
            case ATTN_RAW, MLP_RAW -> Optional.empty();
            case RESID_PRE ->
                Optional.of(
                    "Adding to %s cannot be kept as an edit, for no map of its block writes there: add to what leaves the block before."
                        .formatted(add.site()));
            default -> behindNorm(model, add.site());
          };
    };
  }

  private static Optional<String> behindNorm(Transformer model, Site site) {
    Block.Steps steps = model.blocks().get(site.layer()).steps();
    boolean attention = ofAttention(site.kind());
    boolean normed =
        attention
            ? steps.post1() != null || (site.kind() == Kind.RESID_MID && steps.after1() != null)
            : steps.post2() != null || (site.kind() == Kind.RESID_POST && steps.after2() != null);
    return normed
        ? Optional.of(
            "Steering at %s of this %s model cannot be kept as an edit: a norm stands behind the map that writes there, and no change of its weights does the same."
                .formatted(site, model.card().family()))
        : Optional.empty();
  }

  private static boolean ofAttention(Kind kind) {
    return switch (kind) {
      case Z, ATTN_RAW, ATTN_OUT, RESID_MID -> true;
      default -> false;
    };
  }

  private static Linear writer(Transformer model, Site site) {
    Block block = model.blocks().get(site.layer());
    return ofAttention(site.kind()) ? block.attention().out() : block.mlp().out();
  }

  // ---------------------------------------------------------------- one map

  /// A map as it is changed, in double precision.
  private static final class Writer {
    private final Linear linear;
    private final List<Change> steps = new ArrayList<>();
    private @Nullable Tensor weight; // once it is needed
    private @Nullable Tensor bias; // as it will be

    Writer(Linear linear) {
      this.linear = linear;
    }

    void change(Block block, Steering steering) {
      switch (steering) {
        case Steering.Add(Site site, Direction direction, double strength) -> {
          boolean raw = site.kind() == Kind.ATTN_RAW || site.kind() == Kind.MLP_RAW;
          double factor = raw ? 1 : 1 / block.steps().multiplier();
          shift(Tensor.of(direction.step(strength), direction.width()).mul(factor));
        }
        case Steering.ProjectOut(Site _, Direction direction, double strength) ->
            project(direction, strength);
        case Steering.ShiftHeads shift -> {
          Tensor out = block.attention().maps().out().to(DType.F64); // [heads, width, dModel]
          shift
              .heads()
              .forEach((head, direction) -> {
                Tensor step = Tensor.of(direction.step(shift.strength()), 1, direction.width());
                shift(step.matmul(out.select(0, head)).squeeze(0));
              });
        }
        case Steering.Remove _ -> throw new IllegalStateException("no edit removes concepts");
      }
    }

    private void shift(Tensor by) {
      bias = bias().add(by);
    }

    private Tensor bias() {
      Tensor known = bias;
      if (known != null) {
        return known;
      }
      Tensor own = linear.bias();
      return own == null ? Tensor.zeros(DType.F64, linear.out()) : own.to(DType.F64);
    }

    private void project(Direction direction, double strength) {
      Tensor v = Tensor.of(direction.unit(), 1, direction.width());
      Tensor column = v.transpose(0, 1).contiguous();
      Tensor now = weight == null ? linear.weight().values().to(DType.F64) : weight;
      Tensor read = v.matmul(now); // vᵀ W [1, in]
      steps.add(Change.LowRank.of(linear, read.to(kept()), column.to(kept()), -strength));
      weight = now.sub(column.matmul(read).mul(strength));
      if (bias != null || linear.bias() != null) {
        Tensor before = bias().unsqueeze(1); // [out, 1]
        bias = before.sub(column.matmul(v.matmul(before)).mul(strength)).squeeze(1);
      }
    }

    private DType kept() {
      return linear.weight().values().dtype() == DType.F64 ? DType.F64 : DType.F32;
    }

    List<Change> changes() {
      var all = new ArrayList<>(steps);
      if (bias != null) {
        all.add(Change.Bias.of(linear, bias.to(kept())));
      }
      return all;
    }
  }
}
