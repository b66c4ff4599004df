/// How biased is a model? StereoSet and CrowS-Pairs for causal and masked models, and whether two
/// models differ by more than which items there happen to be.
///
/// ```java
/// StereoSet set = StereoSet.read(Path.of("dev.json"));
/// StartToken start = StartToken.of(tokenizer);
/// BiasScorer scorer = BiasScorer.causal(model, tokenizer, Context.OFFICIAL, start);
/// List<ScoredItem> before = StereoSetEvaluation.scores(scorer, set.items());
/// BiasScores scores = BiasScores.of(before, Bootstrap.standard());
/// BiasComparison changed = BiasComparison.of(before, after, Bootstrap.fine());
/// ```
///
/// Start with [dev.fathom.evaluate.bias.StereoSetEvaluation]. A causal model is read through a
/// [dev.fathom.evaluate.bias.SentenceScorer], so that what changes a model without changing its
/// weights is measured by the same code; masked models have scores of their own. All scores are
/// logarithms to base 2.
///
/// A line of a run's `items.jsonl` ([dev.fathom.evaluate.ItemDirectory]) has for StereoSet `key`
/// (the item's id and eight hexadecimal digits of its sentences' SHA-256), `domain`, `target`,
/// `stereotype`, `anti_stereotype`, `unrelated`; for CrowS-Pairs `key` (the pair's number and eight
/// digits of its sentences' hash), `bias_type`, `stereotype` (whether `more` says a stereotype),
/// `more`, `less`.
///
/// Nothing is null; results are immutable and hold no native memory. Everything may be called from
/// several threads.
@org.jspecify.annotations.NullMarked
package dev.fathom.evaluate.bias;
