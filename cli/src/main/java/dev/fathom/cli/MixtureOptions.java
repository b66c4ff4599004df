package dev.fathom.cli;

import dev.fathom.model.Transformer;
import dev.fathom.refine.Mod;
import dev.fathom.refine.Tuned;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// Whether a mixture of late layers speaks, and how many of its layers count.
final class MixtureOptions {
  @Option(
      names = "--mod",
      paramLabel = "FILE",
      description =
          "Speak with this late-layer mixture (MoD) instead of the last layer. Give the edits that"
              + " it was learnt with, too (--edit).")
  private @Nullable Path file;

  @Option(
      names = "--routes",
      paramLabel = "K",
      description =
          "With --mod: mix only the K layers that weigh most for a token. Default: as it was"
              + " learnt.")
  private @Nullable Integer routes;

  /// Counts so many routes, as `--routes` does.
  void count(int routes) {
    this.routes = routes;
  }

  boolean given() {
    return file != null;
  }

  /// @throws IllegalArgumentException if there is nothing that could have routes, or none counts
  void check() {
    if (routes != null && file == null) {
      throw new IllegalArgumentException("--routes goes with --mod FILE.");
    }
    if (routes != null && routes < 1) {
      throw new IllegalArgumentException("--routes should be at least 1, found " + routes + ".");
    }
  }

  /// What speaks: the model itself where no mixture is given.
  ///
  /// @param model with the edits that the mixture was learnt with
  /// @throws dev.fathom.FathomException if the file is no mixture, or one for another model
  @SuppressWarnings("MustBeClosedChecker") // the caller closes it
  Tuned open(Transformer model) {
    Tuned tuned = Tuned.of(model, List.of(), Optional.ofNullable(file));
    try {
      if (routes == null || tuned.mixture().isEmpty()) {
        return tuned;
      }
      requireRoutes(tuned.mixture().get().mixture(), routes);
      return tuned.withTopK(routes);
    } catch (RuntimeException e) {
      tuned.close();
      throw e;
    }
  }

  private void requireRoutes(Mod.Config mixed, int wanted) {
    if (wanted > mixed.late()) {
      throw new IllegalArgumentException(
          "--routes %d: %s mixes %d layers, so at most so many count."
              .formatted(wanted, file, mixed.late()));
    }
    if (mixed.uniform() && wanted < mixed.late()) {
      throw new IllegalArgumentException(
          "--routes %d: in %s all layers count the same, so none can be left out."
              .formatted(wanted, file));
    }
  }
}
