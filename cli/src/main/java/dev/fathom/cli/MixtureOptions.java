package dev.fathom.cli;

import dev.fathom.model.LanguageModel;
import dev.fathom.model.Transformer;
import dev.fathom.refine.MixtureModel;
import dev.fathom.refine.Mod;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// Whether a mixture of late layers speaks.
final class MixtureOptions {
  @Option(
      names = "--mod",
      paramLabel = "FILE",
      description =
          "Speak with this late-layer mixture (MoD) instead of the last layer. Give the edits that"
              + " it was learnt with, too (--edit).")
  private @Nullable Path file;

  /// A mixture that is closed with the command, and what speaks; without one, the model itself.
  record Mixture(Optional<Mod> mod, Optional<MixtureModel> mixture, LanguageModel speaker)
      implements AutoCloseable {
    @Override
    public void close() {
      mod.ifPresent(Mod::close);
    }
  }

  boolean given() {
    return file != null;
  }

  /// @param routes how many of its routes count for a token; null for as it was learnt
  /// @throws IllegalArgumentException if there is nothing that could have routes, or none counts
  void check(@Nullable Integer routes) {
    if (routes != null && file == null) {
      throw new IllegalArgumentException("--routes goes with --mod FILE.");
    }
    if (routes != null && routes < 1) {
      throw new IllegalArgumentException("--routes should be at least 1, found " + routes + ".");
    }
  }

  /// What speaks.
  ///
  /// @param routes as [#check]
  /// @throws dev.fathom.FathomException if the file is no mixture, or one for another model
  @SuppressWarnings("MustBeClosedChecker") // closed with what holds it
  Mixture open(Transformer model, @Nullable Integer routes) {
    if (file == null) {
      return new Mixture(Optional.empty(), Optional.empty(), model);
    }
    Mod mod = Mod.open(file, model);
    try {
      requireRoutes(mod, routes);
      var mixture = MixtureModel.of(model, routes == null ? mod : mod.withTopK(routes));
      return new Mixture(Optional.of(mod), Optional.of(mixture), mixture);
    } catch (RuntimeException e) {
      mod.close();
      throw e;
    }
  }

  private void requireRoutes(Mod mod, @Nullable Integer routes) {
    if (routes == null) {
      return;
    }
    int late = mod.config().late();
    if (routes > late) {
      throw new IllegalArgumentException(
          "--routes %d: %s mixes %d layers, so at most so many count."
              .formatted(routes, file, late));
    }
    if (mod.config().uniform() && routes < late) {
      throw new IllegalArgumentException(
          "--routes %d: in %s all layers count the same, so none can be left out."
              .formatted(routes, file));
    }
  }
}
