/// What happens when something inside a run is changed? Ablation, patching, path patching and its
/// estimate by gradients, causal tracing, attention knockout.
///
/// ```java
/// AblationResult needed = Ablation.run(model, tokenizer, question, Ablation.Config.standard());
/// ```
///
/// Start with [dev.fathom.explain.causal.Ablation]. All of them are lists of changed runs for
/// `Sweep`, which computes each only from where it differs and reads the weights once for all.
///
/// Nothing is null unless marked; results are immutable and hold no native memory.
@org.jspecify.annotations.NullMarked
package dev.fathom.explain.causal;
