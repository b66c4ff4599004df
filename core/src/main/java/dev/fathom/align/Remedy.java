package dev.fathom.align;

import dev.fathom.edit.Edit;
import dev.fathom.edit.Edits;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Transformer;
import java.util.List;
import java.util.Optional;

/// What a [Method] found to do to a model.
public sealed interface Remedy {
  /// The model with it, which stays open for as long and is not changed.
  Treated applied(Transformer model);

  /// Its weights changed: a small file, revertible, and an ordinary checkpoint once merged.
  record OfWeights(Edit edit) implements Remedy {
    @Override
    public Treated applied(Transformer model) {
      Transformer edited = Edits.apply(model, List.of(edit));
      return new Treated(edited, TokenScorer.of(edited), Optional.of(edited), edited::close);
    }
  }

  /// Something that is done while the model computes and that no change of its weights can do.
  ///
  /// @param name says what, such as `self-debias`
  record AtRunTime(String name, Way way) implements Remedy {
    /// How a model is made one that does it.
    @FunctionalInterface
    public interface Way {
      Treated of(Transformer model);
    }

    @Override
    public Treated applied(Transformer model) {
      return way.of(model);
    }
  }

  /// A model with a remedy, ready to be measured.
  ///
  /// @param model what generates
  /// @param scorer what gives texts their probabilities
  /// @param transformer where it still is one, so that it can be explained; `model` and `scorer`
  ///   are then of it
  /// @param free frees what was made for it
  record Treated(
      LanguageModel model, TokenScorer scorer, Optional<Transformer> transformer, Runnable free)
      implements AutoCloseable {
    @Override
    public void close() {
      free.run();
    }
  }
}
