package dev.fathom.evaluate.bias;

import dev.fathom.FathomException;
import dev.fathom.evaluate.DifferentSetting;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.bias.BiasComparison.Change;
import dev.fathom.evaluate.bias.BiasComparison.Row;
import dev.fathom.evaluate.bias.Measures.Measure;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import dev.fathom.view.View.Cell;
import dev.fathom.view.View.Quantity;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;

/// Two runs of StereoSet that were kept in directories, item by item.
///
/// @param first name of the run that is compared with
/// @param second name of the other
/// @param different settings in which the runs differ
/// @param unpaired items that only one run has, and that do not count
public record StereoSetComparison(
    String first,
    String second,
    BiasComparison comparison,
    List<DifferentSetting> different,
    int unpaired,
    Provenance provenance)
    implements Result {

  public StereoSetComparison {
    different = List.copyOf(different);
  }

  /// Reads two runs.
  ///
  /// @throws FathomException if they cannot be read, or have no item in common
  public static StereoSetComparison of(Path first, Path second, Bootstrap bootstrap) {
    var pairs = Paired.of(first, second, ScoredItem::read, ScoredItem::key);
    return new StereoSetComparison(
        first.toString(),
        second.toString(),
        BiasComparison.of(pairs.first(), pairs.second(), bootstrap),
        DifferentSetting.between(ItemDirectory.settings(first), ItemDirectory.settings(second)),
        pairs.unpaired(),
        Paired.provenance(first, second, bootstrap));
  }

  @Override
  public String method() {
    return "stereoset-compare";
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    List<Row> rows = comparison.rows();
    List<Row> shown = rows.size() > 3 ? rows : List.of(rows.getFirst(), rows.getLast());
    for (Measure measure : Measure.values()) {
      views.add(table(measure, shown));
    }
    if (!different.isEmpty()) {
      views.add(DifferentSetting.table(different));
    }
    var notes = new ArrayList<String>();
    notes.add("First: %s. Second: %s.".formatted(first, second));
    notes.add(StereoSetResult.READING);
    notes.add(StereoSetResult.ROWS);
    notes.add(
        "difference: the second less the first, with 95 % of resamples of the items within terms,"
            + " the same ones for both. p: two-sided, from the same resamples; not corrected for"
            + " the number of rows and measures. A large p says only that these items cannot"
            + " tell.");
    if (unpaired > 0) {
      notes.add("%d items are in one run only, and do not count.".formatted(unpaired));
    }
    views.add(new View.Text("How to read this", "", notes));
    return List.copyOf(views);
  }

  private static View table(Measure measure, List<Row> rows) {
    var cells = new ArrayList<List<Cell>>();
    for (Row row : rows) {
      Change change = row.of(measure);
      Estimate by = change.difference();
      cells.add(
          List.of(
              Cell.of(row.name()),
              Cell.of(row.n()),
              Cell.of(change.first()),
              Cell.of(change.second()),
              new Quantity(by.value(), by.low(), by.high()),
              Cell.of(change.p())));
    }
    return new View.Table(
        measure.title(),
        "Do the runs differ by more than which items there happen to be?",
        List.of("domain", "items", "first", "second", "difference", "p"),
        cells);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    for (Measure measure : Measure.values()) {
      String key = measure.key();
      arrays.put(key + "_first", grid(measure, Change::first));
      arrays.put(key + "_second", grid(measure, Change::second));
      arrays.put(key + "_difference", grid(measure, c -> c.difference().value()));
      arrays.put(key + "_difference_low", grid(measure, c -> c.difference().low()));
      arrays.put(key + "_difference_high", grid(measure, c -> c.difference().high()));
      arrays.put(key + "_p", grid(measure, Change::p));
    }
    arrays.put(
        "n",
        Grid.integer(List.of(domains()), comparison.rows().stream().mapToLong(Row::n).toArray()));
    return arrays;
  }

  private Axis domains() {
    return Axis.of("domain", comparison.rows().stream().map(Row::name).toList());
  }

  private Grid grid(Measure measure, ToDoubleFunction<Change> value) {
    List<Row> rows = comparison.rows();
    float[] values = new float[rows.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) value.applyAsDouble(rows.get(i).of(measure));
    }
    return Grid.vector(domains(), values);
  }
}
