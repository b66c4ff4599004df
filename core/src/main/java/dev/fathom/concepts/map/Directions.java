package dev.fathom.concepts.map;

import dev.fathom.concepts.Dictionary;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/// Directions of a layer that go onto a map.
///
/// @param title whose they are
/// @param layer they are of
/// @param names of the concepts
/// @param groups of each, empty for none
/// @param unit F64 of length 1, `[m, d]`, of the scope they were made in
record Directions(String title, int layer, List<String> names, List<String> groups, Tensor unit) {
  private static final double SHORT = 1e-6;

  /// All that have a length, in the current scope.
  static Directions of(Dictionary dictionary, int layer) {
    Tensor rows = dictionary.directions(layer).to(DType.F64);
    double[] lengths = rows.norm(1, false).toDoubles();
    var all =
        new Directions(
            dictionary.card().baseName(),
            layer,
            dictionary.entries().stream().map(Dictionary.Entry::name).toList(),
            dictionary.entries().stream().map(entry -> entry.group().orElse("")).toList(),
            rows);
    Directions some = all.only(i -> lengths[i] > SHORT);
    Tensor wide = some.unit;
    return new Directions(some.title, layer, some.names, some.groups, wide.div(wide.norm(1, true)));
  }

  int count() {
    return names.size();
  }

  long width() {
    return unit.size(1);
  }

  /// Those whose names another has, in its order, in the current scope; groups are the other's.
  Directions as(Directions other) {
    var places = new HashMap<String, Integer>();
    IntStream.range(0, count()).forEach(i -> places.put(names.get(i), i));
    long[] rows =
        other.names.stream().mapToLong(name -> Objects.requireNonNull(places.get(name))).toArray();
    return new Directions(title, layer, other.names, other.groups, unit.indexSelect(0, rows));
  }

  /// Those whose names are among others.
  Directions among(List<String> others) {
    Set<String> known = new HashSet<>(others);
    return only(i -> known.contains(names.get(i)));
  }

  private Directions only(Predicate<Integer> wanted) {
    List<Integer> rows = IntStream.range(0, count()).boxed().filter(wanted).toList();
    var chosen = new ArrayList<String>();
    var grouped = new ArrayList<String>();
    for (int row : rows) {
      chosen.add(names.get(row));
      grouped.add(groups.get(row));
    }
    return new Directions(
        title,
        layer,
        chosen,
        grouped,
        unit.indexSelect(0, rows.stream().mapToLong(i -> i).toArray()));
  }
}
