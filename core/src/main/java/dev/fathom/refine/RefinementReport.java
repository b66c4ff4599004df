package dev.fathom.refine;

import dev.fathom.train.Curves;
import dev.fathom.train.TrainingLog;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;

/// How a refinement went: its loss, what each late layer alone would lose, what the router chose,
/// and how many numbers learnt.
public record RefinementReport(Provenance provenance, TrainingLog log, ParameterCount counts)
    implements Result {
  @Override
  public String method() {
    return "refinement";
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    Grid steps = Curves.of(log, TrainingLog.Step::step);
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
              Curves.held(log, TrainingLog.Evaluation::step),
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
                "learning rate", View.Series.of("rate", Curves.of(log, TrainingLog.Step::rate))),
            View.Panel.logarithmic(
                "gradient norm", View.Series.of("norm", Curves.of(log, TrainingLog.Step::norm))),
            View.Panel.of("tokens a second", View.Series.of("speed", Curves.speed(log)))));
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
          View.Series.of(
              name,
              Curves.smooth(
                  Curves.variance(Curves.of(log, gate), Curves.of(log, "gate_square." + layer)))));
      sparsity.add(curve(name, "sparse." + layer));
      best.add(curve(name, "best." + layer));
    }
    return View.Lines.over(
        "Routing",
        "How much does the router trust each late layer?",
        steps,
        View.Panel.of("mean weight", share.toArray(View.Series[]::new)),
        View.Panel.of("variance of the weight", variance.toArray(View.Series[]::new)),
        View.Panel.of(
            "share of tokens with weight below 1e-5", sparsity.toArray(View.Series[]::new)),
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
      rows.add(
          row(
              "steps on the late layers, over those on the others",
              percent(counts.lateOverLora())));
      if (counts.mod() > 0) {
        rows.add(
            row("mixture, over steps on all but the late layers", percent(counts.modOverLora())));
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

  private static String layer(String measure) {
    return measure.substring(measure.lastIndexOf('.') + 1);
  }

  private List<String> named(String prefix) {
    return Curves.named(log, prefix);
  }

  private View.Series curve(String name, String measure) {
    return View.Series.of(name, Curves.smooth(Curves.of(log, measure)));
  }

  private View.Series[] heldCurves() {
    var series = new ArrayList<View.Series>();
    series.add(View.Series.of("as used", Curves.held(log, e -> e.measures().getFirst())));
    for (String name : named("loss.")) {
      int i = log.measures().indexOf(name);
      series.add(
          View.Series.of("layer " + layer(name), Curves.held(log, e -> e.measures().get(i))));
    }
    return series.toArray(View.Series[]::new);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("refinement_loss", Curves.of(log, TrainingLog.Step::loss));
    arrays.put("refinement_rate", Curves.of(log, TrainingLog.Step::rate));
    for (String measure : log.measures()) {
      arrays.put("refinement_" + measure, Curves.of(log, measure));
    }
    if (!log.evaluations().isEmpty()) {
      arrays.put("refinement_held_out", Curves.held(log, TrainingLog.Evaluation::loss));
    }
    return arrays;
  }
}
