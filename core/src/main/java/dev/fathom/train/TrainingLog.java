package dev.fathom.train;

import java.util.List;

/// What happened in a run, step by step.
///
/// @param steps every step, in order
/// @param evaluations every evaluation, in order
public record TrainingLog(List<Step> steps, List<Evaluation> evaluations) {
  public TrainingLog {
    steps = List.copyOf(steps);
    evaluations = List.copyOf(evaluations);
  }

  /// @param loss mean over the step's targets, nats
  /// @param rate learning rate
  /// @param norm of the gradient before clipping
  /// @param tokens of all steps so far
  /// @param seconds spent in all steps so far
  public record Step(
      long step, double loss, double rate, double norm, long tokens, double seconds) {}

  /// @param loss mean over the targets of the held-out rows, nats
  public record Evaluation(long step, double loss) {}
}
