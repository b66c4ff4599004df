package dev.fathom.model;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/// A normalisation of the last axis, `x ↦ centred(x) / scale(x) ⊙ gain + bias`. Split into its
/// steps for analyses that freeze the scale.
public sealed interface Norm {
  /// The norm in one kernel, `[…, d] -> […, d]`.
  Tensor of(Tensor x);

  /// The divisor, `[…, d] -> […, 1]`, in F32 or wider.
  Tensor scale(Tensor x);

  /// Gain and bias over a given divisor: [#frozen] plus the bias.
  default Tensor with(Tensor x, Tensor scale) {
    Tensor y = frozen(widened(x), scale);
    Tensor bias = bias();
    return (bias == null ? y : y.add(bias)).to(x.dtype());
  }

  /// The norm with its divisor held fixed and without its bias, `centred(x) / scale ⊙ gain`: what
  /// decompositions use. It is linear, so the parts of a sum may go through one by one: if `x = Σ
  /// x_k` and `scale` is the divisor of `x` itself, then `of(x) = Σ frozen(x_k, scale) + bias`.
  Tensor frozen(Tensor x, Tensor scale);

  /// [#with] without the bias: linear in `x`.
  default Tensor linear(Tensor x, Tensor scale) {
    Tensor y = with(x, scale);
    Tensor bias = bias();
    return bias == null ? y : y.sub(bias);
  }

  /// The gain as it multiplies, `[d]`.
  Tensor gain();

  /// The bias, where there is one.
  @Nullable Tensor bias();

  /// Whether the mean is subtracted first.
  boolean centred();

  double eps();

  /// The norm as a step of a forward pass: its divisor is a site of its own.
  default Tensor of(Tensor x, Kind scaleSite, int layer, Pass pass) {
    if (!pass.wants(scaleSite, layer)) {
      return of(x);
    }
    return with(x, pass.at(scaleSite, layer, scale(x)));
  }

  /// `(x - mean) / √(var + eps) ⊙ gain + bias`, variance biased (Ba et al. 2016).
  record LayerNorm(Tensor gain, @Nullable Tensor bias, double eps) implements Norm {
    @Override
    public Tensor of(Tensor x) {
      return x.layerNorm(gain, bias, eps);
    }

    @Override
    public Tensor scale(Tensor x) {
      Tensor wide = widened(x);
      return wide.sub(wide.mean(-1, true)).square().mean(-1, true).add(eps).sqrt();
    }

    @Override
    public Tensor frozen(Tensor x, Tensor scale) {
      return x.sub(x.mean(-1, true)).div(scale).mul(gain);
    }

    @Override
    public boolean centred() {
      return true;
    }
  }

  /// `x / √(mean(x²) + eps) ⊙ gain` (Zhang and Sennrich 2019).
  record RmsNorm(Tensor gain, double eps) implements Norm {
    @Override
    public Tensor of(Tensor x) {
      return x.rmsNorm(gain, eps);
    }

    @Override
    public Tensor scale(Tensor x) {
      return widened(x).square().mean(-1, true).add(eps).sqrt();
    }

    @Override
    public Tensor frozen(Tensor x, Tensor scale) {
      return x.div(scale).mul(gain);
    }

    @Override
    public @Nullable Tensor bias() {
      return null;
    }

    @Override
    public boolean centred() {
      return false;
    }
  }

  private static Tensor widened(Tensor x) {
    return x.dtype() == DType.F64 ? x : x.to(DType.F32);
  }
}
