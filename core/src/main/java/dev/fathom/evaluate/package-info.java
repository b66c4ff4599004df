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
/// and perplexity are sums of.
///
/// Results are records over plain numbers; no native memory outlives a call. Everything here may be
/// called from several threads.
@org.jspecify.annotations.NullMarked
package dev.fathom.evaluate;
