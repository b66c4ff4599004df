package dev.fathom.train;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

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

  /// The log of a run that was trained to the end of its schedule, as it stands in its directory;
  /// empty where there is none.
  ///
  /// @throws dev.fathom.FathomException if it cannot be read
  public static Optional<TrainingLog> ended(Path directory) {
    return RunDirectory.ended(directory);
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
