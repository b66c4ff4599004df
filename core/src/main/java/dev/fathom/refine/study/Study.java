package dev.fathom.refine.study;

import static java.util.stream.Collectors.toSet;

import dev.fathom.data.PromptTemplate;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.reasoning.ReasoningEvaluation;
import dev.fathom.evaluate.reasoning.TestSet;
import dev.fathom.model.Transformer;
import dev.fathom.refine.InstructionRows;
import dev.fathom.refine.Mod;
import dev.fathom.refine.ParameterCount;
import dev.fathom.refine.Refinement;
import dev.fathom.refine.Refiner;
import dev.fathom.refine.Tuned;
import dev.fathom.text.Tokenizer;
import dev.fathom.train.Trainer;
import dev.fathom.train.TrainingLog;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Consumer;

/// Trains variants of one model on one set of data and asks each the same test: the loop that every
/// study of refinement is. Whatever is done stays in a directory, `variant-seedN/train` and
/// `variant-seedN/test`, so that a killed study goes on, and two studies share what they have in
/// common.
///
/// ```java
/// var study = Study.of(model, tokenizer, subject, settings, directory);
/// List<Study.Run> runs = study.run(variants, progress -> {});
/// ```
public final class Study {
  /// Within a run's folder: what it learnt.
  static final String TRAIN = "train";

  /// Within a run's folder: what it answered.
  static final String TEST = "test";

  private final Transformer model;
  private final Tokenizer tokenizer;
  private final Subject subject;
  private final Settings settings;
  private final Path directory;

  private Study(
      Transformer model, Tokenizer tokenizer, Subject subject, Settings settings, Path directory) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.subject = subject;
    this.settings = settings;
    this.directory = directory;
  }

  public static Study of(
      Transformer model, Tokenizer tokenizer, Subject subject, Settings settings, Path directory) {
    return new Study(model, tokenizer, subject, settings, directory);
  }

  /// What is learnt and asked.
  ///
  /// @param name of the data, in file names and tables
  /// @param rows draws the rows for a seed
  /// @param test asked of every variant; empty for a study of losses alone
  public record Subject(String name, Draw rows, Optional<TestSet> test) {
    /// Draws rows.
    @FunctionalInterface
    public interface Draw {
      InstructionRows.Drawn of(long seed);
    }
  }

  /// How variants are trained and asked.
  ///
  /// @param seeds one run each
  /// @param training of so many rows
  /// @param template of the prompts
  /// @param stopIds tokens with which the model ends a text
  /// @param batch items answered together
  /// @param maxTokens most tokens of a response
  public record Settings(
      List<Long> seeds,
      Training training,
      PromptTemplate template,
      Set<Integer> stopIds,
      int batch,
      int maxTokens) {
    public Settings {
      seeds = List.copyOf(seeds);
      stopIds = Set.copyOf(stopIds);
      if (seeds.isEmpty()) {
        throw new IllegalArgumentException("a study needs at least one seed");
      }
    }

    /// Makes the trainer's configuration.
    @FunctionalInterface
    public interface Training {
      Trainer.Config of(int rows);
    }
  }

  /// One way to refine.
  ///
  /// @param name in file names
  /// @param title in tables
  /// @param method what is learnt; empty for the model as it is
  /// @param layers the model is used as if it ended after so many blocks; 0 for all
  public record Variant(String name, String title, Optional<Refinement.Config> method, int layers) {
    public static Variant of(String name, String title, Refinement.Config method) {
      return new Variant(name, title, Optional.of(method), 0);
    }

    /// The same, learnt and read at an earlier layer.
    public Variant endingAfter(int layers) {
      return new Variant(name, title, method, layers);
    }
  }

  /// What one run showed.
  ///
  /// @param name of its variant, in file names
  /// @param title of its variant, in tables
  /// @param mod its mixture; empty without one
  /// @param log of its training; empty for the base
  /// @param counts what it learnt; empty for the base
  /// @param answers whether each item was answered rightly, by key; none where nothing was asked
  public record Run(
      String name,
      String title,
      Optional<Mod.Config> mod,
      long seed,
      Optional<TrainingLog> log,
      Optional<ParameterCount> counts,
      SequencedMap<String, Boolean> answers) {
    private static Run of(
        Variant variant,
        long seed,
        Optional<Refiner.Outcome> outcome,
        SequencedMap<String, Boolean> answers) {
      return new Run(
          variant.name,
          variant.title,
          variant.method.flatMap(Refinement.Config::mod),
          seed,
          outcome.map(Refiner.Outcome::log),
          outcome.map(Refiner.Outcome::counts),
          answers);
    }

    /// The same as if nothing had been asked.
    Run withoutAnswers() {
      return new Run(name, title, mod, seed, log, counts, new LinkedHashMap<>());
    }

    /// The last loss on held-out rows, of the model as it would be used; NaN for the base.
    public double heldOut() {
      return log.filter(found -> !found.evaluations().isEmpty())
          .map(found -> found.evaluations().getLast().measures().getFirst())
          .orElse(Double.NaN);
    }

    public int solved() {
      return (int) answers.values().stream().filter(right -> right).count();
    }
  }

  public String name() {
    return subject.name;
  }

  /// What a run's folder is called, up to the seed.
  static String seeded(String variant) {
    return variant + "-seed";
  }

  /// Trains and asks what is not done yet.
  ///
  /// @param listener is told what is being done
  /// @throws dev.fathom.FathomException as [Refiner] and [ReasoningEvaluation]
  public List<Run> run(List<Variant> variants, Consumer<String> listener) {
    var runs = new ArrayList<Run>();
    int most = // late layers of any mixture: all share one file of streams
        variants.stream()
            .flatMap(variant -> variant.method.stream())
            .flatMap(method -> method.mod().stream())
            .mapToInt(Mod.Config::late)
            .max()
            .orElse(1);
    for (Variant variant : variants) {
      for (long seed : variant.method.isEmpty() ? settings.seeds.subList(0, 1) : settings.seeds) {
        runs.add(run(variant, seed, most, listener));
      }
    }
    return runs;
  }

  private Run run(Variant variant, long seed, int most, Consumer<String> listener) {
    String name = variant.method.isEmpty() ? variant.name : seeded(variant.name) + seed;
    Path folder = directory.resolve(subject.name).resolve(name);
    Transformer used = variant.layers == 0 ? model : model.upTo(variant.layers);
    if (variant.method.isEmpty()) {
      try (var base = Tuned.of(used, List.of(), Optional.empty())) {
        return Run.of(variant, seed, Optional.empty(), asked(base, folder, listener));
      }
    }
    Refinement.Config method = variant.method.get().withSeed(seed);
    InstructionRows.Drawn rows = subject.rows.of(seed);
    Trainer.Config training = settings.training.of(rows.learnt().size());
    Refiner.Outcome outcome =
        Refiner.of(used, method, training)
            .withStreams(
                directory
                    .resolve(subject.name)
                    .resolve("streams-seed%d.safetensors".formatted(seed)),
                most)
            .run(
                rows.learnt(),
                rows.heldOut(),
                folder.resolve(TRAIN),
                now ->
                    listener.accept(
                        "%s %s: step %d of %d, loss %.3f"
                            .formatted(subject.name, name, now.step(), now.steps(), now.loss())));
    try (var tuned = Tuned.of(used, outcome)) {
      return Run.of(variant, seed, Optional.of(outcome), asked(tuned, folder, listener));
    }
  }

  private SequencedMap<String, Boolean> asked(Tuned tuned, Path folder, Consumer<String> listener) {
    var answers = new LinkedHashMap<String, Boolean>();
    subject.test.ifPresent(test -> ask(test, tuned, folder, listener, answers));
    return answers;
  }

  private void ask(
      TestSet test,
      Tuned tuned,
      Path folder,
      Consumer<String> listener,
      SequencedMap<String, Boolean> answers) {
    var decided = new LinkedHashMap<String, String>();
    decided.put("model", tuned.transformer().card().sha256().get());
    decided.put("template", settings.template.text());
    decided.put("most tokens", Integer.toString(settings.maxTokens));
    decided.put("batch", Integer.toString(settings.batch));
    var config =
        ReasoningEvaluation.Config.standard(settings.template, settings.stopIds)
            .withBatch(settings.batch)
            .withMaxTokens(settings.maxTokens);
    Path asked = folder.resolve(TEST);
    try (var items = ItemDirectory.open(asked, decided)) {
      int[] done = {0};
      ReasoningEvaluation.run(
          tuned.speaker(),
          tokenizer,
          List.of(test),
          config,
          items,
          more -> {
            done[0] += more;
            listener.accept(
                "%s %s: %d of %d answers"
                    .formatted(subject.name, folder.getFileName(), done[0], test.items().size()));
          });
      var keys = test.items().stream().map(item -> item.key(test.task())).collect(toSet());
      items.forEach(item -> { // which may have more, of a study with more or other items
        String key = item.path("key").asString("");
        if (keys.contains(key)) {
          answers.put(key, item.path("correct").asBoolean(false));
        }
      });
    }
  }
}
