package dev.fathom.edit;

import dev.fathom.FathomException;
import dev.fathom.model.Linear;
import dev.fathom.model.Linears;
import dev.fathom.model.Transformer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/// A tensor of the checkpoint that holds one linear map of a model, or several in one.
///
/// @param origin of the whole tensor as one map
/// @param in inputs of the map
/// @param biased whether one of the maps in it has a bias
record Stored(Linear.Origin origin, long in, boolean biased) {
  /// The tensors of a model's linear maps by name.
  static SequencedMap<String, Stored> of(Transformer model) {
    var found = new LinkedHashMap<String, Stored>();
    for (Linear linear : Linears.of(model)) {
      Linear.Origin part = linear.origin();
      Stored known = found.get(part.tensor());
      long to = known == null ? part.to() : Math.max(part.to(), known.out());
      found.put(
          part.tensor(),
          new Stored(
              new Linear.Origin(part.tensor(), 0, to, part.transposed(), part.stored()),
              linear.in(),
              linear.bias() != null || (known != null && known.biased)));
    }
    return found;
  }

  long out() {
    return origin.to();
  }

  /// Length of an axis of the tensor as it is stored.
  long size(int axis) {
    return (axis == 0) == origin.transposed() ? in : out();
  }

  /// Refuses an edit that does not fit a model.
  static void requireFits(Edit edit, Map<String, Stored> maps) {
    for (Change change : edit.changes()) {
      switch (change) {
        case Change.OfMap map -> require(edit, map, maps.get(map.tensor()));
      }
    }
  }

  private static void require(Edit edit, Change.OfMap change, @Nullable Stored map) {
    if (map == null) {
      throw new FathomException(
          "%s: changes '%s', which is no linear map of this model"
              .formatted(edit.name(), change.tensor()));
    }
    switch (change) {
      case Change.Rows rows -> {
        long length = map.size(1 - rows.axis());
        long most = map.size(rows.axis());
        long last = rows.indices().stream().mapToLong(Integer::longValue).max().orElse(0);
        if (rows.values().shape().getLast() != length || last >= most) {
          throw new FathomException(
              "%s: %s of length %d, the last at %d; that tensor is [%d, %d]"
                  .formatted(
                      edit.name(),
                      rows.summary(),
                      rows.values().shape().getLast(),
                      last,
                      map.size(0),
                      map.size(1)));
        }
      }
      case Change.LowRank step -> {
        long end = step.from() + step.b().shape().getFirst();
        if (step.a().shape().getLast() != map.in() || end > map.out()) {
          throw new FathomException(
              "%s: %s reads %d inputs and reaches to output %d; that map is [%d, %d]"
                  .formatted(
                      edit.name(),
                      step.summary(),
                      step.a().shape().getLast(),
                      end,
                      map.out(),
                      map.in()));
        }
      }
      case Change.Bias bias -> {
        long end = bias.from() + bias.values().shape().getFirst();
        if (end > map.out()) {
          throw new FathomException(
              "%s: %s reaches to output %d; that map has %d"
                  .formatted(edit.name(), bias.summary(), end, map.out()));
        }
      }
    }
  }
}
