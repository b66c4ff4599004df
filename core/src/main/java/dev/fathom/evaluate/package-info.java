/// Measuring models: whether the forward pass keeps its promises, and how probable it finds texts.
///
/// Start with [Invariants], which checks on a user's own checkpoint what the names of the sites
/// claim:
///
/// ```java
/// for (Invariants.Check check : Invariants.check(model, ids)) {
///   System.out.println(check);
/// }
/// ```
///
/// [Likelihood] gives the log-probability of every token of many rows, which scores of sentences
/// and [Perplexity] are sums of; [TokenScorer] is the same of anything that computes so;
/// [Continuations] that of several continuations of each prompt. Tests of reasoning are in
/// [dev.fathom.evaluate.reasoning], bias tests in [dev.fathom.evaluate.bias]; [Share] and [McNemar]
/// say how sure a share of right answers and a difference of two are. [GenerationQuality] says
/// whether texts repeat themselves.
///
/// ## Runs that go on after a kill
///
/// [ItemDirectory] keeps what a long run finds, item by item, and [MeanInterval] makes totals of
/// it: a method over many prompts or facts opens one, skips the items that are there, appends the
/// others, and reads all of them back at the end.
///
/// Its directory has `settings.json`, an object of strings that decided the run (one with any other
/// value is refused); `items.jsonl`, one JSON object a line, whose first field `key` names the item
/// and whose others are the method's; and `lock`, held while a run writes. Lines are written whole:
/// a last line without its end is what a dying run left, and is dropped. A method may put other
/// files beside them, such as `result.json` and `report.html`.
///
/// Results are records over plain numbers; no native memory outlives a call. Everything here may be
/// called from several threads; an [ItemDirectory] belongs to one.
///
/// ## History
///
/// - 0.1: directories of items, the first version.
@org.jspecify.annotations.NullMarked
package dev.fathom.evaluate;
