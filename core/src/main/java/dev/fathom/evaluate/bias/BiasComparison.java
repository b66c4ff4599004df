package dev.fathom.evaluate.bias;

import dev.fathom.evaluate.bias.Measures.Measure;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// Do two models differ in what StereoSet measures, by more than which items there happen to be?
/// Items are drawn anew within terms, the same ones for both models, so that what both find easy or
/// hard does not blur the difference.
///
/// A large p does not say that two models are equally biased, only that these items cannot tell.
///
/// @param rows as of [BiasScores]
public record BiasComparison(List<Row> rows) {
  public BiasComparison {
    rows = List.copyOf(rows);
  }

  /// Some of the items.
  ///
  /// @param name as of [BiasScores.Row]
  public record Row(String name, int n, int terms, Map<Measure, Change> changes) {
    public Row {
      changes = Map.copyOf(changes);
    }

    public Change of(Measure measure) {
      Change change = changes.get(measure);
      if (change == null) {
        throw new IllegalArgumentException(name + " has no " + measure.key());
      }
      return change;
    }
  }

  /// One measure by both models.
  ///
  /// @param difference the second less the first
  /// @param p two-sided: twice the smaller of the shares of resamples whose difference is at least
  ///   0 and at most 0, counting one resample more on each side, at most 1
  public record Change(double first, double second, Estimate difference, double p) {}

  /// Compares the scores that two models give the same items.
  ///
  /// @throws IllegalArgumentException if there are none, or the items are not the same
  public static BiasComparison of(
      List<ScoredItem> first, List<ScoredItem> second, Bootstrap bootstrap) {
    return ofRuns(List.of(first), List.of(second), bootstrap);
  }

  /// Compares the means over several runs each, such as those of several seeds
  /// ([BiasScores#ofRuns]).
  ///
  /// @throws IllegalArgumentException if there are no items, or runs have different ones
  public static BiasComparison ofRuns(
      List<List<ScoredItem>> first, List<List<ScoredItem>> second, Bootstrap bootstrap) {
    int split = first.size();
    int end = split + second.size();
    var terms = new Terms(Stream.concat(first.stream(), second.stream()).toList());
    List<Map<Measure, double[]>> resampled =
        terms.resampled(
            bootstrap,
            (models, measure) ->
                Measures.mean(models.subList(split, end)).of(measure)
                    - Measures.mean(models.subList(0, split)).of(measure));
    List<Measures> before = terms.whole(0, split);
    List<Measures> after = terms.whole(split, end);
    var rows = new ArrayList<Row>();
    for (int row = 0; row < before.size(); row++) {
      Measures one = before.get(row);
      Measures other = after.get(row);
      var changes = new EnumMap<Measure, Change>(Measure.class);
      resampled
          .get(row)
          .forEach((measure, drawn) ->
              changes.put(measure, change(one.of(measure), other.of(measure), drawn)));
      Terms.Row of = terms.rows().get(row);
      rows.add(new Row(of.name(), of.n(), of.terms(), changes));
    }
    return new BiasComparison(rows);
  }

  private static Change change(double first, double second, double[] drawn) {
    int atLeast = 0;
    int atMost = 0;
    for (double difference : drawn) {
      atLeast += difference >= 0 ? 1 : 0;
      atMost += difference <= 0 ? 1 : 0;
    }
    double p = 2.0 * (Math.min(atLeast, atMost) + 1) / (drawn.length + 1);
    return new Change(first, second, Estimate.of(second - first, drawn), Math.min(1, p));
  }

  /// The row of a domain, `overall` or `pooled`.
  ///
  /// @throws IllegalArgumentException if there is none
  public Row row(String name) {
    return rows.stream()
        .filter(row -> row.name.equals(name))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("there is no domain " + name));
  }

  /// All domains, each term counting the same.
  public Row overall() {
    return row(Terms.OVERALL);
  }

  /// All domains, each item counting the same.
  public Row pooled() {
    return row(Terms.POOLED);
  }
}
