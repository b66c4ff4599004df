package dev.fathom.bench;

import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.checkpoint.Checkpoint;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Memory;
import dev.fathom.tensor.Threads;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.Tokenizers;
import dev.fathom.train.AdamW;
import dev.fathom.train.Initialization;
import dev.fathom.train.NextToken;
import dev.fathom.train.Parameters;
import dev.fathom.train.Row;
import dev.fathom.train.Schedule;
import dev.fathom.train.Trainer;
import dev.fathom.train.TrainingLog;
import dev.fathom.train.TrainingSet;
import dev.fathom.world.Corpus;
import dev.fathom.world.World;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Times the training of tidepool from fresh weights on fixed batches, so that another program can
/// take the same steps and be compared: `prepare DIR` writes the weights and the batches, `run DIR
/// f32|bf16 THREADS OUT.json` takes the steps.
///
/// The speed is that of the median step after the first three; the losses of all steps are written
/// too, to see that both programs did the same.
public final class TrainingSpeed {
  private static final int BATCH_TOKENS = 4096;
  private static final int STEPS = 15;
  private static final int WARM_UP = 3;
  private static final JsonMapper JSON = JsonMapper.shared();

  private TrainingSpeed() {}

  public static void main(String[] words) throws IOException {
    switch (words.length == 0 ? "" : words[0]) {
      case "prepare" -> prepare(Path.of(words[1]));
      case "run" ->
          run(
              Path.of(words[1]),
              words[2].equals("bf16") ? DType.BF16 : DType.F32,
              Integer.parseInt(words[3]),
              Path.of(words[4]));
      default -> {
        System.err.println("usage: prepare DIR | run DIR f32|bf16 THREADS OUT.json");
        System.exit(2);
      }
    }
  }

  private static void prepare(Path directory) throws IOException {
    Files.createDirectories(directory);
    Path own = Bundled.TIDEPOOL.directory(Bundled.userCache());
    Tokenizer tokenizer = Tokenizers.load(own);
    ObjectNode config = (ObjectNode) JSON.readTree(own.resolve("config.json").toFile());
    Files.writeString(directory.resolve("config.json"), config.toPrettyString());
    try (var parameters = Initialization.random(config, 1, 0.04)) {
      parameters.export(directory.resolve("model.safetensors"), TensorType.F32);
    }
    ArrayNode batches = JSON.createArrayNode();
    var texts = new Corpus(World.load(), 1).round(0).iterator();
    for (int step = 0; step < STEPS; step++) {
      ArrayNode batch = batches.addArray();
      int tokens = 0;
      while (tokens < BATCH_TOKENS) {
        int[] ids = tokenizer.encode(texts.next()).ids();
        ArrayNode row = batch.addArray();
        Arrays.stream(ids).forEach(row::add);
        tokens += ids.length;
      }
    }
    Files.writeString(directory.resolve("batches.json"), batches.toString());
  }

  private static void run(Path directory, DType dtype, int threads, Path out) throws IOException {
    Threads.set(threads);
    List<List<Row>> batches = batches(directory.resolve("batches.json"));
    ObjectNode config = (ObjectNode) JSON.readTree(directory.resolve("config.json").toFile());
    Path scratch = Files.createTempDirectory("fathom-training-speed");
    try (var checkpoint = Checkpoint.open(directory);
        var parameters = Parameters.of(checkpoint, DType.F32)) {
      var objective = new NextToken(p -> Models.over(config, "speed", p, dtype), dtype.toString());
      var settings =
          new Trainer.Config(
              0,
              BATCH_TOKENS,
              BATCH_TOKENS,
              threads,
              new Schedule(1e-3, 0, STEPS, Schedule.Shape.CONSTANT, 1),
              new AdamW.Config(0.9, 0.95, 1e-8, 0.1),
              1,
              STEPS,
              0,
              10 * STEPS);
      TrainingLog log =
          new Trainer(parameters, objective, oneAnEpoch(batches), List.of(), settings)
              .run(scratch, _ -> {});
      Files.writeString(out, json(log, batches).toString());
    } finally {
      try (Stream<Path> files = Files.walk(scratch)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
  }

  private static List<List<Row>> batches(Path file) {
    var batches = new ArrayList<List<Row>>();
    for (var batch : JSON.readTree(file.toFile())) {
      var rows = new ArrayList<Row>();
      for (var row : batch) {
        int[] ids = new int[row.size()];
        for (int i = 0; i < ids.length; i++) {
          ids[i] = row.get(i).asInt();
        }
        rows.add(Row.of(ids));
      }
      batches.add(rows);
    }
    return batches;
  }

  private static TrainingSet oneAnEpoch(List<List<Row>> batches) {
    return new TrainingSet() {
      @Override
      public List<Row> epoch(int number) {
        return batches.get(number % batches.size());
      }

      @Override
      public String fingerprint() {
        return "fixed";
      }
    };
  }

  private static ObjectNode json(TrainingLog log, List<List<Row>> batches) {
    ObjectNode json = JSON.createObjectNode();
    ArrayNode losses = json.putArray("losses");
    log.steps().forEach(step -> losses.add(step.loss()));
    double[] speeds = new double[STEPS - WARM_UP];
    for (int i = WARM_UP; i < STEPS; i++) {
      TrainingLog.Step now = log.steps().get(i);
      TrainingLog.Step before = log.steps().get(i - 1);
      speeds[i - WARM_UP] = (now.tokens() - before.tokens()) / (now.seconds() - before.seconds());
    }
    Arrays.sort(speeds);
    json.put("tokens_per_second", speeds[speeds.length / 2]);
    json.put("peak_bytes", Memory.peakBytes());
    return json;
  }
}
