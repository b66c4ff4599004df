package dev.fathom.align.lope;

import dev.fathom.model.Block;
import dev.fathom.model.Norm;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/// What becomes of an MLP's vectors on their way into the stream: in most models nothing; where a
/// norm follows, it takes their mean off, if it does that, and multiplies them by its gain. Its
/// divisor depends on the text and turns no direction, so it is left out. In double precision.
final class Written {
  private Written() {}

  /// Whether a norm follows, so that a constant that is added to what the MLP returns is not one
  /// that is added to the stream.
  static boolean normalised(Block block) {
    return block.steps().post2() != null || block.steps().after2() != null;
  }

  /// Vectors that the MLP returns as the stream gets them: `v ↦ g ⊙ C v`.
  ///
  /// @param vectors `[n, dModel]`
  static Tensor of(Block block, Tensor vectors) {
    Block.Steps steps = block.steps();
    return through(steps.after2(), through(steps.post2(), vectors.to(DType.F64)));
  }

  private static Tensor through(@Nullable Norm norm, Tensor x) {
    return norm == null ? x : centred(norm, x).mul(norm.gain().to(DType.F64));
  }

  /// Directions of the stream as the MLP's vectors lie to them: `θ ↦ C (g ⊙ θ)`, so that `of(v) · θ
  /// = v · read(θ)`. Of length 1, or zero.
  ///
  /// @param directions `[n, dModel]`
  static Tensor read(Block block, Tensor directions) {
    Block.Steps steps = block.steps();
    Tensor read = back(steps.post2(), back(steps.after2(), directions.to(DType.F64)));
    return read.div(read.norm(1, true).add(BiasNeurons.NOTHING));
  }

  private static Tensor back(@Nullable Norm norm, Tensor x) {
    return norm == null ? x : centred(norm, x.mul(norm.gain().to(DType.F64)));
  }

  private static Tensor centred(Norm norm, Tensor x) {
    return norm.centred() ? x.sub(x.mean(1, true)) : x;
  }
}
