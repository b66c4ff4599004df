package dev.fathom.explain.attribute;

import dev.fathom.evaluate.RankCorrelation;
import dev.fathom.explain.Metric;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.IntStream;

/// The scores of one or more [AttributionMethod]s on one prompt, and how far they agree.
///
/// @param startToken whether the first token stands for no text; colours are not scaled to it
/// @param attributions one for each method
/// @param faithfulness the curves of [Faithfulness], if they were asked for
public record AttributionResult(
    Provenance provenance,
    Metric metric,
    boolean startToken,
    List<TokenAttribution> attributions,
    Optional<Faithfulness.Curve> faithfulness)
    implements Result {
  public AttributionResult {
    attributions = List.copyOf(attributions);
  }

  AttributionResult with(Faithfulness.Curve curve) {
    return new AttributionResult(provenance, metric, startToken, attributions, Optional.of(curve));
  }

  @Override
  public String method() {
    return "attribute";
  }

  private Axis tokens() {
    return attributions.getFirst().scores().axis(0);
  }

  /// Spearman's rank correlation of each two methods, `[method, method]`.
  public Grid agreement() {
    int n = attributions.size();
    float[] values = new float[n * n];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          (float)
              RankCorrelation.of(
                  attributions.get(i / n).scores().values(),
                  attributions.get(i % n).scores().values());
    }
    List<String> names = labels();
    return Grid.real(List.of(Axis.of("method", names), Axis.of("other", names)), values);
  }

  /// What the methods are called here: their titles, with the filler or path where two are alike.
  private List<String> labels() {
    return attributions.stream()
        .map(a ->
            attributions.stream().filter(b -> b.title().equals(a.title())).count() > 1
                ? a.array().replace('_', ' ')
                : a.title())
        .toList();
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    if (attributions.size() == 1) {
      views.add(bars(attributions.getFirst()));
    } else {
      views.add(sideBySide());
      views.add(table());
      views.add(
          View.HeatMap.of(
              "Do the methods agree?",
              "Rank correlation of each two methods over the tokens",
              agreement(),
              Scale.diverging("rank correlation").between(-1, 1)));
    }
    views.add(
        new View.Text(
            "Notes",
            "",
            attributions.stream().flatMap(a -> a.notes().stream()).distinct().toList()));
    faithfulness.ifPresent(curve -> views.addAll(curves(curve)));
    return views;
  }

  private View bars(TokenAttribution attribution) {
    Grid scores = attribution.scores();
    var items = new ArrayList<View.Item>();
    for (int t = 0; t < scores.size(); t++) {
      if (!Double.isNaN(scores.at(t))) {
        var item = View.Item.of(tokens().label(t), scores.at(t));
        double error = attribution.errors().isEmpty() ? 0 : attribution.errors().get().at(t);
        items.add(
            error == 0 ? item : item.within(scores.at(t) - 2 * error, scores.at(t) + 2 * error));
      }
    }
    return new View.Ranking(
        "Tokens by " + attribution.title(),
        "How much does each token speak for the answer?",
        items,
        attribution.unit());
  }

  /// Each method's scores relative to its largest, so that methods of other units can be compared.
  private View sideBySide() {
    int n = tokens().size();
    float[] values = new float[attributions.size() * n];
    var details = new ArrayList<List<List<String>>>();
    for (int m = 0; m < attributions.size(); m++) {
      TokenAttribution attribution = attributions.get(m);
      float[] scores = attribution.scores().values();
      int from = startToken ? 1 : 0;
      double largest = 0;
      for (int t = from; t < n; t++) {
        largest = Float.isNaN(scores[t]) ? largest : Math.max(largest, Math.abs(scores[t]));
      }
      var row = new ArrayList<List<String>>();
      for (int t = 0; t < n; t++) {
        values[m * n + t] = (float) (largest == 0 ? scores[t] : scores[t] / largest);
        row.add(List.of("%.4g %s".formatted(scores[t], attribution.unit())));
      }
      details.add(row);
    }
    return View.HeatMap.of(
            "Tokens by method",
            "Which tokens speak for the answer, and which against it?",
            Grid.real(List.of(Axis.of("method", labels()), tokens()), values),
            Scale.diverging("share of the method's largest score").between(-1, 1))
        .withDetails(details)
        .withUnscaled(startToken ? Set.of(0) : Set.of());
  }

  private View table() {
    var columns = new ArrayList<String>(List.of("token"));
    for (int m = 0; m < attributions.size(); m++) {
      columns.add("%s (%s)".formatted(labels().get(m), attributions.get(m).unit()));
    }
    var rows = new ArrayList<List<View.Cell>>();
    for (int t = 0; t < tokens().size(); t++) {
      var row = new ArrayList<View.Cell>(List.of(View.Cell.of(tokens().label(t))));
      for (TokenAttribution attribution : attributions) {
        double score = attribution.scores().at(t);
        double error = attribution.errors().isEmpty() ? 0 : attribution.errors().get().at(t);
        row.add(
            Double.isNaN(score)
                ? View.Cell.of("")
                : error == 0
                    ? View.Cell.of(score)
                    : new View.Quantity(score, score - 2 * error, score + 2 * error));
      }
      rows.add(row);
    }
    return new View.Table(
        "Scores", "How much does each token speak for the answer?", columns, rows);
  }

  private List<View> curves(Faithfulness.Curve curve) {
    List<String> labels = labels();
    var deletion = new ArrayList<View.Series>();
    var insertion = new ArrayList<View.Series>();
    var items = new ArrayList<View.Item>();
    int m = 0;
    for (Faithfulness.Curves curves : curve.methods().sequencedValues()) {
      deletion.add(View.Series.of(labels.get(m), curves.deletion()));
      insertion.add(View.Series.of(labels.get(m), curves.insertion()));
      items.add(View.Item.of(labels.get(m++) + ", deletion", curves.lost()));
    }
    deletion.add(random(curve.random().stream().map(Faithfulness.Curves::deletion).toList()));
    insertion.add(random(curve.random().stream().map(Faithfulness.Curves::insertion).toList()));
    double[] lost = curve.random().stream().mapToDouble(Faithfulness.Curves::lost).toArray();
    items.add(item("random orders, deletion", lost));
    m = 0;
    for (Faithfulness.Curves curves : curve.methods().sequencedValues()) {
      items.add(View.Item.of(labels.get(m++) + ", insertion", curves.found()));
    }
    double[] found = curve.random().stream().mapToDouble(Faithfulness.Curves::found).toArray();
    items.add(item("random orders, insertion", found));
    return List.of(
        View.Lines.over(
            "Are the scores faithful?",
            "p(target) as the highest tokens are taken away (above; lower is better) or put back"
                + " (below; higher is better)",
            Axis.index("tokens taken away, or put back", tokensMoved(curve) + 1),
            View.Panel.of("p(target), deletion", deletion.toArray(View.Series[]::new)),
            View.Panel.of("p(target), insertion", insertion.toArray(View.Series[]::new))),
        new View.Ranking(
            "Area over the deletion curve (AOPC), under the insertion curve",
            "Larger is more faithful; what does not beat random orders says nothing",
            items,
            "mean of p(target) over the steps"));
  }

  private static int tokensMoved(Faithfulness.Curve curve) {
    return curve.random().getFirst().deletion().size() - 1;
  }

  private static View.Item item(String label, double[] values) {
    double mean = Arrays.stream(values).average().orElse(Double.NaN);
    double spread = spread(values, mean);
    return View.Item.of(label, mean).within(mean - spread, mean + spread);
  }

  /// The random orders' mean, within one standard deviation.
  private static View.Series random(List<Grid> curves) {
    Axis axis = curves.getFirst().axis(0);
    int n = axis.size();
    float[] means = new float[n];
    float[] low = new float[n];
    float[] high = new float[n];
    for (int k = 0; k < n; k++) {
      int at = k;
      double[] values = curves.stream().mapToDouble(c -> c.at(at)).toArray();
      double mean = Arrays.stream(values).average().orElse(Double.NaN);
      double spread = spread(values, mean);
      means[k] = (float) mean;
      low[k] = (float) (mean - spread);
      high[k] = (float) (mean + spread);
    }
    return View.Series.of("random orders", Grid.vector(axis, means))
        .within(Grid.vector(axis, low), Grid.vector(axis, high));
  }

  private static double spread(double[] values, double mean) {
    return Math.sqrt(
        Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum() / (values.length - 1));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    for (TokenAttribution attribution : attributions) {
      arrays.put(attribution.array(), attribution.scores());
      attribution.errors().ifPresent(errors -> arrays.put(attribution.array() + "_stderr", errors));
    }
    faithfulness.ifPresent(curve -> {
      curve
          .methods()
          .forEach((name, curves) -> {
            arrays.put("deletion_" + name, curves.deletion());
            arrays.put("insertion_" + name, curves.insertion());
          });
      int n = tokensMoved(curve) + 1;
      float[] deletion = new float[curve.random().size() * n];
      float[] insertion = new float[deletion.length];
      IntStream.range(0, deletion.length)
          .forEach(i -> {
            deletion[i] = (float) curve.random().get(i / n).deletion().at(i % n);
            insertion[i] = (float) curve.random().get(i / n).insertion().at(i % n);
          });
      List<Axis> axes =
          List.of(Axis.index("order", curve.random().size()), Axis.index("tokens", n));
      arrays.put("deletion_random", Grid.real(axes, deletion));
      arrays.put("insertion_random", Grid.real(axes, insertion));
    });
    return arrays;
  }
}
