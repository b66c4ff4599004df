/// Transformers: the forward pass, written once, with a name for every activation.
///
/// Start with [Transformer] and [Tap]; a model comes from `dev.fathom.arch.Models.load(path)`.
///
/// ```java
/// try (var scope = Scope.open()) {
///   var capture = Capture.of(SiteAddress.slices("resid_post.3@last", model));
///   var pass = Pass.over(Layout.single(ids.length)).with(capture);
///   Tensor logits = model.forward(Tensor.of(ids, ids.length), pass); // [tokens, vocabulary]
///   float[] last = capture.get(Site.of(Kind.RESID_POST, 3)).vector(0, 0);
/// }
/// ```
///
/// Axis names used in the comments of this package: `tokens` the packed tokens of all rows, one
/// after another, without padding; `queries` the tokens a layer computes (all of them, but for the
/// last block when only some are [Wanted]); `dModel` the width of the residual stream; `heads`,
/// `kvHeads`, `width` (of one head); `dMlp`; `vocab`. [Layout] says which token belongs to which
/// row and position.
///
/// The model knows no method: whoever wants to see or change a value does it through a [Tap] at a
/// named [Site]. Blocks come in four orders of steps, one file each ([SequentialBlock],
/// [ParallelBlock], [SandwichBlock], [PostNormBlock]); everything that differs in value only is a
/// component.
///
/// Threads: a model may be used by several threads at once, each with its own [Pass] and scopes.
@org.jspecify.annotations.NullMarked
package dev.fathom.model;
