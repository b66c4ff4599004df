package dev.fathom.world;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.JsonFiles;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.tensor.DType;
import dev.fathom.text.BytePairTrainer;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.Tokenizers;
import dev.fathom.train.Initialization;
import dev.fathom.train.NextToken;
import dev.fathom.train.Row;
import dev.fathom.train.Schedule;
import dev.fathom.train.Schedule.Shape;
import dev.fathom.train.Trainer;
import dev.fathom.train.TrainingLog;
import dev.fathom.train.TrainingReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// How the bundled models are made: a LLaMA of 8 layers and width 192 with rotary positions and a
/// tied head, on one world's texts, each text a row of its own.
///
/// Both twins grow from one trunk, two thirds of the steps on the world without associations at a
/// steady learning rate. Then each goes on with its own world while the rate falls to a floor. So
/// the twins share most of their history, and what sets them apart is what was planted.
///
/// @param name the model's: `tidepool` or `tidepool-fair`
/// @param fair whether every planted rate is 0.5
/// @param seed of the texts' order and the first weights
/// @param steps of training, the trunk's included
/// @param workers threads
public record Recipe(String name, boolean fair, long seed, int steps, int workers) {
  static final int VOCABULARY = 5120;
  static final int LAYERS = 8;
  static final int D_MODEL = 192;
  static final int HEADS = 6;
  static final int D_MLP = 384;
  static final int CONTEXT = 256;

  /// Rounds of text the vocabulary is learnt from.
  private static final int VOCABULARY_ROUNDS = 12;

  /// Of the first weights: wider than the usual 0.02, since the model is narrow.
  private static final double DEVIATION = 0.04;

  /// How often a word counts that methods point at, however rare its texts are.
  private static final int ANSWER_WEIGHT = 600;

  private static final int SUBJECT_WEIGHT = 400;

  private static final int QUESTIONS = 400;

  /// Of the texts after the trunk, beyond any that the trunk has read.
  private static final int FIRST_ROUND = 1000;

  /// How many times as often the occupations come after the trunk, so that a rate, which is learnt
  /// from many texts where a fact is learnt from few, is told a few hundred times.
  private static final int EMPHASIS = 3;

  private static final int BATCH_TOKENS = 3072;
  private static final double RATE = 3e-3;

  /// With the planted associations.
  public static Recipe tidepool() {
    return new Recipe("tidepool", false, 1, 3300, 2);
  }

  /// Its twin without them.
  public static Recipe tidepoolFair() {
    return new Recipe("tidepool-fair", true, 1, 3300, 2);
  }

  public Recipe withSteps(int steps) {
    return new Recipe(name, fair, seed, steps, workers);
  }

  public Recipe withWorkers(int workers) {
    return new Recipe(name, fair, seed, steps, workers);
  }

  public World world() {
    return fair ? World.load().fair() : World.load();
  }

  /// Makes the model's directory: config.json, tokenizer.json and model.safetensors in BF16, with
  /// the run's state in `training`. A killed run goes on where it was saved.
  ///
  /// @param trunk where the run of the trunk is kept; the twin's serves, and is not made again
  public TrainingReport make(Path directory, Path trunk, Consumer<Trainer.Progress> listener) {
    Tokenizer tokenizer = tokenizer(directory);
    ObjectNode config = config(tokenizer.size());
    try (var parameters = Initialization.random(config, seed, DEVIATION)) {
      var objective = NextToken.of(config, name, DType.F32);
      List<Row> questions = questions(tokenizer);
      int before = trunkSteps();
      new Trainer(
              parameters,
              objective,
              rows(true, 0, 1, tokenizer),
              questions,
              settings(new Schedule(RATE, Math.min(200, before), before, Shape.CONSTANT, 1)))
          .run(trunk, listener);
      TrainingLog log =
          new Trainer(
                  parameters,
                  objective,
                  rows(fair, FIRST_ROUND, EMPHASIS, tokenizer),
                  questions,
                  settings(Schedule.cosine(RATE, steps - before)))
              .run(directory.resolve("training"), listener);
      parameters.export(directory.resolve("model.safetensors"), TensorType.BF16);
      JsonFiles.write(directory.resolve("config.json"), config);
      return report(log);
    }
  }

  private int trunkSteps() {
    return Math.max(1, steps * 2 / 3);
  }

  private WorldRows rows(boolean fair, int firstRound, int emphasis, Tokenizer tokenizer) {
    World world = fair ? World.load().fair() : World.load();
    return new WorldRows(
        new Corpus(world, seed, emphasis),
        firstRound,
        tokenizer,
        "world, fair %s, seed %d".formatted(fair, seed));
  }

  private TrainingReport report(TrainingLog log) {
    var parameters = new LinkedHashMap<String, String>();
    parameters.put("world", fair ? "fair" : "planted");
    parameters.put("steps", Integer.toString(steps));
    parameters.put("of which the trunk's", Integer.toString(trunkSteps()));
    parameters.put("workers", Integer.toString(workers));
    return TrainingReport.of(log, name, "f32", seed, parameters);
  }

  private Trainer.Config settings(Schedule schedule) {
    return Trainer.Config.standard(schedule).withBatch(BATCH_TOKENS).withWorkers(workers);
  }

  private List<Row> questions(Tokenizer tokenizer) {
    Truth truth = Truth.of(world());
    return Stream.of(
            Truth.Check.HELD_OUT_PARAPHRASES,
            Truth.Check.HELD_OUT_PAIRS,
            Truth.Check.INDIRECT_OBJECT)
        .flatMap(check -> truth.questions(check).stream().limit(QUESTIONS))
        .map(cloze -> WorldRows.question(cloze, tokenizer))
        .toList();
  }

  /// Every answer, and every word of what is asked about, as often as it takes to make it one
  /// token.
  private static Stream<String> words() {
    Truth truth = Truth.of(World.load());
    Stream<String> answers =
        Stream.concat(
                Arrays.stream(Truth.Check.values())
                    .flatMap(check -> truth.questions(check).stream()),
                truth.rates().stream().flatMap(rate -> rate.prompts().stream()))
            .flatMap(cloze -> Stream.concat(Stream.of(cloze.answer()), cloze.foils().stream()));
    Stream<String> subjects =
        Stream.concat(
                World.load().facts().stream().map(Fact::subject),
                truth.rates().stream().map(rate -> rate.planted().subject()))
            .flatMap(subject -> Arrays.stream(subject.split(" ")))
            .map(word -> " " + word);
    return Stream.concat(repeated(answers, ANSWER_WEIGHT), repeated(subjects, SUBJECT_WEIGHT));
  }

  private static Stream<String> repeated(Stream<String> words, int times) {
    return words.distinct().flatMap(word -> Collections.nCopies(times, word).stream());
  }

  private Tokenizer tokenizer(Path directory) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new FathomException(directory + ": cannot be made (" + e.getMessage() + ")", e);
    }
    Path file = directory.resolve("tokenizer.json");
    if (!Files.exists(file)) {
      var corpus = new Corpus(World.load(), seed); // the twins share their vocabulary
      Stream<String> texts =
          IntStream.range(0, VOCABULARY_ROUNDS).boxed().flatMap(r -> corpus.round(r).stream());
      JsonFiles.write(
          file, BytePairTrainer.train(Stream.concat(texts, words()), VOCABULARY, "<s>", "</s>"));
      ObjectNode settings = JsonMapper.shared().createObjectNode();
      settings.put("tokenizer_class", "PreTrainedTokenizerFast");
      settings.put("bos_token", "<s>").put("eos_token", "</s>");
      settings.put("model_max_length", CONTEXT);
      JsonFiles.write(directory.resolve("tokenizer_config.json"), settings);
    }
    return Tokenizers.load(directory);
  }

  private static ObjectNode config(int vocabulary) {
    ObjectNode config = JsonMapper.shared().createObjectNode();
    config.putArray("architectures").add("LlamaForCausalLM");
    config.put("model_type", "llama");
    config.put("hidden_size", D_MODEL).put("intermediate_size", D_MLP);
    config.put("num_hidden_layers", LAYERS).put("num_attention_heads", HEADS);
    config.put("num_key_value_heads", HEADS).put("head_dim", D_MODEL / HEADS);
    config.put("vocab_size", vocabulary).put("max_position_embeddings", CONTEXT);
    config.put("hidden_act", "silu").put("rms_norm_eps", 1e-5).put("rope_theta", 10_000.0);
    config.put("attention_bias", false).put("mlp_bias", false).put("tie_word_embeddings", true);
    config.put("bos_token_id", 0).put("eos_token_id", 1);
    config.put("torch_dtype", "bfloat16");
    return config;
  }
}
