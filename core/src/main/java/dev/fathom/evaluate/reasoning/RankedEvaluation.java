package dev.fathom.evaluate.reasoning;

import dev.fathom.FathomException;
import dev.fathom.data.PromptTemplate;
import dev.fathom.evaluate.Continuations;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.Likelihood;
import dev.fathom.evaluate.Provenances;
import dev.fathom.model.LanguageModel;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.function.IntConsumer;

/// Which of an item's options does a model find likeliest? Nothing is generated: each option, in
/// the words in which a response says it (`the correct answer is answer2`), follows the prompt, and
/// the greatest mean log-probability of its tokens wins; the first of equal ones.
///
/// A ranking always gives an answer, so it is at chance where a generated answer is at zero. It is
/// never comparable with generated accuracy, and misleads where a model prefers some option
/// whatever the question: look at how often each is chosen.
public final class RankedEvaluation {
  private RankedEvaluation() {}

  /// Ranks the options of all items of some tests.
  ///
  /// @param batch items that are read together
  /// @param done is told how many items were ranked since it was last told
  /// @throws IllegalArgumentException if a test has no options to rank
  public static ReasoningResult run(
      LanguageModel model,
      Tokenizer tokenizer,
      List<TestSet> tests,
      PromptTemplate template,
      int batch,
      IntConsumer done) {
    return run(model, tokenizer, tests, template, batch, Optional.empty(), done);
  }

  /// The same, keeping what is found: items that a directory has are not ranked again.
  public static ReasoningResult run(
      LanguageModel model,
      Tokenizer tokenizer,
      List<TestSet> tests,
      PromptTemplate template,
      int batch,
      ItemDirectory items,
      IntConsumer done) {
    return run(model, tokenizer, tests, template, batch, Optional.of(items), done);
  }

  /// Refuses tasks whose answers are not chosen from options.
  ///
  /// @throws IllegalArgumentException naming the first of them
  public static void requireOptions(ReasoningTask task) {
    if (task.kind() == AnswerKind.NUMBER) {
      throw new IllegalArgumentException(
          "%s asks for numbers, which are no options to rank: generate its answers instead."
              .formatted(task.title()));
    }
  }

  private static ReasoningResult run(
      LanguageModel model,
      Tokenizer tokenizer,
      List<TestSet> tests,
      PromptTemplate template,
      int batch,
      Optional<ItemDirectory> items,
      IntConsumer done) {
    long start = System.nanoTime();
    tests.forEach(test -> requireOptions(test.task()));
    var kept = new ReasoningEvaluation.Kept(items);
    for (TestSet test : tests) {
      rank(model, tokenizer, test, new Batches(tokenizer, template, test, batch), kept, done);
    }
    return ReasoningResult.of(
        ReasoningResult.Mode.RANKED,
        tests,
        kept,
        Provenances.of(
            model,
            (System.nanoTime() - start) / 1e9,
            "answers",
            "ranked",
            "template",
            template.text(),
            "batch",
            Integer.toString(batch)));
  }

  private static void rank(
      LanguageModel model,
      Tokenizer tokenizer,
      TestSet test,
      Batches batches,
      ReasoningEvaluation.Kept kept,
      IntConsumer done) {
    AnswerKind kind = test.task().kind();
    int longest =
        test.items().stream()
            .flatMap(item -> kind.options(item.instruction()).stream())
            .distinct()
            .mapToInt(option -> ids(tokenizer, kind, option).length)
            .max()
            .orElse(1);
    int most = model.card().context() - longest + 1; // an option's last token is not read
    for (List<Batches.Asked> batch : batches.fitting(most)) {
      if (!kept.hasAll(batch, test.task())) {
        rank(model, tokenizer, test.task(), batch).forEach(kept::add);
      }
      done.accept(batch.size());
    }
    for (Batches.Asked asked : batches.longer(most)) {
      kept.add(Answered.ranked(test.task(), asked.item(), new LinkedHashMap<>()));
      done.accept(1);
    }
  }

  private static List<Answered> rank(
      LanguageModel model, Tokenizer tokenizer, ReasoningTask task, List<Batches.Asked> batch) {
    List<List<String>> options = batch.stream().map(asked -> options(task, asked.item())).toList();
    List<List<int[]>> continuations =
        options.stream()
            .map(some -> some.stream().map(option -> ids(tokenizer, task.kind(), option)).toList())
            .toList();
    List<List<float[]>> found =
        Continuations.of(model, batch.stream().map(Batches.Asked::prompt).toList(), continuations);
    var answered = new ArrayList<Answered>();
    for (int i = 0; i < batch.size(); i++) {
      var scores = new LinkedHashMap<String, Double>();
      for (int o = 0; o < options.get(i).size(); o++) {
        float[] values = found.get(i).get(o);
        scores.put(options.get(i).get(o), Likelihood.sum(values) / values.length);
      }
      answered.add(Answered.ranked(task, batch.get(i).item(), scores));
    }
    return answered;
  }

  private static List<String> options(ReasoningTask task, TestSet.Item item) {
    List<String> options = task.kind().options(item.instruction());
    if (options.isEmpty()) {
      throw new FathomException(
          "%s, item %d: its instruction names no options to rank, such as %s."
              .formatted(
                  task.title(),
                  item.number(),
                  task.kind() == AnswerKind.LETTER
                      ? "(A) … (B) …"
                      : "Answer format: answer1/answer2"));
    }
    return options;
  }

  private static int[] ids(Tokenizer tokenizer, AnswerKind kind, String option) {
    return tokenizer.encode(kind.said(option), SpecialTokens.NONE).ids();
  }
}
