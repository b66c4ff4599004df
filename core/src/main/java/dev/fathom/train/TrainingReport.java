package dev.fathom.train;

import dev.fathom.Version;
import dev.fathom.tensor.Memory;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;

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
    Grid steps = column("step", TrainingLog.Step::step);
    var views = new java.util.ArrayList<View>();
    views.add(
        View.Lines.over(
            "Loss",
            "How well is the next token predicted, on the texts being learnt?",
            steps,
            View.Panel.of(
                "nats a token",
                View.Series.of("training", column("step", TrainingLog.Step::loss)))));
    if (!log.evaluations().isEmpty()) {
      views.add(
          View.Lines.over(
              "Held out",
              "How well are answers predicted that no training text has?",
              held(TrainingLog.Evaluation::step),
              View.Panel.logarithmic(
                  "nats a token", View.Series.of("held out", held(TrainingLog.Evaluation::loss)))));
    }
    views.add(
        View.Lines.over(
            "Learning rate, gradient and speed",
            "Was the run steady?",
            steps,
            View.Panel.of(
                "learning rate",
                View.Series.of("learning rate", column("step", TrainingLog.Step::rate))),
            View.Panel.logarithmic(
                "gradient norm",
                View.Series.of("gradient norm", column("step", TrainingLog.Step::norm))),
            View.Panel.of("tokens a second", View.Series.of("tokens a second", speed()))));
    return views;
  }

  private Grid column(String axis, ToDoubleFunction<TrainingLog.Step> value) {
    float[] values = new float[log.steps().size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) value.applyAsDouble(log.steps().get(i));
    }
    return Grid.vector(Axis.index(axis, values.length), values);
  }

  private Grid held(ToDoubleFunction<TrainingLog.Evaluation> value) {
    float[] values = new float[log.evaluations().size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) value.applyAsDouble(log.evaluations().get(i));
    }
    return Grid.vector(Axis.index("step", values.length), values);
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
    arrays.put("training_loss", column("step", TrainingLog.Step::loss));
    arrays.put("training_rate", column("step", TrainingLog.Step::rate));
    if (!log.evaluations().isEmpty()) {
      arrays.put("training_held_out", held(TrainingLog.Evaluation::loss));
    }
    return arrays;
  }
}
