package dev.fathom.concepts.map;

import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.List;

/// Lays one map over another of the same points: turned, reflected, scaled and moved so that the
/// squared distances between points of one number are least (Schönemann 1966). With both maps
/// centred, X the one that stays and Y the one that is laid over it,
///
///     Yᵀ X = U S Vᵀ        R = U Vᵀ        scale = tr S / ‖Y‖²
///
/// @param map Y scaled, turned and moved, `[n][2]`, not copied
/// @param distance `1 − (tr S)² / (‖X‖² ‖Y‖²)`: 0 where nothing is left, 1 where the maps have
///   nothing in common
@SuppressWarnings("ArrayRecordComponent")
public record Procrustes(double[][] map, double distance) {
  /// @param stays `[n][2]`
  /// @param laid `[n][2]`, not changed
  public static Procrustes of(double[][] stays, double[][] laid) {
    if (stays.length != laid.length || stays.length < 2) {
      throw new IllegalArgumentException(
          "two maps of the same points, at least 2, are laid over each other; found %d and %d"
              .formatted(stays.length, laid.length));
    }
    try (var scope = Scope.withoutGradients()) {
      Tensor one = Tensor.ofRows(List.of(stays));
      Tensor other = Tensor.ofRows(List.of(laid));
      Tensor middle = one.mean(0, true);
      Tensor x = one.sub(middle);
      Tensor y = other.sub(other.mean(0, true));
      double ofX = x.square().sum().item();
      double ofY = y.square().sum().item();
      Tensor.Svd svd = y.transpose(0, 1).matmul(x).svd(false);
      double common = svd.s().sum().item();
      double scale = ofY == 0 ? 0 : common / ofY;
      Tensor turned = y.matmul(svd.u().matmul(svd.vt())).mul(scale).add(middle);
      double all = ofX * ofY;
      return new Procrustes(
          turned.toRows().toArray(double[][]::new),
          all == 0 ? 0 : Math.max(0, 1 - common * common / all));
    }
  }
}
