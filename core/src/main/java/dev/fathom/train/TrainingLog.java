package dev.fathom.train;

import java.util.List;

/// What happened in a run, step by step.
///
/// @param measures names of what the objective measures besides the loss
/// @param steps every step, in order
/// @param evaluations every evaluation, in order
public record TrainingLog(List<String> measures, List<Step> steps, List<Evaluation> evaluations) {
  public TrainingLog {
    measures = List.copyOf(measures);
    steps = List.copyOf(steps);
    evaluations = List.copyOf(evaluations);
  }

  /// @param loss mean over the step's targets, nats
  /// @param rate learning rate
  /// @param norm of the gradient before clipping
  /// @param tokens of all steps so far
  /// @param seconds spent in all steps so far
  /// @param measures means over the step's targets
  public record Step(
      long step,
      double loss,
      double rate,
      double norm,
      long tokens,
      double seconds,
      List<Double> measures) {
    public Step {
      measures = List.copyOf(measures);
    }
  }

  /// @param loss mean over the targets of the held-out rows, nats
  /// @param measures means over them
  public record Evaluation(long step, double loss, List<Double> measures) {
    public Evaluation {
      measures = List.copyOf(measures);
    }
  }
}
