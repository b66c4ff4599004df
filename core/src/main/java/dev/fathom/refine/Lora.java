package dev.fathom.refine;

import dev.fathom.edit.Change;
import dev.fathom.model.Linear;
import dev.fathom.model.Linears;
import dev.fathom.model.Linears.Place;
import dev.fathom.model.Linears.Role;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Tensor;
import dev.fathom.train.Parameters;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;
import java.util.SplittableRandom;

/// Low-rank adaptation (Hu et al. 2022, section 4.1): some maps of some layers become
///
///     y = W x + (α / r) · B (A (dropout(x)))
///
/// with `A [r, in]` uniform within ±1/√in at first and `B [out, r]` zero, so that nothing changes
/// before the first step. W itself stays.
///
/// @param rank r
/// @param alpha α
/// @param dropout the probability that a number of x is left out while training
/// @param targets which maps of a layer; where queries, keys and values are one matrix, any of the
///   three means all of it
/// @param from the first layer
/// @param to the layer after the last
public record Lora(int rank, double alpha, double dropout, Set<Role> targets, int from, int to) {
  static final String A = ".lora_A.weight";
  static final String B = ".lora_B.weight";

  public Lora {
    targets = Collections.unmodifiableSet(EnumSet.copyOf(targets));
    if (rank < 1 || !(alpha > 0) || !(dropout >= 0 && dropout < 1)) {
      throw new IllegalArgumentException(
          "LoRA needs a rank of at least 1, alpha above 0 and a dropout from 0 to below 1, found"
              + " %d, %s and %s".formatted(rank, alpha, dropout));
    }
    if (from < 0 || to <= from) {
      throw new IllegalArgumentException(
          "LoRA needs at least one layer, found %d to %d".formatted(from, to - 1));
    }
  }

  /// Rank 32, alpha 64, dropout 0.05 on queries, keys, values, up- and down-projections of all
  /// layers: what fits the thesis' parameter counts.
  public static Lora standard(Transformer model) {
    return new Lora(
        32, 64, 0.05, EnumSet.of(Role.Q, Role.K, Role.V, Role.UP, Role.DOWN), 0, model.layers());
  }

  public Lora withRank(int rank, double alpha) {
    return new Lora(rank, alpha, dropout, targets, from, to);
  }

  public Lora withDropout(double dropout) {
    return new Lora(rank, alpha, dropout, targets, from, to);
  }

  public Lora withTargets(Set<Role> targets) {
    return new Lora(rank, alpha, dropout, targets, from, to);
  }

  /// The same on layers `from` to `to - 1`.
  public Lora onLayers(int from, int to) {
    return new Lora(rank, alpha, dropout, targets, from, to);
  }

  /// α / r.
  public double factor() {
    return alpha / rank;
  }

  /// In a few words.
  public String summary() {
    var names = new ArrayList<String>();
    targets.forEach(role -> names.add(role.name().toLowerCase(Locale.ROOT)));
    return "rank %d, alpha %s, dropout %s on %s of layers %d to %d"
        .formatted(rank, alpha, dropout, String.join(", ", names), from, to - 1);
  }

  /// A map and what is learnt beside it.
  record Adapted(Place place, Lora lora) {
    /// What its matrices are called: the tensor's name, with the first output where the tensor
    /// holds several maps.
    String name() {
      Linear.Origin origin = place.linear().origin();
      String path = origin.tensor().replaceFirst("\\.weight$", "");
      return origin.from() == 0 ? path : path + "." + origin.from();
    }
  }

  /// The maps that several of these adapt, from below.
  ///
  /// @throws IllegalArgumentException if two adapt the same map, or one adapts none
  static List<Adapted> adapted(Transformer model, List<Lora> loras) {
    var found = new LinkedHashMap<Linear, Adapted>();
    for (Lora lora : loras) {
      if (lora.to > model.layers()) {
        throw new IllegalArgumentException(
            "LoRA is to adapt layers %d to %d, but this model has layers 0 to %d"
                .formatted(lora.from, lora.to - 1, model.layers() - 1));
      }
      List<Place> places =
          Linears.places(model).stream()
              .filter(place -> place.layer() >= lora.from && place.layer() < lora.to)
              .filter(lora::wants)
              .toList();
      if (places.isEmpty()) {
        throw new IllegalArgumentException(
            "no map of layers %d to %d is one of %s"
                .formatted(lora.from, lora.to - 1, lora.targets));
      }
      for (Place place : places) {
        if (found.putIfAbsent(place.linear(), new Adapted(place, lora)) != null) {
          throw new IllegalArgumentException(
              "layer %d's %s is adapted twice: give each map to one LoRA"
                  .formatted(place.layer(), place.role()));
        }
      }
    }
    var inOrder = new ArrayList<Adapted>();
    for (Place place : Linears.places(model)) {
      Adapted adapted = found.get(place.linear());
      if (adapted != null) {
        inOrder.add(adapted);
      }
    }
    return inOrder;
  }

  private boolean wants(Place place) {
    return targets.contains(place.role())
        || (place.role() == Role.QKV
            && (targets.contains(Role.Q) || targets.contains(Role.K) || targets.contains(Role.V)));
  }

  /// Names and shapes of what is learnt.
  static SequencedMap<String, List<Long>> shapes(Transformer model, List<Lora> loras) {
    var shapes = new LinkedHashMap<String, List<Long>>();
    for (Adapted adapted : adapted(model, loras)) {
      Linear linear = adapted.place().linear();
      long rank = adapted.lora().rank;
      shapes.put(adapted.name() + A, List.of(rank, linear.in()));
      shapes.put(adapted.name() + B, List.of(linear.out(), rank));
    }
    return shapes;
  }

  /// First values, the same for a seed.
  static void initialize(
      Transformer model, List<Lora> loras, Parameters parameters, SplittableRandom random) {
    SequencedMap<String, Tensor> tensors = parameters.tensors();
    for (Adapted adapted : adapted(model, loras)) {
      Tensor a = Objects.requireNonNull(tensors.get(adapted.name() + A));
      double bound = 1 / Math.sqrt(a.size(1));
      double[] values = new double[Math.toIntExact(a.elements())];
      for (int i = 0; i < values.length; i++) {
        values[i] = random.nextDouble(-bound, bound);
      }
      a.copyInPlace(Tensor.of(values, a.shape()));
      Objects.requireNonNull(tensors.get(adapted.name() + B)).zeroInPlace();
    }
  }

  /// What was learnt, as changes of an edit.
  static List<Change> changes(Transformer model, List<Lora> loras, Map<String, Tensor> tensors) {
    var changes = new ArrayList<Change>();
    for (Adapted adapted : adapted(model, loras)) {
      changes.add(
          Change.LowRank.of(
              adapted.place().linear(),
              Objects.requireNonNull(tensors.get(adapted.name() + A)),
              Objects.requireNonNull(tensors.get(adapted.name() + B)),
              adapted.lora().factor()));
    }
    return changes;
  }
}
