package dev.fathom.refine;

import dev.fathom.train.TrainingLog;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;

/// How a refinement went: its loss, what each late layer alone would lose, what the router chose,
/// and how many numbers learnt.
public record RefinementReport(Provenance provenance, TrainingLog log, ParameterCount counts)
    implements Result {
  /// Curves are means over this many points around each (thesis, section 5.1.3).
  private static final int WINDOW = 3;

  @Override
  public String method() {
    return "refinement";
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    Grid steps = steps(TrainingLog.Step::step);
    views.add(
        View.Lines.over(
            "Loss while learning",
            "How well is the next token predicted, by the model as it would be used?",
            steps,
            View.Panel.of("nats a token", curve("training", "task"))));
    if (!log.evaluations().isEmpty()) {
      views.add(
          View.Lines.over(
              "Loss on held-out rows",
              "Does it hold on rows that are not learnt, and what would each late layer say alone?",
              held(TrainingLog.Evaluation::step),
              View.Panel.of("nats a token", heldCurves())));
    }
    List<String> layers = named("loss.");
    views.add(
        View.Lines.over(
            "Loss of each late layer",
            "What would each of the late layers lose if it spoke alone?",
            steps,
            View.Panel.of(
                "nats a token",
                layers.stream()
                    .map(name -> curve("layer " + layer(name), name))
                    .toArray(View.Series[]::new))));
    if (!named("gate.").isEmpty()) {
      views.add(routing(steps));
    }
    views.add(
        View.Lines.over(
            "Rate, gradient and speed",
            "Was the run steady?",
            steps,
            View.Panel.of(
                "learning rate", View.Series.of("rate", steps(TrainingLog.Step::rate))),
            View.Panel.logarithmic(
                "gradient norm", View.Series.of("norm", steps(TrainingLog.Step::norm))),
            View.Panel.of("tokens a second", View.Series.of("speed", speed()))));
    views.add(counted());
    return views;
  }

  private View.Lines routing(Grid steps) {
    var share = new ArrayList<View.Series>();
    var variance = new ArrayList<View.Series>();
    var sparsity = new ArrayList<View.Series>();
    var best = new ArrayList<View.Series>();
    for (String gate : named("gate.")) {
      String layer = layer(gate);
      String name = "layer " + layer;
      share.add(curve(name, gate));
      variance.add(
          View.Series.of(name, smooth(variances(gate, "gate_square." + layer))));
      sparsity.add(curve(name, "sparse." + layer));
      best.add(curve(name, "best." + layer));
    }
    return View.Lines.over(
        "Routing",
        "How much does the router trust each late layer?",
        steps,
        View.Panel.of("mean weight", share.toArray(View.Series[]::new)),
        View.Panel.of("variance of the weight", variance.toArray(View.Series[]::new)),
        View.Panel.of("share of tokens with weight below 1e-5", sparsity.toArray(View.Series[]::new)),
        View.Panel.of("share of tokens it leads", best.toArray(View.Series[]::new)),
        View.Panel.of("entropy, nats", curve("entropy", "entropy")));
  }

  private View.Table counted() {
    var rows = new ArrayList<List<View.Cell>>();
    rows.add(row("low-rank steps", counts.lora()));
    rows.add(row("mixture", counts.mod()));
    rows.add(row("learnt in all", counts.learnt()));
    rows.add(row("of the model's " + grouped(counts.model()), percent(counts.share())));
    if (counts.exceptLate() > 0) {
      rows.add(row("steps on the late layers, over those on the others", percent(counts.lateOverLora())));
      if (counts.mod() > 0) {
        rows.add(row("mixture, over steps on all but the late layers", percent(counts.modOverLora())));
      }
    }
    return new View.Table(
        "What was learnt", "How many numbers does it take?", List.of("what", "numbers"), rows);
  }

  private static List<View.Cell> row(String what, long count) {
    return row(what, grouped(count));
  }

  private static List<View.Cell> row(String what, String value) {
    return List.of(View.Cell.of(what), View.Cell.of(value));
  }

  private static String grouped(long count) {
    return String.format(Locale.ROOT, "%,d", count);
  }

  private static String percent(double share) {
    return String.format(Locale.ROOT, "%.4f %%", 100 * share);
  }

  // ---------------------------------------------------------------- curves

  private static String layer(String measure) {
    return measure.substring(measure.lastIndexOf('.') + 1);
  }

  private List<String> named(String prefix) {
    return log.measures().stream().filter(name -> name.startsWith(prefix)).toList();
  }

  private View.Series curve(String name, String measure) {
    return View.Series.of(name, smooth(steps(measured(measure))));
  }

  private ToDoubleFunction<TrainingLog.Step> measured(String measure) {
    int i = log.measures().indexOf(measure);
    return step -> step.measures().get(i);
  }

  private Grid variances(String mean, String square) {
    var of = measured(mean);
    var squares = measured(square);
    return steps(
        step -> squares.applyAsDouble(step) - Math.pow(of.applyAsDouble(step), 2));
  }

  private View.Series[] heldCurves() {
    var series = new ArrayList<View.Series>();
    series.add(View.Series.of("as used", held(e -> e.measures().getFirst())));
    for (String name : named("loss.")) {
      int i = log.measures().indexOf(name);
      series.add(View.Series.of("layer " + layer(name), held(e -> e.measures().get(i))));
    }
    return series.toArray(View.Series[]::new);
  }

  private Grid steps(ToDoubleFunction<TrainingLog.Step> value) {
    float[] values = new float[log.steps().size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) value.applyAsDouble(log.steps().get(i));
    }
    return Grid.vector(Axis.index("step", values.length), values);
  }

  private Grid held(ToDoubleFunction<TrainingLog.Evaluation> value) {
    float[] values = new float[log.evaluations().size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) value.applyAsDouble(log.evaluations().get(i));
    }
    return Grid.vector(Axis.index("step", values.length), values);
  }

  /// A moving average whose window shrinks at the ends.
  static Grid smooth(Grid curve) {
    int points = curve.size();
    float[] values = new float[points];
    for (int i = 0; i < points; i++) {
      int reach = Math.min(WINDOW / 2, Math.min(i, points - 1 - i));
      double sum = 0;
      for (int j = i - reach; j <= i + reach; j++) {
        sum += curve.at(j);
      }
      values[i] = (float) (sum / (2 * reach + 1));
    }
    return Grid.vector(curve.axes().getFirst(), values);
  }

  private Grid speed() {
    float[] values = new float[log.steps().size()];
    for (int i = 0; i < values.length; i++) {
      TrainingLog.Step last = log.steps().get(i);
      TrainingLog.Step first = log.steps().get(Math.max(0, i - 20));
      double seconds = last.seconds() - first.seconds();
      values[i] = seconds > 0 ? (float) ((last.tokens() - first.tokens()) / seconds) : Float.NaN;
    }
    return Grid.vector(Axis.index("step", values.length), values);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("refinement_loss", steps(TrainingLog.Step::loss));
    arrays.put("refinement_rate", steps(TrainingLog.Step::rate));
    for (String measure : log.measures()) {
      arrays.put("refinement_" + measure, steps(measured(measure)));
    }
    if (!log.evaluations().isEmpty()) {
      arrays.put("refinement_held_out", held(TrainingLog.Evaluation::loss));
    }
    return arrays;
  }
}
