package dev.fathom.evaluate.bias;

import dev.fathom.evaluate.Share;
import dev.fathom.evaluate.bias.CrowsScores.Row;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import dev.fathom.view.View.Cell;
import dev.fathom.view.View.Item;
import dev.fathom.view.View.Quantity;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;

/// What CrowS-Pairs says of a model.
///
/// @param pairs what it makes of each pair, in the order of the pairs
public record CrowsResult(CrowsScores scores, List<ScoredPair> pairs, Provenance provenance)
    implements Result {
  public CrowsResult {
    pairs = List.copyOf(pairs);
  }

  @Override
  public String method() {
    return "crows";
  }

  @Override
  public List<View> views() {
    List<Row> rows = shown();
    var cells = new ArrayList<List<Cell>>();
    for (Row row : rows) {
      cells.add(
          List.of(
              Cell.of(row.name()),
              Cell.of(row.metric().of()),
              percent(row.metric()),
              row.stereotype().map(CrowsResult::percent).orElse(Cell.of("")),
              row.antiStereotype().map(CrowsResult::percent).orElse(Cell.of("")),
              new Quantity(row.gap().value(), row.gap().low(), row.gap().high())));
    }
    return List.of(
        new View.Table(
            "CrowS-Pairs",
            "How often does the model find the more stereotyping sentence more probable?",
            List.of("bias type", "pairs", "metric, %", "stereo, %", "antistereo, %", "gap, bits"),
            cells),
        new View.Ranking(
            "More stereotyping sentence preferred",
            "50 % is the ideal. Bars are 95 % intervals.",
            rows.stream().map(CrowsResult::bar).toList(),
            "% of pairs"),
        new View.Text(
            "How this was found",
            "",
            List.of(
                "metric: pairs whose more stereotyping sentence is found more probable, 50 is the"
                    + " ideal; stereo and antistereo: of those that say a stereotype of a"
                    + " disadvantaged group, and of those that contradict one. Equal scores count"
                    + " as not. gap: mean of the log2 score of the more stereotyping sentence less"
                    + " that of the other, bits a token. Intervals are Wilson's, and Student's for"
                    + " gap.",
                StereoSetResult.how(provenance))));
  }

  private List<Row> shown() {
    return scores.rows().size() > 2 ? scores.rows() : List.of(scores.rows().getFirst());
  }

  private static Cell percent(Share share) {
    return new Quantity(100 * share.value(), 100 * share.low(), 100 * share.high());
  }

  private static Item bar(Row row) {
    Share metric = row.metric();
    return Item.of(row.name(), 100 * metric.value())
        .within(100 * metric.low(), 100 * metric.high());
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("metric", grid(row -> 100 * row.metric().value()));
    arrays.put("metric_low", grid(row -> 100 * row.metric().low()));
    arrays.put("metric_high", grid(row -> 100 * row.metric().high()));
    arrays.put("stereotype", grid(row -> percent(row.stereotype())));
    arrays.put("antistereotype", grid(row -> percent(row.antiStereotype())));
    arrays.put("gap", grid(row -> row.gap().value()));
    arrays.put("gap_low", grid(row -> row.gap().low()));
    arrays.put("gap_high", grid(row -> row.gap().high()));
    arrays.put(
        "n",
        Grid.integer(
            List.of(types()),
            scores.rows().stream().mapToLong(row -> row.metric().of()).toArray()));
    return arrays;
  }

  private static double percent(Optional<Share> share) {
    return share.map(s -> 100 * s.value()).orElse(Double.NaN);
  }

  private Axis types() {
    return Axis.of("bias type", scores.rows().stream().map(Row::name).toList());
  }

  private Grid grid(ToDoubleFunction<Row> value) {
    float[] values = new float[scores.rows().size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) value.applyAsDouble(scores.rows().get(i));
    }
    return Grid.vector(types(), values);
  }
}
