/// How much does each token of the prompt speak for the answer? By gradients (saliency, gradient ×
/// input, SmoothGrad, integrated gradients) and by taking tokens away (occlusion, LIME, Shapley
/// values), with curves that say how faithful the scores are.
///
/// Start with [dev.fathom.explain.attribute.Attribution]; a method is an
/// [dev.fathom.explain.attribute.AttributionMethod]. `PrefixTree` runs many masked prompts and
/// computes what they begin with in common once.
///
/// Nothing is null unless marked; results are immutable and hold no native memory.
@org.jspecify.annotations.NullMarked
package dev.fathom.explain.attribute;
