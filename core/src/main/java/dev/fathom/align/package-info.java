/// Finding where bias lives in a model, and making it less.
///
/// A [Method] is fitted on a [Fitting] (items about some terms, words that name groups, running
/// text) and gives a [Remedy]: an edit of the model's weights, or a way of computing. What it is
/// worth, items about *other* terms say: start at [dev.fathom.align.study.AlignmentStudy], which
/// compares methods so, or fit one by hand:
///
/// ```java
/// Folds.Fold fold = Folds.of(items, 2, seed).getFirst();
/// var fitting = new Fitting(
///     model, tokenizer, "gender", fold.fit(), words, text, OFFICIAL, start, seed, cache);
/// Remedy remedy = PairErasure.of(4).fit(fitting);
/// try (var treated = remedy.applied(model)) {
///   List<ScoredItem> scored = fitting.scorer(treated.scorer()).items(fold.test());
/// }
/// ```
///
/// The methods are in `lope` (LoPE, erasures), `balance` and `baseline`; `probe` has the probes.
/// Nothing is null. A fitting is used by one thread.
@NullMarked
package dev.fathom.align;

import org.jspecify.annotations.NullMarked;
