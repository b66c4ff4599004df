package dev.fathom.world;

import dev.fathom.FathomException;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.Provenances;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Transformer;
import dev.fathom.refine.Refiner;
import dev.fathom.refine.Tuned;
import dev.fathom.text.Tokenizer;
import dev.fathom.train.Row;
import dev.fathom.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// Can few numbers teach a model something new? It gets two lessons: facts that nothing in it knows
/// ([NewRelation]), and facts that it knows in words in which it does not say them ([NewWording]).
/// Each [Learner] learns each lesson with several seeds, and is asked what it was told, the same
/// otherwise, and what it knew before.
///
/// What a mixture of late layers can do is known beforehand: a router weighs what the late layers
/// already say ([LensReach]), and norms scale directions of their streams. So the second lesson is
/// one for it, the first is not.
///
/// It misleads where it is read as what such methods give on other models: this one has 4 million
/// numbers, and one rate and one number of epochs is tried for each learner.
public final class Learning {
  /// What a learner is called that learns nothing.
  public static final String BASE = "base";

  /// The most that a mixture alone may learn, as a share of the model.
  public static final double FEW = 0.001;

  private static final int BATCH_ROWS = 16;

  private final Transformer model;
  private final Tokenizer tokenizer;
  private final World world;
  private final Config config;
  private final List<Cloze> old;

  private Learning(Transformer model, Tokenizer tokenizer, World world, Config config) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.world = world;
    this.config = config;
    var known = new ArrayList<>(Truth.of(world).questions(Truth.Check.TRAINED_FACTS));
    Collections.shuffle(known, Chance.source("old facts"));
    this.old = known.subList(0, Math.min(config.old, known.size()));
  }

  /// @param facts that are new; as many known ones are told in new words
  /// @param old questions about what it knew before
  /// @param seeds how often everything is done, with other facts and other first values
  /// @param learners the first is what the others are compared with
  /// @param progress is told what is being done, and which share of all is
  public record Config(
      int facts, int old, int seeds, List<Learner> learners, BiConsumer<String, Double> progress) {
    public Config {
      learners = List.copyOf(learners);
      if (facts < 2 || old < 1 || seeds < 1 || learners.isEmpty()) {
        throw new IllegalArgumentException(
            ("learning takes at least 2 facts, 1 old one, 1 seed and 1 learner, found %d, %d, %d"
                    + " and %d")
                .formatted(facts, old, seeds, learners.size()));
      }
    }

    /// 48 facts, three seeds, all learners.
    public static Config standard(Transformer model) {
      return new Config(48, 300, 3, Learner.all(model), (_, _) -> {});
    }

    public Config withFacts(int facts) {
      return new Config(facts, old, seeds, learners, progress);
    }

    public Config withOld(int old) {
      return new Config(facts, old, seeds, learners, progress);
    }

    public Config withSeeds(int seeds) {
      return new Config(facts, old, seeds, learners, progress);
    }

    public Config withLearners(List<Learner> learners) {
      return new Config(facts, old, seeds, learners, progress);
    }

    /// The same with so many times each learner's epochs.
    public Config withEpochs(double times) {
      return withLearners(
          learners.stream()
              .map(
                  learner -> learner.with(learner.name(), learner.rate(), times * learner.epochs()))
              .toList());
    }

    public Config telling(BiConsumer<String, Double> told) {
      return new Config(facts, old, seeds, learners, told);
    }
  }

  /// Teaches and asks, or goes on where a run in this directory left off.
  ///
  /// @param world the one the model was trained on
  /// @param directory of what was found, `items.jsonl`, and of the trainings
  /// @throws FathomException if the directory holds a run with other settings
  public static LearningResult run(
      Transformer model, Tokenizer tokenizer, World world, Config config, Path directory) {
    long start = System.nanoTime();
    var learning = new Learning(model, tokenizer, world, config);
    try (var items = ItemDirectory.open(directory, learning.settings())) {
      learning.teach(items);
      return learning.result(items, (System.nanoTime() - start) / 1e9);
    }
  }

  private LinkedHashMap<String, String> settings() {
    var settings = new LinkedHashMap<String, String>();
    settings.put("model", model.card().name());
    settings.put("model_sha256", model.card().sha256().get());
    settings.put("dtype", model.card().dtype().toString());
    settings.put("facts", Integer.toString(config.facts));
    settings.put("old", Integer.toString(config.old));
    settings.put("batch_rows", Integer.toString(BATCH_ROWS));
    return settings;
  }

  private Lesson lesson(String name, long seed) {
    return name.equals(NewRelation.NAME)
        ? NewRelation.lesson(world, config.facts, seed)
        : NewWording.lesson(world, config.facts, seed);
  }

  private static List<String> lessons() {
    return List.of(NewRelation.NAME, NewWording.NAME);
  }

  // ---------------------------------------------------------------- teaching

  private static String key(String lesson, String learner, long seed) {
    return "%s, %s, seed %d".formatted(lesson, learner, seed);
  }

  private void teach(ItemDirectory items) {
    requireSameLearners(items);
    int done = 0;
    int all = lessons().size() * config.seeds * (config.learners.size() + 1);
    for (long seed = 1; seed <= config.seeds; seed++) {
      for (String name : lessons()) {
        Lesson lesson = lesson(name, seed);
        String base = key(name, BASE, seed);
        config.progress.accept(base, (double) done++ / all);
        if (!items.has(base)) {
          examine(model, lesson, base, items, item -> reach(item, lesson));
        }
        for (Learner learner : config.learners) {
          String key = key(name, learner.name(), seed);
          config.progress.accept(key, (double) done++ / all);
          if (!items.has(key)) {
            learn(learner, lesson, seed, key, items);
          }
        }
      }
    }
  }

  /// Learners can be added to a run, not changed in it.
  private void requireSameLearners(ItemDirectory items) {
    items.forEach(item -> {
      for (Learner learner : config.learners) {
        String before = item.path("learner").asString("");
        if (item.path("name").asString("").equals(learner.name())
            && !before.equals(learner.toString())) {
          throw new FathomException(
              "%s: holds what %s learnt as %s, but now it is %s; choose another directory"
                  .formatted(items.path(), learner.name(), before, learner));
        }
      }
    });
  }

  private void learn(Learner learner, Lesson lesson, long seed, String key, ItemDirectory items) {
    List<Row> rows =
        lesson.told().stream().map(cloze -> WorldRows.question(cloze, tokenizer)).toList();
    Trainer.Config training =
        Refiner.training(rows.size(), learner.epochs(), BATCH_ROWS, learner.rate()).withWorkers(2);
    Path run = items.path().resolve(key.replaceAll("[^A-Za-z0-9]+", "-"));
    long start = System.nanoTime();
    Refiner.Outcome outcome =
        Refiner.of(model, learner.method(seed), training).run(rows, List.of(), run, _ -> {});
    double seconds = (System.nanoTime() - start) / 1e9;
    try (var tuned = Tuned.of(model, outcome)) {
      examine(
          tuned.speaker(),
          lesson,
          key,
          items,
          item -> {
            item.put("name", learner.name());
            item.put("learner", learner.toString());
            item.put("numbers", outcome.counts().learnt());
            item.put("loss", outcome.log().steps().getLast().loss());
            item.put("seconds", seconds);
          });
    }
    discard(run);
  }

  /// States of trainings are many times as large as what is learnt.
  private static void discard(Path run) {
    try (Stream<Path> files = Files.walk(run)) {
      for (Path file : files.sorted(Collections.reverseOrder()).toList()) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new FathomException(
          "%s: cannot be deleted (%s); what was found is kept".formatted(run, e.getMessage()), e);
    }
  }

  // ---------------------------------------------------------------- asking

  private void examine(
      LanguageModel speaker,
      Lesson lesson,
      String key,
      ItemDirectory items,
      Consumer<ObjectNode> more) {
    String again = bits(speaker, lesson.again());
    String otherwise = bits(speaker, lesson.otherwise());
    String before = bits(speaker, old);
    items.append(
        key,
        item -> {
          item.put("again", again).put("otherwise", otherwise).put("old", before);
          more.accept(item);
        });
  }

  /// A 1 for each question whose answer is the most probable token, otherwise a 0.
  private String bits(LanguageModel speaker, List<Cloze> questions) {
    return Answers.of(speaker, tokenizer, questions).stream()
        .map(answer -> answer.right() ? "1" : "0")
        .collect(Collectors.joining());
  }

  private void reach(ObjectNode item, Lesson lesson) {
    var array = item.putArray("reach");
    for (LensReach reach : LensReach.of(model, tokenizer, lesson.otherwise())) {
      array
          .addObject()
          .put("questions", reach.questions())
          .put("lens", reach.inLens())
          .put("mixture", reach.inMixture())
          .put("lensAmong", reach.inLensAmong())
          .put("mixtureAmong", reach.inMixtureAmong())
          .put("chance", reach.chance())
          .put("rank", reach.rank());
    }
  }

  private static List<LensReach> reach(JsonNode item) {
    var found = new ArrayList<LensReach>();
    for (JsonNode at : item.path("reach")) {
      found.add(
          new LensReach(
              found.size() + 1,
              at.path("questions").asInt(),
              at.path("lens").asInt(),
              at.path("mixture").asInt(),
              at.path("lensAmong").asInt(),
              at.path("mixtureAmong").asInt(),
              at.path("chance").asDouble(),
              at.path("rank").asDouble()));
    }
    return found;
  }

  // ---------------------------------------------------------------- result

  private LearningResult result(ItemDirectory items, double seconds) {
    Map<String, JsonNode> found = new HashMap<>();
    items.forEach(item -> found.put(item.path("key").asString(), item));
    var lessons = new ArrayList<LearningResult.Taught>();
    for (String name : lessons()) {
      var exams = new ArrayList<LearningResult.Exams>();
      exams.add(exams(name, BASE, found));
      for (Learner learner : config.learners) {
        exams.add(exams(name, learner.name(), found));
      }
      var reach = new ArrayList<List<LensReach>>();
      for (long seed = 1; seed <= config.seeds; seed++) {
        reach.add(reach(at(found, key(name, BASE, seed))));
      }
      lessons.add(new LearningResult.Taught(name, exams, reach));
    }
    return new LearningResult(
        Provenances.of(
            model,
            seconds,
            "facts",
            Integer.toString(config.facts),
            "seeds",
            Integer.toString(config.seeds)),
        model.card().parameters(),
        config.learners,
        lessons);
  }

  private LearningResult.Exams exams(String lesson, String learner, Map<String, JsonNode> found) {
    var seeds = new ArrayList<LearningResult.Exam>();
    for (long seed = 1; seed <= config.seeds; seed++) {
      JsonNode item = at(found, key(lesson, learner, seed));
      seeds.add(
          new LearningResult.Exam(
              item.path("again").asString(),
              item.path("otherwise").asString(),
              item.path("old").asString(),
              item.path("numbers").asLong(0),
              item.path("loss").asDouble(Double.NaN),
              item.path("seconds").asDouble(0)));
    }
    return new LearningResult.Exams(learner, seeds);
  }

  private static JsonNode at(Map<String, JsonNode> found, String key) {
    return Objects.requireNonNull(found.get(key), key);
  }
}
