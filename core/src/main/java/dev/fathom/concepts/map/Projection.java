package dev.fathom.concepts.map;

import dev.fathom.align.Basis;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.List;

/// How directions become points of a plane.
public enum Projection {
  /// Neighbours stay neighbours; see [Umap].
  UMAP,
  /// The two directions along which they differ most: distances in the plane are shares of true
  /// ones, but neighbours on it may be far apart across it.
  PCA;

  /// The plane of the greatest variance.
  ///
  /// @param mean of the rows it was made of, `[1, d]`
  /// @param axes `[d, 2]`
  record Plane(Tensor mean, Tensor axes) {
    /// Of rows `[n, d]`, in the current scope. An axis points to where its largest entry is
    /// positive, so that the same rows give the same map.
    static Plane of(Tensor rows) {
      Tensor x = rows.to(DType.F64);
      Tensor mean = x.mean(0, true);
      List<double[]> found = Basis.leading(x.sub(mean), 2).directions();
      double[] axes = new double[Math.toIntExact(2 * x.size(1))];
      for (int axis = 0; axis < found.size(); axis++) {
        double[] own = found.get(axis);
        double largest = Arrays.stream(own).reduce(0, (a, b) -> Math.abs(b) > Math.abs(a) ? b : a);
        for (int i = 0; i < own.length; i++) {
          axes[2 * i + axis] = Math.copySign(1, largest) * own[i];
        }
      }
      return new Plane(mean, Tensor.of(axes, x.size(1), 2));
    }

    /// Where rows `[n, d]` lie on it.
    double[][] places(Tensor rows) {
      return rows.to(DType.F64).sub(mean).matmul(axes).toRows().toArray(double[][]::new);
    }
  }
}
