package dev.fathom.train;

import dev.fathom.Version;
import dev.fathom.tensor.Memory;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalLong;
import java.util.SequencedMap;

/// The curves of a training run.
public record TrainingReport(Provenance provenance, TrainingLog log) implements Result {
  /// @param model what was trained
  /// @param dtype what was computed in
  /// @param parameters what decided the run, by name
  public static TrainingReport of(
      TrainingLog log,
      String model,
      String dtype,
      long seed,
      SequencedMap<String, String> parameters) {
    double seconds = log.steps().isEmpty() ? 0 : log.steps().getLast().seconds();
    return new TrainingReport(
        new Provenance(
            model,
            "",
            Version.current(),
            List.of(),
            List.of(),
            parameters,
            OptionalLong.of(seed),
            dtype,
            seconds,
            Memory.peakBytes()),
        log);
  }

  @Override
  public String method() {
    return "training";
  }

  @Override
  public List<View> views() {
    Grid steps = Curves.of(log, TrainingLog.Step::step);
    var views = new java.util.ArrayList<View>();
    views.add(
        View.Lines.over(
            "Loss",
            "How well is the next token predicted, on the texts being learnt?",
            steps,
            View.Panel.of(
                "nats a token",
                View.Series.of("training", Curves.of(log, TrainingLog.Step::loss)))));
    if (!log.evaluations().isEmpty()) {
      views.add(
          View.Lines.over(
              "Held out",
              "How well are answers predicted that no training text has?",
              Curves.held(log, TrainingLog.Evaluation::step),
              View.Panel.logarithmic(
                  "nats a token",
                  View.Series.of("held out", Curves.held(log, TrainingLog.Evaluation::loss)))));
    }
    views.add(
        View.Lines.over(
            "Learning rate, gradient and speed",
            "Was the run steady?",
            steps,
            View.Panel.of(
                "learning rate",
                View.Series.of("learning rate", Curves.of(log, TrainingLog.Step::rate))),
            View.Panel.logarithmic(
                "gradient norm",
                View.Series.of("gradient norm", Curves.of(log, TrainingLog.Step::norm))),
            View.Panel.of(
                "tokens a second", View.Series.of("tokens a second", Curves.speed(log)))));
    return views;
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("training_loss", Curves.of(log, TrainingLog.Step::loss));
    arrays.put("training_rate", Curves.of(log, TrainingLog.Step::rate));
    if (!log.evaluations().isEmpty()) {
      arrays.put("training_held_out", Curves.held(log, TrainingLog.Evaluation::loss));
    }
    return arrays;
  }
}
