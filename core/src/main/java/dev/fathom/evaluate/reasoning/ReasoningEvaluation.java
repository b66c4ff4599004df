package dev.fathom.evaluate.reasoning;

import dev.fathom.data.PromptTemplate;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.Provenances;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generation;
import dev.fathom.model.Generator;
import dev.fathom.model.LanguageModel;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.IntConsumer;

/// How many questions of reasoning tests does a model answer rightly, when it writes its answers?
///
/// Each item's prompt is continued, greedily or by beam search; the answer is looked for in the
/// response by the rules of [AnswerKind]. The response is the text up to the next `### Response:`,
/// stripped (templates of [PromptTemplate.Wording]; Hu et al. 2023).
///
/// It misleads where the template is not the one a model was tuned with, and where a model knows an
/// answer but says it in other words than the rule reads: look at what it said, which each item
/// keeps. [RankedEvaluation] needs no words.
///
/// Items of like length are read together, what their prompts have in common once; a row that has
/// ended makes no more work.
public final class ReasoningEvaluation {
  private final LanguageModel model;
  private final Tokenizer tokenizer;
  private final Config config;
  private final Generator generator;

  private ReasoningEvaluation(LanguageModel model, Tokenizer tokenizer, Config config) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.config = config;
    this.generator = Generator.of(model, tokenizer);
  }

  /// How answers are generated.
  ///
  /// @param template of the prompts
  /// @param beams 1 for greedy; upstream's tables have 4
  /// @param maxTokens most tokens of a response; empty for the task's own number
  /// @param stopIds tokens with which the model ends a text
  /// @param stopTexts texts that end a response besides, none by default: whatever follows them is
  ///   not looked at, which can change what is found
  /// @param batch items that are continued together
  public record Config(
      PromptTemplate template,
      int beams,
      OptionalInt maxTokens,
      Set<Integer> stopIds,
      List<String> stopTexts,
      int batch) {
    public Config {
      stopIds = Set.copyOf(stopIds);
      stopTexts = List.copyOf(stopTexts);
      if (batch < 1) {
        throw new IllegalArgumentException("a batch needs at least one item, found " + batch);
      }
      Decoding.greedy(maxTokens.orElse(1)).withBeams(beams, 1).stopAt(stopTexts); // refuse early
    }

    /// Greedy, 16 items together.
    public static Config standard(PromptTemplate template, Set<Integer> stopIds) {
      return new Config(template, 1, OptionalInt.empty(), stopIds, List.of(), 16);
    }

    public Config withBeams(int beams) {
      return new Config(template, beams, maxTokens, stopIds, stopTexts, batch);
    }

    public Config withMaxTokens(int tokens) {
      return new Config(template, beams, OptionalInt.of(tokens), stopIds, stopTexts, batch);
    }

    public Config stopAt(List<String> stopTexts) {
      return new Config(template, beams, maxTokens, stopIds, stopTexts, batch);
    }

    public Config withBatch(int items) {
      return new Config(template, beams, maxTokens, stopIds, stopTexts, items);
    }

    /// How answers come about, in a few words.
    public String produced() {
      return beams == 1 ? "greedy" : beams + " beams";
    }

    int tokens(ReasoningTask task) {
      return maxTokens.orElse(task.maxTokens());
    }

    /// Greedy text is the same up to a stop text, and what follows the next response is cut off
    /// anyway; along beams a stop text would change which text wins.
    Decoding decoding(ReasoningTask task) {
      var ends = new ArrayList<>(stopTexts);
      if (beams == 1 && template instanceof PromptTemplate.Wording) {
        ends.add(PromptTemplate.RESPONSE);
      }
      return Decoding.greedy(tokens(task)).withBeams(beams, 1).stopAt(stopIds).stopAt(ends);
    }
  }

  /// Answers all items of some tests.
  ///
  /// @param done is told how many items were answered since it was last told
  public static ReasoningResult run(
      LanguageModel model,
      Tokenizer tokenizer,
      List<TestSet> tests,
      Config config,
      IntConsumer done) {
    return run(model, tokenizer, tests, config, Optional.empty(), done);
  }

  /// The same, keeping what is found: items that a directory has are not answered again.
  public static ReasoningResult run(
      LanguageModel model,
      Tokenizer tokenizer,
      List<TestSet> tests,
      Config config,
      ItemDirectory items,
      IntConsumer done) {
    return run(model, tokenizer, tests, config, Optional.of(items), done);
  }

  private static ReasoningResult run(
      LanguageModel model,
      Tokenizer tokenizer,
      List<TestSet> tests,
      Config config,
      Optional<ItemDirectory> items,
      IntConsumer done) {
    long start = System.nanoTime();
    var evaluation = new ReasoningEvaluation(model, tokenizer, config);
    var kept = new Kept(items);
    for (TestSet test : tests) {
      evaluation.answer(test, kept, done);
    }
    return ReasoningResult.of(
        ReasoningResult.Mode.GENERATED,
        tests,
        kept,
        Provenances.of(
            model,
            (System.nanoTime() - start) / 1e9,
            "answers",
            config.produced(),
            "template",
            config.template.text(),
            "most tokens",
            config.maxTokens.isPresent()
                ? Integer.toString(config.maxTokens.getAsInt())
                : "256 arithmetic, 32 commonsense",
            "stop texts",
            String.join(", ", config.stopTexts),
            "batch",
            Integer.toString(config.batch)));
  }

  private void answer(TestSet test, Kept kept, IntConsumer done) {
    var batches = new Batches(tokenizer, config.template, test, config.batch);
    int most = model.card().context() - 1; // one place for the answer
    for (List<Batches.Asked> batch : batches.fitting(most)) {
      if (!kept.hasAll(batch, test.task())) {
        List<Generation> texts =
            generator.run(
                batch.stream().map(Batches.Asked::prompt).toList(),
                config.decoding(test.task()),
                Generator.Listener.NONE);
        for (int i = 0; i < texts.size(); i++) {
          kept.add(answered(test.task(), batch.get(i).item(), texts.get(i)));
        }
      }
      done.accept(batch.size());
    }
    for (Batches.Asked asked : batches.longer(most)) {
      kept.add(Answered.generated(test.task(), asked.item(), "", 0, Answered.TOO_LONG));
      done.accept(1);
    }
  }

  private Answered answered(ReasoningTask task, TestSet.Item item, Generation text) {
    return Answered.generated(
        task,
        item,
        response(text.text()),
        text.tokens().size(),
        text.stop().name().toLowerCase(Locale.ROOT));
  }

  private String response(String text) {
    int next =
        config.template instanceof PromptTemplate.Wording
            ? text.indexOf(PromptTemplate.RESPONSE)
            : -1;
    return (next < 0 ? text : text.substring(0, next)).strip();
  }

  /// What is found for each item, in memory, and in a directory where there is one.
  static final class Kept {
    private final Optional<ItemDirectory> directory;
    private final Map<String, Answered> found = new HashMap<>();

    Kept(Optional<ItemDirectory> directory) {
      this.directory = directory;
      directory.ifPresent(items ->
          items.forEach(line -> {
            Answered answered = Answered.read(line);
            found.put(answered.key(), answered);
          }));
    }

    boolean hasAll(List<Batches.Asked> batch, ReasoningTask task) {
      return batch.stream().allMatch(asked -> found.containsKey(asked.item().key(task)));
    }

    /// Keeps what was found, unless that item is there already.
    void add(Answered answered) {
      if (found.putIfAbsent(answered.key(), answered) == null) {
        directory.ifPresent(items -> items.append(answered.key(), answered::write));
      }
    }

    Answered get(TestSet.Item item, ReasoningTask task) {
      Answered answered = found.get(item.key(task));
      if (answered == null) {
        throw new IllegalStateException("item " + item.key(task) + " has no answer");
      }
      return answered;
    }
  }
}
