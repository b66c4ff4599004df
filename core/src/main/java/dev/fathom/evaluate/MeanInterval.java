package dev.fathom.evaluate;

/// A mean over many items and how sure it is, one value at a time (Welford 1962). The interval is
/// Student's, `mean ± t · s / √n` with 95 % between its ends: where another draw of as many items
/// would likely lead to. It takes items as drawn independently of each other, and says little for a
/// handful of very uneven ones.
///
/// For one thread.
public final class MeanInterval {
  /// 97.5 % quantiles of Student's distribution for 1 to 30 degrees of freedom.
  private static final double[] STUDENT = {
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042
  };

  private long count;
  private double mean;
  private double squares; // Σ (x − mean)²

  public void add(double value) {
    count++;
    double gap = value - mean;
    mean += gap / count;
    squares += gap * (value - mean);
  }

  public long count() {
    return count;
  }

  /// NaN without a value.
  public double mean() {
    return count == 0 ? Double.NaN : mean;
  }

  /// The standard deviation of the values, with n − 1; NaN for fewer than two.
  public double deviation() {
    return count < 2 ? Double.NaN : Math.sqrt(squares / (count - 1));
  }

  /// Lower end of the interval; NaN for fewer than two values.
  public double low() {
    return mean - half();
  }

  /// Upper end of the interval; NaN for fewer than two values.
  public double high() {
    return mean + half();
  }

  private double half() {
    if (count < 2) {
      return Double.NaN;
    }
    long freedom = count - 1;
    // beyond the table: 1.96 + 2.37 / ν is within 0.003
    double t = freedom <= STUDENT.length ? STUDENT[(int) freedom - 1] : 1.96 + 2.37 / freedom;
    return t * deviation() / Math.sqrt(count);
  }
}
