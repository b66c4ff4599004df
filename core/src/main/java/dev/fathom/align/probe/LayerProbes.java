package dev.fathom.align.probe;

import dev.fathom.model.Slice;
import java.util.List;
import java.util.Optional;
import java.util.stream.DoubleStream;

/// The probes of one layer, and what they know of texts they have not learnt from.
///
/// @param slice what they read
/// @param probes the best one, then each orthogonal to those before
/// @param qualities of each
/// @param shuffled AUCs of probes that learnt shuffled labels
/// @param atRandom quality of the first probe if texts are split at random instead of by group
/// @param geometry of the held-out texts
public record LayerProbes(
    Slice slice,
    List<LogisticFit.Fitted> probes,
    List<Quality> qualities,
    List<Double> shuffled,
    Optional<Quality> atRandom,
    Geometry geometry) {
  public LayerProbes {
    probes = List.copyOf(probes);
    qualities = List.copyOf(qualities);
    shuffled = List.copyOf(shuffled);
  }

  /// The best probe.
  public LogisticProbe probe() {
    return probes.getFirst().probe();
  }

  /// What it knows.
  public Quality quality() {
    return qualities.getFirst();
  }

  /// The mean AUC of probes that learnt shuffled labels; NaN without any.
  public double meanShuffled() {
    return chance().average().orElse(Double.NaN);
  }

  /// The lowest of these, NaN without any.
  public double leastShuffled() {
    return chance().min().orElse(Double.NaN);
  }

  /// The highest of these, NaN without any.
  public double mostShuffled() {
    return chance().max().orElse(Double.NaN);
  }

  private DoubleStream chance() {
    return shuffled.stream().mapToDouble(Double::doubleValue);
  }
}
