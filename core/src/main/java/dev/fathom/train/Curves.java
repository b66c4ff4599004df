package dev.fathom.train;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.List;
import java.util.function.ToDoubleFunction;

/// Curves of a training log, one value a step or evaluation.
public final class Curves {
  /// Smoothed curves are means over this many points around each.
  private static final int WINDOW = 3;

  /// Steps that a speed is measured over.
  private static final int SPEED = 20;

  private Curves() {}

  /// The measures whose names begin so.
  public static List<String> named(TrainingLog log, String prefix) {
    return log.measures().stream().filter(name -> name.startsWith(prefix)).toList();
  }

  /// One value a step.
  public static Grid of(TrainingLog log, ToDoubleFunction<TrainingLog.Step> value) {
    float[] values = new float[log.steps().size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) value.applyAsDouble(log.steps().get(i));
    }
    return Grid.vector(Axis.index("step", values.length), values);
  }

  /// A measure at each step.
  public static Grid of(TrainingLog log, String measure) {
    int at = log.measures().indexOf(measure);
    return of(log, step -> step.measures().get(at));
  }

  /// The steps' numbers.
  public static Grid steps(TrainingLog log) {
    return of(log, TrainingLog.Step::step);
  }

  /// One value an evaluation.
  public static Grid held(TrainingLog log, ToDoubleFunction<TrainingLog.Evaluation> value) {
    float[] values = new float[log.evaluations().size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) value.applyAsDouble(log.evaluations().get(i));
    }
    return Grid.vector(Axis.index("step", values.length), values);
  }

  /// Tokens a second, over the last few steps before each.
  public static Grid speed(TrainingLog log) {
    float[] values = new float[log.steps().size()];
    for (int i = 0; i < values.length; i++) {
      TrainingLog.Step last = log.steps().get(i);
      TrainingLog.Step first = log.steps().get(Math.max(0, i - SPEED));
      double seconds = last.seconds() - first.seconds();
      values[i] = seconds > 0 ? (float) ((last.tokens() - first.tokens()) / seconds) : Float.NaN;
    }
    return Grid.vector(Axis.index("step", values.length), values);
  }

  /// `E x² − (E x)²`, point by point.
  public static Grid variance(Grid mean, Grid square) {
    float[] values = new float[mean.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (square.at(i) - mean.at(i) * mean.at(i));
    }
    return Grid.vector(mean.axis(0), values);
  }

  /// A moving average over three points, whose window shrinks at the ends.
  public static Grid smooth(Grid curve) {
    float[] values = new float[curve.size()];
    for (int i = 0; i < values.length; i++) {
      int reach = Math.min(WINDOW / 2, Math.min(i, values.length - 1 - i));
      double sum = 0;
      for (int j = i - reach; j <= i + reach; j++) {
        sum += curve.at(j);
      }
      values[i] = (float) (sum / (2 * reach + 1));
    }
    return Grid.vector(curve.axis(0), values);
  }

  /// The mean of the last quarter.
  public static double ending(Grid curve) {
    int from = curve.size() - Math.max(1, curve.size() / 4);
    double sum = 0;
    for (int i = from; i < curve.size(); i++) {
      sum += curve.at(i);
    }
    return sum / (curve.size() - from);
  }
}
