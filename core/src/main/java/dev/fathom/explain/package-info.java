/// Explanations: where, when and why a model predicts a token. One class a method, each with a
/// `run` that takes a [dev.fathom.model.Transformer] of any family and returns a
/// [dev.fathom.view.Result] of plain numbers.
///
/// ```java
/// var config = LogitLens.Config.standard().withTarget(target.id());
/// LensResult lens = LogitLens.run(model, tokenizer, prompt, config);
/// System.out.println(lens.targetProbability().at(model.layers(), prompt.length() - 1));
/// ```
///
/// Start at [dev.fathom.explain.Explanation], the report that has them all, or at
/// [dev.fathom.explain.LogitLens].
///
/// Row 0 of a result by layer is the embedding, row l the stream after block l - 1: a model of N
/// blocks has N + 1 rows, and row N is what the head reads.
///
/// What is linear once a run's divisors, patterns and slopes are held fixed is computed in one
/// place: `FrozenRun` hands out `FrozenBlock`s and `FrozenHead`, over
/// [dev.fathom.model.Norm#frozen] and [dev.fathom.model.Activation#slope]. Token decomposition,
/// direct logit attribution and the component lens are readings of it.
///
/// [dev.fathom.explain.Figures] draws the thesis' figures; each is a line in a list. It says in
/// `figure-ID.json` (`fathom.figure/1`, described there) that a figure is complete.
///
/// Methods may run in several threads at once. Their results are immutable and hold no native
/// memory. Nothing is null.
@org.jspecify.annotations.NullMarked
package dev.fathom.explain;
