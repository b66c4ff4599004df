package dev.fathom.refine;

/// Whether a token that is settled leaves before the last block, and what becomes of the keys and
/// values that later tokens look for in the blocks above.
public enum Exit {
  /// Every block is run for every token.
  NONE,
  /// A token waits before the first block that it does not need. When a later token of its row
  /// enters that block, those that wait go first, all at once, in their order. The output is that
  /// of [#NONE]; what is saved are weights read for one token at a time, and whatever still waits
  /// at the end.
  EXACT,
  /// Keys and values of skipped blocks are made of the stream the token left with (CALM: Schuster
  /// et al. 2022). Cheaper than [#EXACT], and changes what later tokens see. Blocks are skipped
  /// only for tokens that are read one at a time: of a prompt all are run.
  PROPAGATE
}
