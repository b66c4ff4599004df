package dev.fathom.evaluate;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Weight;
import java.util.List;
import java.util.function.IntToDoubleFunction;

/// Whether the kernels of this machine compute what they should: a few small operations against the
/// same sums in plain Java doubles. A wrong build of a native library, or a device that is not
/// well, shows here before it shows in a result.
public final class SelfTest {
  private static final double F32_LIMIT = 1e-5;
  private static final double BF16_LIMIT = 2e-2;

  private SelfTest() {}

  /// One operation.
  ///
  /// @param name what was computed
  /// @param gap largest absolute difference, relative to the largest absolute value or 1
  /// @param limit largest gap that rounding explains
  public record Row(String name, double gap, double limit) {
    /// False also when the gap is not a number.
    public boolean passed() {
      return gap <= limit;
    }
  }

  /// Runs every operation; takes some milliseconds.
  public static List<Row> run() {
    try (var scope = Scope.withoutGradients()) {
      return List.of(
          product("matrix product, f32", DType.F32, F32_LIMIT),
          product("matrix product, bf16", DType.BF16, BF16_LIMIT),
          softmax(),
          linear("linear map, f32", false),
          linear("linear map of a strided input, f32", true));
    }
  }

  private static Row product(String name, DType dtype, double limit) {
    int m = 33;
    int k = 70;
    int n = 29;
    double[] a = rounded(dtype, numbers(m * k, 1));
    double[] b = rounded(dtype, numbers(k * n, 2));
    double[] expected = new double[m * n];
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        for (int l = 0; l < k; l++) {
          expected[i * n + j] += a[i * k + l] * b[l * n + j];
        }
      }
    }
    Tensor found = Tensor.of(a, m, k).to(dtype).matmul(Tensor.of(b, k, n).to(dtype));
    return row(name, found, expected, limit);
  }

  /// Rows with large offsets, where a careless softmax overflows.
  private static Row softmax() {
    int rows = 5;
    int columns = 1000;
    double[] x = rounded(DType.F32, numbers(rows * columns, 3));
    double[] expected = new double[x.length];
    for (int r = 0; r < rows; r++) {
      double shift = r * 100;
      double sum = 0;
      for (int c = 0; c < columns; c++) {
        int at = r * columns + c;
        x[at] = (float) (10 * x[at] + shift);
        expected[at] = Math.exp(x[at] - shift);
        sum += expected[at];
      }
      for (int c = 0; c < columns; c++) {
        expected[r * columns + c] /= sum;
      }
    }
    Tensor found = Tensor.of(x, rows, columns).to(DType.F32).softmax(-1);
    return row("softmax, f32", found, expected, F32_LIMIT);
  }

  /// Wide enough for the prepared kernels.
  private static Row linear(String name, boolean strided) {
    int tokens = 7;
    int in = 260;
    int out = 300;
    double[] x = rounded(DType.F32, numbers(tokens * in, 4));
    double[] w = rounded(DType.F32, numbers(out * in, 5));
    double[] bias = rounded(DType.F32, numbers(out, 6));
    double[] expected = new double[tokens * out];
    for (int t = 0; t < tokens; t++) {
      for (int o = 0; o < out; o++) {
        double sum = bias[o];
        for (int i = 0; i < in; i++) {
          sum += x[t * in + i] * w[o * in + i];
        }
        expected[t * out + o] = sum;
      }
    }
    Tensor input = Tensor.of(x, tokens, in).to(DType.F32);
    Tensor read = strided ? input.transpose(0, 1).contiguous().transpose(0, 1) : input;
    Weight weight = Weight.of(Tensor.of(w, out, in).to(DType.F32));
    Row row =
        row(name, weight.apply(read, Tensor.of(bias, out).to(DType.F32)), expected, F32_LIMIT);
    weight.unpack();
    return row;
  }

  private static Row row(String name, Tensor found, double[] expected, double limit) {
    double[] values = found.to(DType.F64).toDoubles();
    double gap = 0;
    double largest = 1;
    for (int i = 0; i < expected.length; i++) {
      double difference = Math.abs(values[i] - expected[i]);
      gap = Double.isNaN(difference) ? difference : Math.max(gap, difference);
      largest = Math.max(largest, Math.abs(expected[i]));
    }
    return new Row(name, gap / largest, limit);
  }

  /// Numbers in -1 to 1 that are always the same.
  private static double[] numbers(int count, int seed) {
    IntToDoubleFunction wave = i -> Math.sin(seed + 12.9898 * i) * 43758.5453;
    double[] values = new double[count];
    for (int i = 0; i < count; i++) {
      double x = wave.applyAsDouble(i);
      values[i] = 2 * (x - Math.floor(x)) - 1;
    }
    return values;
  }

  /// What the numbers are once they are held in a narrower type.
  private static double[] rounded(DType dtype, double[] values) {
    return Tensor.of(values, values.length).to(dtype).to(DType.F64).toDoubles();
  }
}
