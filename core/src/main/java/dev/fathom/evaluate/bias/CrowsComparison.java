package dev.fathom.evaluate.bias;

import dev.fathom.FathomException;
import dev.fathom.evaluate.DifferentSetting;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.McNemar;
import dev.fathom.evaluate.MeanInterval;
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
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;

/// Do two runs of CrowS-Pairs prefer the more stereotyping sentence in other numbers of pairs than
/// by chance? Pair by pair ([McNemar]).
///
/// @param first name of the run that is compared with
/// @param second name of the other
/// @param rows one for each bias type in alphabetical order, then `overall`
/// @param different settings in which the runs differ
/// @param unpaired pairs that only one run has, and that do not count
public record CrowsComparison(
    String first,
    String second,
    List<Row> rows,
    List<DifferentSetting> different,
    int unpaired,
    Provenance provenance)
    implements Result {

  public CrowsComparison {
    rows = List.copyOf(rows);
    different = List.copyOf(different);
  }

  /// Some of the pairs.
  ///
  /// @param test counts pairs whose more stereotyping sentence is preferred
  /// @param gap what the second run's gap is more than the first's, bits a token, with Student's
  ///   interval
  public record Row(String name, McNemar test, Estimate gap) {}

  /// Reads two runs.
  ///
  /// @throws FathomException if they cannot be read, or have no pair in common
  public static CrowsComparison of(Path first, Path second) {
    var paired = Paired.of(first, second, ScoredPair::read, ScoredPair::key);
    return new CrowsComparison(
        first.toString(),
        second.toString(),
        rows(paired.first(), paired.second()),
        DifferentSetting.between(ItemDirectory.settings(first), ItemDirectory.settings(second)),
        paired.unpaired(),
        Paired.provenance(first, second));
  }

  /// Compares the scores that two models give the same pairs.
  ///
  /// @param first of each pair
  /// @param second of the same pairs in the same order
  /// @throws IllegalArgumentException if they are not the same pairs
  public static List<Row> rows(List<ScoredPair> first, List<ScoredPair> second) {
    if (!first.stream()
        .map(ScoredPair::key)
        .toList()
        .equals(second.stream().map(ScoredPair::key).toList())) {
      throw new IllegalArgumentException(
          "models that are compared need scores of the same pairs, in the same order");
    }
    var types = new TreeMap<String, List<Integer>>();
    var all = new ArrayList<Integer>();
    for (int i = 0; i < first.size(); i++) {
      types.computeIfAbsent(first.get(i).biasType(), _ -> new ArrayList<>()).add(i);
      all.add(i);
    }
    var rows = new ArrayList<Row>();
    types.forEach((type, some) -> rows.add(row(type, some, first, second)));
    rows.add(row(Terms.OVERALL, all, first, second));
    return rows;
  }

  private static Row row(
      String name, List<Integer> pairs, List<ScoredPair> first, List<ScoredPair> second) {
    McNemar test = McNemar.none();
    var gap = new MeanInterval();
    for (int i : pairs) {
      test = test.and(first.get(i).prefersMore(), second.get(i).prefersMore());
      gap.add(second.get(i).gap() - first.get(i).gap());
    }
    return new Row(name, test, new Estimate(gap.mean(), gap.low(), gap.high()));
  }

  @Override
  public String method() {
    return "crows-compare";
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    var cells = new ArrayList<List<Cell>>();
    for (Row row : rows.size() > 2 ? rows : rows.subList(0, 1)) {
      McNemar test = row.test;
      double n = test.of();
      cells.add(
          List.of(
              Cell.of(row.name),
              Cell.of(n),
              Cell.of(100 * (test.both() + test.onlyFirst()) / n),
              Cell.of(100 * (test.both() + test.onlySecond()) / n),
              Cell.of(test.onlyFirst()),
              Cell.of(test.onlySecond()),
              Cell.of(test.p()),
              new Quantity(row.gap.value(), row.gap.low(), row.gap.high())));
    }
    views.add(
        new View.Table(
            "Two runs, pair by pair",
            "Does the second run prefer more stereotyping sentences more or less often?",
            List.of(
                "bias type",
                "pairs",
                "first, %",
                "second, %",
                "only first",
                "only second",
                "p",
                "gap by, bits"),
            cells));
    if (!different.isEmpty()) {
      views.add(DifferentSetting.table(different));
    }
    var notes = new ArrayList<String>();
    notes.add("First: %s. Second: %s.".formatted(first, second));
    notes.add(
        "p: McNemar's exact test over the pairs in which only one run prefers the more stereotyping"
            + " sentence; not corrected for the number of rows. 50 % is the ideal, so less is"
            + " better only above it. gap by: what the second run's gap is more than the first's,"
            + " with Student's interval.");
    if (unpaired > 0) {
      notes.add("%d pairs are in one run only, and do not count.".formatted(unpaired));
    }
    views.add(new View.Text("How to read this", "", notes));
    return List.copyOf(views);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("both", counts(row -> row.test.both()));
    arrays.put("only_first", counts(row -> row.test.onlyFirst()));
    arrays.put("only_second", counts(row -> row.test.onlySecond()));
    arrays.put("neither", counts(row -> row.test.neither()));
    arrays.put("p", grid(row -> row.test.p()));
    arrays.put("gap_difference", grid(row -> row.gap.value()));
    arrays.put("gap_difference_low", grid(row -> row.gap.low()));
    arrays.put("gap_difference_high", grid(row -> row.gap.high()));
    return arrays;
  }

  private Axis types() {
    return Axis.of("bias type", rows.stream().map(Row::name).toList());
  }

  private Grid grid(ToDoubleFunction<Row> value) {
    float[] values = new float[rows.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) value.applyAsDouble(rows.get(i));
    }
    return Grid.vector(types(), values);
  }

  private Grid counts(ToDoubleFunction<Row> value) {
    return Grid.integer(
        List.of(types()),
        rows.stream().mapToLong(row -> (long) value.applyAsDouble(row)).toArray());
  }
}
