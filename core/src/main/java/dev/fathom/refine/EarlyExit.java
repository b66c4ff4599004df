package dev.fathom.refine;

import dev.fathom.model.LanguageModel;
import dev.fathom.model.Layout;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Tensor;

/// A transformer whose next token may be settled before its last block.
///
/// Layers are those of the lens: 0 is the embedding, l the stream after l blocks, so the layer at
/// which a token leaves is the number of blocks it needed.
public sealed interface EarlyExit extends LanguageModel permits MixtureModel, ConfidenceExit {
  /// The model inside, whose last layer alone would speak.
  Transformer transformer();

  Exit exit();

  /// The same, leaving otherwise.
  EarlyExit with(Exit exit);

  /// Blocks that every token needs, at least 1: with n blocks in all, skipping the others can make
  /// nothing faster than n over this.
  int leastBlocks();

  /// Logits of whole rows. They are read like a prompt, for which every block is run, so that they
  /// are the same however tokens leave.
  @Override
  Tensor logits(Tensor ids, Layout layout, Wanted wanted);

  /// Begins to read; the tap sees a token in a block when it passes it, which may be after later
  /// tokens passed the blocks below, and never in a block that is skipped for it.
  ///
  /// @throws IllegalArgumentException if the tap names a site that the model does not have, or one
  ///   of its final norm and head, which are not passed in the ordinary way
  @Override
  ExitSession session(int rows, Tap tap);

  @Override
  default ExitSession session(int rows) {
    return session(rows, Tap.NONE);
  }
}
