/// How many of a test's questions does a model answer rightly? The eleven arithmetic and
/// commonsense sets of LLM-Adapters (Hu et al. 2023), generated answers and ranked options, and
/// whether two runs differ by more than chance.
///
/// ```java
/// TestSet test = ReasoningTask.named("arc-e").read(Path.of("data"));
/// var config = ReasoningEvaluation.Config.standard(PromptTemplate.Wording.CLEAN, Set.of(eos));
/// var found = ReasoningEvaluation.run(model, tokenizer, List.of(test), config, done -> {});
/// ```
///
/// Start with [dev.fathom.evaluate.reasoning.ReasoningEvaluation]. It takes any
/// [dev.fathom.model.LanguageModel]. What it finds for each item can be kept in a
/// [dev.fathom.evaluate.ItemDirectory], and [dev.fathom.evaluate.reasoning.RunComparison] reads two
/// of these.
///
/// A line of `items.jsonl` has `key` (task, number from 1, and eight hexadecimal digits of the
/// question's SHA-256), `task`, `number`, `answer` (the right one), `response`, `found` (what was
/// extracted, empty for nothing), `correct`, where the task has a strict rule `found_strict` and
/// `correct_strict`, `tokens` (generated), and `stop`. Ranked runs have `scores` (mean
/// log-probability of each option, nats a token) in place of the response.
///
/// Nothing is null; results are immutable and hold no native memory.
@org.jspecify.annotations.NullMarked
package dev.fathom.evaluate.reasoning;
