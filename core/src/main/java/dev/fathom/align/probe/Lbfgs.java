package dev.fathom.align.probe;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.function.UnaryOperator;

/// Minimises a smooth convex function by L-BFGS (Nocedal 1980) with a line search for the weak
/// Wolfe conditions by bisection (Lewis and Overton 2013).
///
/// It asks for values instead of computing them, so that many problems over the same data can be
/// evaluated together: compute value and gradient at [#point()], [#tell] them, until [#done()].
public final class Lbfgs {
  private static final int MEMORY = 10;
  private static final double DESCENT = 1e-4;
  private static final double CURVATURE = 0.9;
  private static final int MOST_TRIALS = 40;

  private final UnaryOperator<double[]> inverse;
  private final double tolerance;
  private final int mostIterations;
  private final Deque<Pair> pairs = new ArrayDeque<>();

  private double[] best; // where the line search started
  private double[] gradient = {};
  private double value;
  private double[] direction = {};
  private double slope;
  private double step;
  private double low;
  private double high;
  private int trials;

  private double[] point;
  private int iterations;
  private boolean started;
  private boolean done;

  /// One step s and how the gradient changed over it, y.
  private record Pair(double[] s, double[] y, double product) {}

  /// @param start copied
  /// @param inverse multiplies by something like the inverse of the second derivatives, symmetric
  ///   and positive definite; returns a new array
  /// @param tolerance the largest entry of the gradient at the end
  public Lbfgs(
      double[] start, UnaryOperator<double[]> inverse, double tolerance, int mostIterations) {
    this.best = start.clone();
    this.point = start.clone();
    this.inverse = inverse;
    this.tolerance = tolerance;
    this.mostIterations = mostIterations;
  }

  /// Where value and gradient are wanted next; the minimum found, when done. Not a copy.
  public double[] point() {
    return done ? best : point;
  }

  public boolean done() {
    return done;
  }

  /// Steps made so far.
  public int iterations() {
    return iterations;
  }

  /// The largest entry of the gradient at the best point.
  public double steepness() {
    return Arrays.stream(gradient).map(Math::abs).max().orElse(0);
  }

  public boolean converged() {
    return steepness() <= tolerance;
  }

  /// Takes value and gradient at [#point()].
  ///
  /// @param newGradient kept, not copied
  public void tell(double newValue, double[] newGradient) {
    if (!started) {
      started = true;
      value = newValue;
      gradient = newGradient;
      begin();
      return;
    }
    trials++;
    double room = 1e-13 * (1 + Math.abs(value)); // differences below it are rounding
    double newSlope = dot(direction, newGradient);
    boolean enough = newValue <= value + DESCENT * step * slope + room;
    if (trials < MOST_TRIALS && !(enough && newSlope >= CURVATURE * slope)) {
      if (enough) {
        low = step;
      } else {
        high = step;
      }
      step = Double.isInfinite(high) ? 2 * step : (low + high) / 2;
      place();
      return;
    }
    if (!enough) {
      done = true; // no descent to be had: the rounding of the function is reached
      return;
    }
    remember(newGradient);
    best = point;
    value = newValue;
    gradient = newGradient;
    iterations++;
    begin();
  }

  private void remember(double[] newGradient) {
    double[] s = new double[best.length];
    double[] y = new double[best.length];
    for (int i = 0; i < s.length; i++) {
      s[i] = point[i] - best[i];
      y[i] = newGradient[i] - gradient[i];
    }
    double product = dot(s, y);
    if (product > 0) {
      pairs.addLast(new Pair(s, y, product));
      if (pairs.size() > MEMORY) {
        pairs.removeFirst();
      }
    }
  }

  /// Begins a line search from the best point.
  private void begin() {
    if (converged() || iterations >= mostIterations) {
      done = true;
      return;
    }
    direction = descent();
    slope = dot(direction, gradient);
    if (!(slope < 0)) {
      pairs.clear();
      direction = negative(inverse.apply(gradient));
      slope = dot(direction, gradient);
    }
    step = 1;
    low = 0;
    high = Double.POSITIVE_INFINITY;
    trials = 0;
    place();
  }

  private void place() {
    point = new double[best.length];
    for (int i = 0; i < point.length; i++) {
      point[i] = best[i] + step * direction[i];
    }
  }

  /// The two loops of L-BFGS.
  private double[] descent() {
    double[] q = gradient.clone();
    double[] alphas = new double[pairs.size()];
    int p = pairs.size();
    for (var newest = pairs.descendingIterator(); newest.hasNext(); ) {
      Pair pair = newest.next();
      double alpha = dot(pair.s, q) / pair.product;
      alphas[--p] = alpha;
      add(q, -alpha, pair.y);
    }
    double[] r = inverse.apply(q);
    if (!pairs.isEmpty()) {
      Pair newest = pairs.getLast();
      double gamma = newest.product / dot(newest.y, inverse.apply(newest.y));
      for (int i = 0; i < r.length; i++) {
        r[i] *= gamma;
      }
    }
    for (Pair pair : pairs) {
      double beta = dot(pair.y, r) / pair.product;
      add(r, alphas[p++] - beta, pair.s);
    }
    return negative(r);
  }

  private static double[] negative(double[] a) {
    return Arrays.stream(a).map(v -> -v).toArray();
  }

  private static void add(double[] to, double factor, double[] what) {
    for (int i = 0; i < to.length; i++) {
      to[i] += factor * what[i];
    }
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }
}
