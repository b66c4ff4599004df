package dev.fathom;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.checkpoint.WeightFile;
import java.lang.foreign.ValueLayout;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Objects;

/// Arrays computed by independent software, from the fixtures on the class path.
public final class References implements AutoCloseable {
  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE_UNALIGNED;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;

  private final WeightFile file;

  private References(WeightFile file) {
    this.file = file;
  }

  /// A fixture by its path below `fixtures/`, as a file.
  public static Path path(String name) {
    var url = Objects.requireNonNull(References.class.getResource("/fixtures/" + name), name);
    try {
      return Path.of(url.toURI());
    } catch (URISyntaxException e) {
      throw new IllegalArgumentException(e);
    }
  }

  public static References open(String name) {
    return new References(SafetensorsFile.open(path(name)));
  }

  public boolean has(String name) {
    return file.tensors().containsKey(name);
  }

  public long[] shape(String name) {
    return Objects.requireNonNull(file.tensors().get(name), name).shape().stream()
        .mapToLong(Long::longValue)
        .toArray();
  }

  /// Numbers of F32 or F64.
  public double[] doubles(String name) {
    var info = Objects.requireNonNull(file.tensors().get(name), name);
    var bytes = file.bytes(name);
    double[] values = new double[(int) (info.bytes() / (info.type() == TensorType.F64 ? 8 : 4))];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          info.type() == TensorType.F64 ? bytes.getAtIndex(DOUBLE, i) : bytes.getAtIndex(FLOAT, i);
    }
    return values;
  }

  public float[] floats(String name) {
    var info = Objects.requireNonNull(file.tensors().get(name), name);
    assertThat(info.type()).isEqualTo(TensorType.F32);
    float[] values = new float[(int) (info.bytes() / Float.BYTES)];
    var bytes = file.bytes(name);
    for (int i = 0; i < values.length; i++) {
      values[i] = bytes.getAtIndex(FLOAT, i);
    }
    return values;
  }

  public long[] longs(String name) {
    var info = Objects.requireNonNull(file.tensors().get(name), name);
    assertThat(info.type()).isEqualTo(TensorType.I64);
    long[] values = new long[(int) (info.bytes() / Long.BYTES)];
    var bytes = file.bytes(name);
    for (int i = 0; i < values.length; i++) {
      values[i] = bytes.getAtIndex(LONG, i);
    }
    return values;
  }

  /// Asserts `|found - reference| <= tolerance · max(1, max|reference|)` everywhere.
  public void assertClose(String name, float[] found, double tolerance) {
    assertClose(name, found, floats(name), tolerance);
  }

  public static void assertClose(String name, float[] found, float[] reference, double tolerance) {
    assertThat(found).as(name + " has as many values").hasSameSizeAs(reference);
    double largest = 1;
    double worst = 0;
    for (int i = 0; i < found.length; i++) {
      largest = Math.max(largest, Math.abs(reference[i]));
      double gap = Math.abs(found[i] - reference[i]);
      worst = Double.isNaN(gap) ? Double.POSITIVE_INFINITY : Math.max(worst, gap);
    }
    assertThat(worst)
        .as("%s: largest gap, with references up to %.4g", name, largest)
        .isLessThanOrEqualTo(tolerance * largest);
  }

  @Override
  public void close() {
    file.close();
  }
}
