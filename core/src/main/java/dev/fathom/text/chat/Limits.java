package dev.fathom.text.chat;

/// Bounds on what a template may cost, since templates come from strangers. All hold for one
/// rendering.
///
/// @param steps evaluated nodes, plus one for each 16 characters or element that is produced
/// @param characters length of any one text, the result included
/// @param weight size of any one value with all it contains, in elements (see [Value#weight])
/// @param depth how deep evaluations, macros and printed values may nest
/// @param range length of a `range(…)`, as in Jinja's own sandbox
record Limits(long steps, int characters, long weight, int depth, int range) {
  static final Limits DEFAULT = new Limits(10_000_000, 8_000_000, 4_000_000, 500, 100_000);

  /// Longest template that is read at all, in characters. Real ones stay below 40,000.
  static final int SOURCE = 1_000_000;

  /// How deep blocks and parentheses of a template may nest.
  static final int NESTING = 100;
}
