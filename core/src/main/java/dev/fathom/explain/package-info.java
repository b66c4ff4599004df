/// Explanations: where, when and why a model predicts a token. One class a method, each with a `run`
/// that takes a [dev.fathom.model.Transformer] of any family and returns a [dev.fathom.view.Result] of
/// plain numbers.
///
/// ```java
/// LensResult lens = LogitLens.run(model, prompt, LogitLens.Config.of(target));
/// System.out.println(lens.targetProbability().at(model.layers(), prompt.length() - 1));
/// ```
///
/// Layer rows count as in the specification of the lens: row 0 is the embedding, row l the stream after
/// block l - 1, so that a model of N blocks has N + 1 rows and row N is what the head reads.
@org.jspecify.annotations.NullMarked
package dev.fathom.explain;
