package dev.fathom.edit;

import dev.fathom.model.Attention;
import dev.fathom.model.Linear;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SequencedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/// Takes neurons and heads out of a model for good: what they would write to the stream becomes
/// zero, at every position. The same as the intervention `Zero` at `mlp_act` and `z`, as an edit.
public final class Zeroing {
  private Zeroing() {}

  /// The edit that zeroes value vectors of neurons (`mlp_act.3.n17`) and the output maps of heads
  /// (`z.2.h1`).
  ///
  /// @throws IllegalArgumentException if a slice is of another site, or names no neuron and no head
  public static Edit of(Transformer model, List<Slice> units) {
    Map<Site, SequencedSet<Integer>> bySite = new TreeMap<>();
    for (Slice slice : units) {
      if (slice.units().isEmpty()) {
        throw new IllegalArgumentException(
            "%s: say which neurons or heads, such as mlp_act.3.n17 or z.2.h1"
                .formatted(slice.site()));
      }
      bySite.computeIfAbsent(slice.site(), _ -> new TreeSet<>()).addAll(slice.units());
    }
    if (bySite.isEmpty()) {
      throw new IllegalArgumentException("nothing to zero: name neurons or heads");
    }
    var changes = new ArrayList<Change>();
    bySite.forEach((site, chosen) -> changes.add(change(model, site, List.copyOf(chosen))));
    Edit edit = Edit.of(model, "zeroed", changes);
    return edit.with(
        edit.card()
            .with(
                "units",
                units.stream()
                    .map(slice -> slice.site() + " " + slice.units())
                    .collect(Collectors.joining(", "))));
  }

  private static Change change(Transformer model, Site site, List<Integer> units) {
    return switch (site.kind()) {
      case MLP_ACT -> zeros(model.blocks().get(site.layer()).mlp().out(), units);
      case Z -> {
        Attention attention = model.blocks().get(site.layer()).attention();
        var inputs = new ArrayList<Integer>();
        for (int head : units) {
          for (int i = 0; i < attention.width(); i++) {
            inputs.add(head * attention.width() + i);
          }
        }
        yield zeros(attention.out(), inputs);
      }
      default ->
          throw new IllegalArgumentException(
              "%s: neurons are zeroed at mlp_act, heads at z".formatted(site));
    };
  }

  private static Change zeros(Linear linear, List<Integer> inputs) {
    try (var scope = Scope.withoutGradients()) {
      return Change.Rows.inputs(
          linear, inputs, Tensor.zeros(DType.F32, inputs.size(), linear.out()));
    }
  }
}
