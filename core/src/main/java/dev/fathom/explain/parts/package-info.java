/// Which parts does a logit consist of? Direct logit attribution by component, token decomposition,
/// and the component lens.
///
/// What is linear once a run's divisors, patterns and slopes are held fixed is computed in one
/// place: `FrozenRun` hands out `FrozenBlock`s and `FrozenHead`, over
/// [dev.fathom.model.Norm#frozen] and [dev.fathom.model.Activation#slope]. Start with
/// [dev.fathom.explain.parts.DirectLogitAttribution].
///
/// Nothing is null unless marked; results are immutable and hold no native memory.
@org.jspecify.annotations.NullMarked
package dev.fathom.explain.parts;
