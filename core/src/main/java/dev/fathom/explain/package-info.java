/// Explanations: where, when and why a model predicts a token. One class a method, each with a
/// `run` that takes a [dev.fathom.model.Transformer] of any family and returns a
/// [dev.fathom.view.Result] of plain numbers.
///
/// | package | question |
/// |---|---|
/// | [dev.fathom.explain.lens] | what could be read off after each layer? |
/// | [dev.fathom.explain.causal] | what happens when a part is changed? |
/// | [dev.fathom.explain.parts] | which parts does a logit consist of? |
/// | [dev.fathom.explain.attention] | where do heads look, and what do they move? |
/// | [dev.fathom.explain.neurons] | what do MLP neurons say? |
/// | [dev.fathom.explain.attribute] | which tokens of the prompt count? |
/// | [dev.fathom.explain.report] | all of it on one page |
///
/// This package has what they share: the [dev.fathom.explain.Question] that is asked of a prompt,
/// the [dev.fathom.explain.Metric] and its [dev.fathom.explain.Readout] off the last stream,
/// [dev.fathom.explain.Runs] recorded layer by layer, and names of tokens.
///
/// ```java
/// Question question = Question.of(prompt, target.id());
/// AblationResult needed = Ablation.run(model, tokenizer, question, Ablation.Config.standard());
/// ```
///
/// Row 0 of a result by layer is the embedding, row l the stream after block l - 1: a model of N
/// blocks has N + 1 rows, and row N is what the head reads.
///
/// Methods may run in several threads at once. Their results are immutable and hold no native
/// memory. Nothing is null.
@org.jspecify.annotations.NullMarked
package dev.fathom.explain;
