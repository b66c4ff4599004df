package dev.fathom.render;

import dev.fathom.view.View.Panel;
import dev.fathom.view.View.Series;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/// The stretch of numbers that an axis of a chart shows, from 0 (its beginning) to 1 (its end).
///
/// @param shift added to a value before its logarithm: 1 where a logarithmic axis must show 0
record Span(double low, double high, boolean logarithmic, double shift) {

  /// A linear axis around the finite values; 0 is taken in when it is near.
  static Span of(DoubleStream values) {
    var seen = values.filter(Double::isFinite).summaryStatistics();
    if (seen.getCount() == 0) {
      return new Span(0, 1, false, 0);
    }
    double low = seen.getMin();
    double high = seen.getMax();
    if (low > 0 && low < 0.6 * high) {
      low = 0;
    }
    if (high < 0 && high > 0.6 * low) {
      high = 0;
    }
    if (low == high) {
      double room = low == 0 ? 1 : Math.abs(low) * 0.1;
      return new Span(low - (low == 0 ? 0 : room), high + room, false, 0);
    }
    return new Span(low, high, false, 0);
  }

  /// A little longer at both ends, so that no mark sits on an edge; an end at 0 stays.
  Span widened(double share) {
    double room = share * (high - low);
    return new Span(low == 0 ? 0 : low - room, high == 0 ? 0 : high + room, logarithmic, shift);
  }

  /// The y axis of a panel, bands included.
  static Span of(Panel panel) {
    double[] values =
        panel.series().stream().flatMapToDouble(Span::values).filter(Double::isFinite).toArray();
    if (!panel.logarithmic()) {
      return of(DoubleStream.of(values));
    }
    boolean zero = DoubleStream.of(values).anyMatch(v -> v == 0);
    var seen = DoubleStream.of(values).filter(v -> v > 0).summaryStatistics();
    double high = seen.getCount() == 0 ? 1 : seen.getMax();
    double low = zero ? 0 : seen.getCount() == 0 ? 0.1 : seen.getMin();
    return new Span(low, high > low ? high : low + 1, true, zero ? 1 : 0);
  }

  private static DoubleStream values(Series series) {
    return DoubleStream.concat(
        IntStream.range(0, series.values().size()).mapToDouble(i -> series.values().at(i)),
        series.band().stream()
            .flatMapToDouble(b -> IntStream.range(0, b.size()).mapToDouble(i -> b.at(i))));
  }

  /// Where a value stands, 0 to 1 within the span; NaN for what has no place on it.
  double position(double value) {
    if (!logarithmic) {
      return (value - low) / (high - low);
    }
    double shifted = value + shift;
    return shifted > 0
        ? (Math.log(shifted) - Math.log(low + shift))
            / (Math.log(high + shift) - Math.log(low + shift))
        : Double.NaN;
  }

  /// The value at a position.
  double value(double position) {
    if (!logarithmic) {
      return low + position * (high - low);
    }
    double from = Math.log(low + shift);
    return Math.exp(from + position * (Math.log(high + shift) - from)) - shift;
  }

  /// Round numbers on the axis, about as many as wanted.
  List<Double> ticks(int wanted) {
    var ticks = new ArrayList<Double>();
    if (logarithmic) {
      if (shift > 0) {
        ticks.add(0.0);
      }
      int from =
          (int) Math.ceil(Math.log10(Math.max(low, shift > 0 ? 1 : Double.MIN_NORMAL)) - 1e-9);
      int to = (int) Math.floor(Math.log10(high) + 1e-9);
      int every = Math.max(1, (int) Math.ceil((to - from + 1) / (double) wanted));
      for (int power = from; power <= to; power += every) {
        ticks.add(Math.pow(10, power));
      }
      if (ticks.size() < 2) {
        return List.of(low, high);
      }
      return ticks;
    }
    double rough = (high - low) / Math.max(1, wanted);
    double power = Math.pow(10, Math.floor(Math.log10(rough)));
    double step = power;
    for (double factor : new double[] {1, 2, 5, 10}) {
      step = factor * power;
      if (step >= rough) {
        break;
      }
    }
    long first = (long) Math.ceil(low / step - 1e-9);
    long last = (long) Math.floor(high / step + 1e-9);
    for (long k = first; k <= Math.min(last, first + 50); k++) {
      ticks.add(step >= 1 ? k * step : k / Math.rint(1 / step));
    }
    return ticks;
  }

  /// What to write after the unit of a logarithmic axis.
  String note() {
    return !logarithmic ? "" : shift > 0 ? " (log scale of 1 + value)" : " (log scale)";
  }
}
