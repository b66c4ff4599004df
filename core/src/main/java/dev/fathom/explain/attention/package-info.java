/// Where do heads look, what do they move, and what do they do? Patterns, rollout and norm-based
/// mixing, sinks, readings of OV and QK maps, scores of known kinds of heads, composition.
///
/// Start with [dev.fathom.explain.attention.AttentionPatterns] for one prompt and
/// [dev.fathom.explain.attention.HeadScores] for a model. `Walk` shows a run block by block, so
/// that the patterns of all layers are never held together; `HeadMaps` has the weights of one
/// layer's heads.
///
/// Nothing is null unless marked; results are immutable and hold no native memory.
@org.jspecify.annotations.NullMarked
package dev.fathom.explain.attention;
