package dev.fathom.concepts.map;

/// How near points of the plane are by their distance, `1 / (1 + a d^{2b})`, with a and b such that
/// it is close to 1 up to a least distance and to `exp(−(d − least) / spread)` beyond.
record Curve(double a, double b) {
  private static final int POINTS = 300;
  private static final int STEPS = 100;

  /// By least squares over distances up to three spreads (Gauss-Newton, damped).
  static Curve of(double least, double spread) {
    double a = 1;
    double b = 1;
    double damping = 1e-3;
    double error = error(a, b, least, spread);
    for (int step = 0; step < STEPS; step++) {
      double aa = 0;
      double ab = 0;
      double bb = 0;
      double ra = 0;
      double rb = 0;
      for (int p = 1; p < POINTS; p++) {
        double x = 3 * spread * p / (POINTS - 1);
        double power = Math.pow(x, 2 * b);
        double is = 1 / (1 + a * power);
        double byA = -power * is * is;
        double byB = -2 * a * power * Math.log(x) * is * is;
        double off = wanted(x, least, spread) - is;
        aa += byA * byA;
        ab += byA * byB;
        bb += byB * byB;
        ra += byA * off;
        rb += byB * off;
      }
      double da = aa * (1 + damping);
      double db = bb * (1 + damping);
      double determinant = da * db - ab * ab;
      double nextA = a + (db * ra - ab * rb) / determinant;
      double nextB = b + (da * rb - ab * ra) / determinant;
      double next = error(nextA, nextB, least, spread);
      if (next < error) {
        a = nextA;
        b = nextB;
        error = next;
        damping /= 10;
      } else {
        damping *= 10;
      }
    }
    return new Curve(a, b);
  }

  private static double wanted(double x, double least, double spread) {
    return x < least ? 1 : Math.exp(-(x - least) / spread);
  }

  private static double error(double a, double b, double least, double spread) {
    double sum = 0;
    for (int p = 0; p < POINTS; p++) {
      double x = 3 * spread * p / (POINTS - 1);
      double off = wanted(x, least, spread) - 1 / (1 + a * Math.pow(x, 2 * b));
      sum += off * off;
    }
    return a > 0 && b > 0 ? sum : Double.POSITIVE_INFINITY;
  }

  /// What a pull is, in times of the difference of two points.
  double pull(double squared) {
    if (squared == 0) {
      return 0;
    }
    double power = Math.pow(squared, b);
    return -2 * a * b * power / squared / (1 + a * power);
  }

  /// What a push is.
  double push(double squared) {
    return 2 * b / ((0.001 + squared) * (1 + a * Math.pow(squared, b)));
  }
}
