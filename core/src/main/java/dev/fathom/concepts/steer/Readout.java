package dev.fathom.concepts.steer;

import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/// How far texts lie along a direction, token by token, as a model reads them by itself.
final class Readout {
  private static final int TOKENS_AT_ONCE = 2048;

  private Readout() {}

  /// `h·v` of each token of some rows.
  ///
  /// @param rows token ids, none empty
  static List<double[]> of(Transformer model, List<int[]> rows, Site site, Direction direction) {
    var found = new ArrayList<double[]>();
    int from = 0;
    while (from < rows.size()) {
      int to = from + 1;
      int tokens = rows.get(from).length;
      while (to < rows.size() && tokens + rows.get(to).length <= TOKENS_AT_ONCE) {
        tokens += rows.get(to++).length;
      }
      List<int[]> some = rows.subList(from, to);
      double[] all = read(model, some, site, direction);
      int at = 0;
      for (int[] row : some) {
        found.add(Arrays.copyOfRange(all, at, at + row.length));
        at += row.length;
      }
      from = to;
    }
    return found;
  }

  private static double[] read(
      Transformer model, List<int[]> rows, Site site, Direction direction) {
    var layout = Layout.rows(rows.stream().mapToInt(row -> row.length).toArray());
    int[] ids = rows.stream().flatMapToInt(Arrays::stream).toArray();
    double[] unit = direction.unit();
    double[][] found = new double[1][0];
    try (var scope = Scope.withoutGradients()) {
      Tap tap =
          Taps.capture(
              Set.of(site),
              (_, value, _) ->
                  found[0] =
                      value.to(DType.F64).matmul(Tensor.of(unit, unit.length, 1)).toDoubles());
      Pass pass = Pass.over(layout).with(tap);
      Tensor _ = model.streamAfter(site.layer() + 1, Tensor.of(ids, ids.length), pass);
    }
    return found[0];
  }
}
