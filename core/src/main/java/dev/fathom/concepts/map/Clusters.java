package dev.fathom.concepts.map;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.stream.IntStream;

/// What concepts of a map belong to.
///
/// @param names of the clusters
/// @param of each concept, its cluster's number or −1, not copied
@SuppressWarnings("ArrayRecordComponent")
record Clusters(List<String> names, int[] of) {
  private static final int NONE = -1;

  Clusters {
    names = List.copyOf(names);
  }

  /// @param groups of each concept, empty for none
  static Clusters ofGroups(List<String> groups) {
    var names =
        List.copyOf(new LinkedHashSet<>(groups.stream().filter(g -> !g.isEmpty()).toList()));
    return new Clusters(names, groups.stream().mapToInt(names::indexOf).toArray());
  }

  /// Around each query those concepts whose nearest query it is, if their cosine is above a
  /// percentile of the cosines of all queries with all other concepts. A query belongs to itself.
  ///
  /// @param unit directions of length 1, `[m, d]`
  /// @param queries rows of it
  /// @param percentile 0 to 100
  static Clusters around(
      Tensor unit, List<String> names, List<Integer> queries, double percentile) {
    int m = Math.toIntExact(unit.size(0));
    int q = queries.size();
    double[] cosines;
    try (var scope = Scope.withoutGradients()) {
      Tensor rows = unit.indexSelect(0, queries.stream().mapToLong(i -> i).toArray());
      cosines = unit.matmul(rows.transpose(0, 1)).to(DType.F64).toDoubles(); // [m, q]
    }
    double[] others =
        IntStream.range(0, m * q)
            .filter(at -> at / q != queries.get(at % q))
            .mapToDouble(at -> cosines[at])
            .sorted()
            .toArray();
    double least = others[(int) Math.min(others.length - 1, percentile / 100 * others.length)];
    int[] of = new int[m];
    for (int i = 0; i < m; i++) {
      int nearest = 0;
      for (int j = 1; j < q; j++) {
        nearest = cosines[i * q + j] > cosines[i * q + nearest] ? j : nearest;
      }
      of[i] = cosines[i * q + nearest] >= least ? nearest : NONE;
    }
    IntStream.range(0, q).forEach(j -> of[queries.get(j)] = j);
    return new Clusters(queries.stream().map(names::get).toList(), of);
  }

  /// Concepts that have little to do with each other: the one that is nearest to the mean, and then
  /// each time the one whose greatest cosine with those before is least.
  static List<Integer> distinct(Tensor unit, int count) {
    int m = Math.toIntExact(unit.size(0));
    var chosen = new ArrayList<Integer>();
    double[] greatest = new double[m];
    Arrays.fill(greatest, Double.NEGATIVE_INFINITY);
    try (var scope = Scope.withoutGradients()) {
      Tensor wide = unit.to(DType.F64);
      double[] central = wide.matmul(wide.mean(0, false)).toDoubles();
      int next =
          IntStream.range(0, m)
              .boxed()
              .max((a, b) -> Double.compare(central[a], central[b]))
              .orElseThrow();
      while (chosen.size() < Math.min(count, m)) {
        chosen.add(next);
        double[] cosines = wide.matmul(wide.select(0, next)).toDoubles();
        int least = NONE;
        for (int i = 0; i < m; i++) {
          greatest[i] = Math.max(greatest[i], cosines[i]);
          if (!chosen.contains(i) && (least == NONE || greatest[i] < greatest[least])) {
            least = i;
          }
        }
        next = least;
      }
    }
    return chosen;
  }

  /// The concepts that belong to some cluster.
  int[] members() {
    return IntStream.range(0, of.length).filter(i -> of[i] != NONE).toArray();
  }

  /// A concept's cluster, empty for none.
  String name(int concept) {
    return of[concept] == NONE ? "" : names.get(of[concept]);
  }
}
