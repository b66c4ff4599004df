package dev.fathom.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WeightTest {
  /// Large enough to be prepared; with and without kernels of its own on this processor.
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aProductInBf16IsThatInF32OfTheSameNumbersRounded(boolean gradients) {
    try (var scope = gradients ? Scope.withGradients() : Scope.withoutGradients()) {
      Tensor x = random(40, 300).to(DType.BF16);
      Tensor matrix = random(280, 300).to(DType.BF16);
      Tensor bias = random(280).to(DType.BF16);
      Weight weight = Weight.of(gradients ? matrix.detach().requireGradient() : matrix);
      Tensor wide = x.to(DType.F32).linear(matrix.to(DType.F32), bias.to(DType.F32));
      Tensor found = weight.apply(x, bias);
      assertThat(found.dtype()).isEqualTo(DType.BF16);
      double gap = found.to(DType.F32).sub(wide).abs().max().item();
      assertThat(gap).isLessThan(0.01 * wide.abs().max().item());
      assertThat(weight.apply(x, null).sub(x.linear(matrix, null)).abs().max().item())
          .isLessThan(0.3);
      weight.unpack();
    }
  }

  private static Tensor random(long... shape) {
    var random = new Random(3);
    int n = 1;
    for (long size : shape) {
      n *= (int) size;
    }
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Tensor.of(values, shape);
  }
}
