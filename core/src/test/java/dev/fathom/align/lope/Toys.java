package dev.fathom.align.lope;

import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;

/// What tests on small checkpoints share.
final class Toys {
  static final int WIDTH = 48;
  static final int[] IDS = {5, 17, 99, 23, 64, 3, 120};

  static {
    Threads.set(1); // more only wait for each other over products this small
  }

  private Toys() {}

  /// Random directions of length 1.
  static List<double[]> directions(int count, long seed) {
    var random = new Random(seed);
    var directions = new ArrayList<double[]>();
    for (int d = 0; d < count; d++) {
      double[] direction = random.doubles(WIDTH, -1, 1).toArray();
      double length = Math.sqrt(Arrays.stream(direction).map(x -> x * x).sum());
      directions.add(Arrays.stream(direction).map(x -> x / length).toArray());
    }
    return directions;
  }

  /// F64 `[rows, width]`, in the current scope.
  static Tensor matrix(List<double[]> rows) {
    double[] all = rows.stream().flatMapToDouble(Arrays::stream).toArray();
    return Tensor.of(all, rows.size(), rows.getFirst().length);
  }

  static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  static double[] logits(Transformer model) {
    return logits(model, Tap.NONE);
  }

  static double[] logits(Transformer model, Tap tap) {
    try (var scope = Scope.withoutGradients()) {
      Pass pass = Pass.over(Layout.single(IDS.length)).with(tap);
      return model.forward(Tensor.of(IDS, IDS.length), pass).toDoubles();
    }
  }

  /// What a site shows for some tokens, `[token][width]`.
  static double[][] at(Transformer model, Site site, int... ids) {
    var found = new ArrayList<double[]>();
    try (var scope = Scope.withoutGradients()) {
      Tap tap =
          Taps.capture(
              Set.of(site),
              (_, value, _) -> {
                for (int t = 0; t < ids.length; t++) {
                  found.add(value.select(0, t).flatten(0, -1).toDoubles());
                }
              });
      Tensor _ =
          model.forward(Tensor.of(ids, ids.length), Pass.over(Layout.single(ids.length)).with(tap));
    }
    return found.toArray(double[][]::new);
  }
}
