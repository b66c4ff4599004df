package dev.fathom.explain.causal;

import dev.fathom.evaluate.MeanInterval;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;

/// A map averaged over prompts: for each cell the mean, the ends of its 95 % interval, and over how
/// many prompts it was taken, all of the same axes. NaN where no prompt has such a token; ends are
/// NaN for a single prompt.
public record MeanMap(Grid mean, Grid low, Grid high, Grid count) {
  /// A picture with intervals on demand.
  View.HeatMap view(String title, String question, String unit) {
    var details = new ArrayList<List<List<String>>>();
    for (int row = 0; row < mean.axis(0).size(); row++) {
      var line = new ArrayList<List<String>>();
      for (int column = 0; column < mean.axis(1).size(); column++) {
        line.add(List.of(words(row, column)));
      }
      details.add(line);
    }
    return View.HeatMap.of(title, question, mean, Scale.diverging(unit))
        .withDetails(details)
        .bottomUp();
  }

  /// `0.1234 ± 0.0345 (95 % interval, 12 prompts)`.
  String words(int row, int column) {
    long prompts = count.integerAt(row, column);
    if (prompts < 2) {
      return "%d prompt%s, no interval".formatted(prompts, prompts == 1 ? "" : "s");
    }
    return String.format(
        Locale.ROOT,
        "%.4f ± %.4f (95 %% interval, %,d prompts)",
        mean.at(row, column),
        high.at(row, column) - mean.at(row, column),
        prompts);
  }

  /// One role's column over the rows.
  Optional<View.Series> series(TokenRole role) {
    int column = mean.axis(1).labels().indexOf(role.label());
    return column < 0
        ? Optional.empty()
        : Optional.of(
            View.Series.of(role.text(), mean.select(1, column))
                .within(low.select(1, column), high.select(1, column)));
  }

  void putInto(SequencedMap<String, Grid> arrays, String name) {
    arrays.put(name + "_mean", mean);
    arrays.put(name + "_low", low);
    arrays.put(name + "_high", high);
    arrays.put(name + "_count", count);
  }

  /// Columns that some prompt has.
  private static List<Integer> kept(List<MeanInterval> cells, int columns) {
    var kept = new ArrayList<Integer>();
    for (int column = 0; column < columns; column++) {
      if (cells.get(column).count() > 0) {
        kept.add(column);
      }
    }
    return kept;
  }

  /// Adds up prompts, one after another.
  static final class Sum {
    private final Axis rows;
    private final Axis columns;
    private final List<MeanInterval> cells;

    Sum(Axis rows, Axis columns) {
      this.rows = rows;
      this.columns = columns;
      this.cells =
          Stream.generate(MeanInterval::new).limit((long) rows.size() * columns.size()).toList();
    }

    /// @param values as [#write] left them
    void add(JsonNode values) {
      for (int i = 0; i < cells.size(); i++) {
        if (values.path(i).isNumber()) {
          cells.get(i).add(values.path(i).asDouble());
        }
      }
    }

    MeanMap mean() {
      List<Integer> kept = kept(cells, columns.size());
      Axis labelled = Axis.of(columns.name(), kept.stream().map(columns::label).toList());
      Axis across = kept.size() == columns.size() ? columns : labelled;
      List<Axis> axes = List.of(rows, across);
      long[] counts = new long[rows.size() * kept.size()];
      for (int i = 0; i < counts.length; i++) {
        counts[i] = cell(kept, i).count();
      }
      return new MeanMap(
          grid(axes, kept, MeanInterval::mean),
          grid(axes, kept, MeanInterval::low),
          grid(axes, kept, MeanInterval::high),
          Grid.integer(axes, counts));
    }

    private MeanInterval cell(List<Integer> kept, int i) {
      return cells.get(i / kept.size() * columns.size() + kept.get(i % kept.size()));
    }

    private Grid grid(List<Axis> axes, List<Integer> kept, ToDoubleFunction<MeanInterval> number) {
      float[] values = new float[rows.size() * kept.size()];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) number.applyAsDouble(cell(kept, i));
      }
      return Grid.real(axes, values);
    }
  }

  /// Keeps one prompt's numbers; null where there is none.
  static void write(ArrayNode into, float[] values) {
    for (float value : values) {
      if (Float.isFinite(value)) {
        into.add(value);
      } else {
        into.addNull();
      }
    }
  }

  /// A mean over prompts and the ends of its 95 % interval, NaN for a single prompt.
  public record Average(double mean, double low, double high) {
    static Average of(MeanInterval values) {
      return new Average(values.mean(), values.low(), values.high());
    }

    Grid grid() {
      return Grid.vector(
          Axis.of("number", List.of("mean", "low", "high")),
          (float) mean,
          (float) low,
          (float) high);
    }

    /// `0.12 (95 % interval 0.08 to 0.16)`.
    String words() {
      return Double.isNaN(low)
          ? String.format(Locale.ROOT, "%.4f", mean)
          : String.format(Locale.ROOT, "%.4f (95 %% interval %.4f to %.4f)", mean, low, high);
    }
  }
}
