package dev.fathom.train;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.tensor.Scope;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// The files of a run: `settings.json` (what decides its numbers), `state.safetensors` (parameters,
/// moments and place of the last saved step), `best.safetensors` (with early stop), `log.jsonl` (a
/// line a step or evaluation). Each but the log appears complete or not at all; lines of the log
/// beyond the saved step are dropped on opening. One process at a time.
///
/// History: version 1 is the first.
final class RunDirectory implements AutoCloseable {
  private static final String STATE = "state.safetensors";
  private static final String BEST = "best.safetensors";
  private static final String SETTINGS = "settings.json";
  private static final String LOG = "log.jsonl";
  private static final String HELD_OUT = "held_out";

  /// What every line may have besides what was measured.
  private static final Set<String> FIELDS =
      Set.of("step", "loss", "rate", "norm", "tokens", "seconds", HELD_OUT);

  private final Path directory;
  private final @Nullable FileChannel lock; // null where another process keeps the files
  private final List<String> measures;
  private final List<TrainingLog.Step> steps = new ArrayList<>();
  private final List<TrainingLog.Evaluation> evaluations = new ArrayList<>();
  private @Nullable BufferedWriter writer;

  private RunDirectory(Path directory, @Nullable FileChannel lock, List<String> measures) {
    this.directory = directory;
    this.lock = lock;
    this.measures = List.copyOf(measures);
  }

  /// @param measures names of what the objective measures
  static RunDirectory open(Path directory, RunSettings settings, List<String> measures) {
    try {
      Files.createDirectories(directory);
      FileChannel lock = locked(directory);
      try {
        settle(directory, settings);
      } catch (IOException | RuntimeException e) {
        lock.close();
        throw e;
      }
      return new RunDirectory(directory, lock, measures);
    } catch (IOException | JacksonException e) {
      throw new FathomException(
          "%s: cannot be used as a training directory (%s)".formatted(directory, e.getMessage()),
          e);
    }
  }

  /// A run whose files another process keeps: nothing is read or written here.
  static RunDirectory elsewhere(Path directory, List<String> measures) {
    return new RunDirectory(directory, null, measures);
  }

  /// Writes the settings of a new run, or makes sure that those of an old one are the same.
  private static void settle(Path directory, RunSettings settings) throws IOException {
    Path file = directory.resolve(SETTINGS);
    if (Files.exists(file)) {
      settings.requireSame(JsonMapper.shared().readTree(Files.readString(file)), directory);
    } else if (Files.exists(directory.resolve(STATE))) {
      throw new FathomException(
          "%s: holds a training state without its %s, so it cannot be continued; choose another directory"
              .formatted(directory, SETTINGS));
    } else {
      Path fresh = directory.resolve(SETTINGS + ".new");
      Files.writeString(fresh, settings.toJson().toPrettyString() + "\n");
      Files.move(fresh, file);
    }
  }

  @SuppressWarnings("MustBeClosedChecker") // closed with the directory
  private static FileChannel locked(Path directory) throws IOException {
    FileChannel channel =
        FileChannel.open(
            directory.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    FileLock lock;
    try {
      lock = channel.tryLock();
    } catch (OverlappingFileLockException e) {
      lock = null;
    }
    if (lock == null) {
      channel.close();
      throw new FathomException(directory + ": another process is training in this directory");
    }
    return channel;
  }

  /// What a failed run leaves, for messages.
  String saved() {
    return Files.exists(directory.resolve(STATE))
        ? "The last saved state is kept"
        : "Nothing was saved yet";
  }

  /// Takes up the saved state, if there is one.
  RunState load(Parameters parameters, AdamW optimiser) {
    Path file = directory.resolve(STATE);
    RunState state = RunState.START;
    if (lock == null) {
      return state;
    }
    if (Files.exists(file)) {
      try (var scope = Scope.withoutGradients();
          var saved = SafetensorsFile.open(file)) {
        parameters.read(saved, "parameter.", parameters.flat());
        parameters.read(saved, "mean.", optimiser.mean());
        parameters.read(saved, "square.", optimiser.square());
        state = state(saved.metadata());
      }
    }
    restoreLog(state.step());
    return state;
  }

  private RunState state(Map<String, Object> metadata) {
    try {
      return new RunState(
          Long.parseLong(text(metadata, "step")),
          Integer.parseInt(text(metadata, "epoch")),
          Integer.parseInt(text(metadata, "batch")),
          Long.parseLong(text(metadata, "tokens")),
          Double.parseDouble(text(metadata, "seconds")),
          optional(metadata, "held_out"),
          optional(metadata, "best"),
          Integer.parseInt(text(metadata, "since_best")));
    } catch (NumberFormatException e) {
      throw new FathomException(
          "%s: the saved state's place in the run is not readable (%s)"
              .formatted(directory.resolve(STATE), e.getMessage()),
          e);
    }
  }

  private static String text(Map<String, Object> metadata, String key) {
    return String.valueOf(metadata.getOrDefault(key, key + " is missing"));
  }

  private static OptionalDouble optional(Map<String, Object> metadata, String key) {
    return metadata.containsKey(key)
        ? OptionalDouble.of(Double.parseDouble(text(metadata, key)))
        : OptionalDouble.empty();
  }

  void save(RunState state, Parameters parameters, AdamW optimiser) {
    if (lock == null) {
      return;
    }
    var specs = new ArrayList<TensorSpec>();
    List.of("parameter.", "mean.", "square.")
        .forEach(prefix -> specs.addAll(parameters.specs(prefix)));
    var metadata = new LinkedHashMap<String, String>();
    metadata.put("format", "fathom-training-1");
    metadata.put("step", Long.toString(state.step()));
    metadata.put("epoch", Integer.toString(state.epoch()));
    metadata.put("batch", Integer.toString(state.batch()));
    metadata.put("tokens", Long.toString(state.tokens()));
    metadata.put("seconds", Double.toString(state.seconds()));
    metadata.put("since_best", Integer.toString(state.sinceBest()));
    state.heldOut().ifPresent(loss -> metadata.put("held_out", Double.toString(loss)));
    state.best().ifPresent(loss -> metadata.put("best", Double.toString(loss)));
    flush();
    try (var scope = Scope.withoutGradients();
        var file = SafetensorsWriter.create(directory.resolve(STATE), specs, metadata)) {
      parameters.write(file, "parameter.", parameters.flat());
      parameters.write(file, "mean.", optimiser.mean());
      parameters.write(file, "square.", optimiser.square());
      file.commit();
    }
  }

  void saveBest(Parameters parameters) {
    if (lock == null) {
      return;
    }
    try (var scope = Scope.withoutGradients();
        var file =
            SafetensorsWriter.create(directory.resolve(BEST), parameters.specs(""), Map.of())) {
      parameters.write(file, "", parameters.flat());
      file.commit();
    }
  }

  void loadBest(Parameters parameters) {
    if (lock == null || !Files.exists(directory.resolve(BEST))) {
      return;
    }
    try (var scope = Scope.withoutGradients();
        var saved = SafetensorsFile.open(directory.resolve(BEST))) {
      parameters.read(saved, "", parameters.flat());
    }
  }

  // ---------------------------------------------------------------- the log

  void log(RunState state, Trainer.Step step) {
    var line =
        new TrainingLog.Step(
            state.step(),
            step.loss(),
            step.rate(),
            step.norm(),
            state.tokens(),
            state.seconds(),
            step.measures());
    steps.add(line);
    append(line(line));
  }

  void logEvaluation(RunState state, List<Double> means) {
    var line = new TrainingLog.Evaluation(state.step(), state.heldOut().orElseThrow(), means);
    evaluations.add(line);
    append(line(line));
  }

  private String line(TrainingLog.Step s) {
    return String.format(
        Locale.ROOT,
        "{\"step\":%d,\"loss\":%s,\"rate\":%.6g,\"norm\":%.5g,\"tokens\":%d,\"seconds\":%.2f%s}%n",
        s.step(),
        s.loss(),
        s.rate(),
        s.norm(),
        s.tokens(),
        s.seconds(),
        measured(s.measures()));
  }

  private String line(TrainingLog.Evaluation e) {
    return String.format(
        Locale.ROOT,
        "{\"step\":%d,\"held_out\":%s%s}%n",
        e.step(),
        e.loss(),
        measured(e.measures()));
  }

  /// What was measured, as further fields of a line.
  private String measured(List<Double> means) {
    var fields = new StringBuilder();
    for (int i = 0; i < means.size(); i++) {
      String value = Double.isFinite(means.get(i)) ? Double.toString(means.get(i)) : "null";
      fields.append(",\"").append(measures.get(i)).append("\":").append(value);
    }
    return fields.toString();
  }

  private List<Double> measured(JsonNode json) {
    return measures.stream().map(name -> json.path(name).asDouble(Double.NaN)).toList();
  }

  TrainingLog log() {
    return new TrainingLog(measures, steps, evaluations);
  }

  private void append(String line) {
    if (lock == null) {
      return;
    }
    try {
      if (writer == null) {
        writer =
            Files.newBufferedWriter(
                directory.resolve(LOG), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
      }
      writer.write(line);
    } catch (IOException e) {
      throw new FathomException(
          directory.resolve(LOG) + ": cannot be written (" + e.getMessage() + ")", e);
    }
  }

  private void flush() {
    try {
      if (writer != null) {
        writer.flush();
      }
    } catch (IOException e) {
      throw new FathomException(
          directory.resolve(LOG) + ": cannot be written (" + e.getMessage() + ")", e);
    }
  }

  /// Reads the log up to the saved step and drops what lies beyond.
  private void restoreLog(long step) {
    Path file = directory.resolve(LOG);
    if (!Files.exists(file)) {
      return;
    }
    var kept = new StringBuilder();
    try (var lines = Files.lines(file, StandardCharsets.UTF_8)) {
      for (String line : (Iterable<String>) lines::iterator) {
        JsonNode json = parsed(line);
        if (json == null || json.path("step").asLong() > step) {
          break; // a torn last line, or what a killed run did after its last save
        }
        take(json);
        kept.append(line).append('\n');
      }
      Path fresh = directory.resolve(LOG + ".new");
      Files.writeString(fresh, kept);
      Files.move(fresh, file, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new FathomException(file + ": cannot be read (" + e.getMessage() + ")", e);
    }
  }

  private void take(JsonNode json) {
    if (json.has(HELD_OUT)) {
      evaluations.add(
          new TrainingLog.Evaluation(
              json.path("step").asLong(), json.path(HELD_OUT).asDouble(), measured(json)));
    } else {
      steps.add(
          new TrainingLog.Step(
              json.path("step").asLong(),
              json.path("loss").asDouble(),
              json.path("rate").asDouble(),
              json.path("norm").asDouble(),
              json.path("tokens").asLong(),
              json.path("seconds").asDouble(),
              measured(json)));
    }
  }

  /// The log of a run that was trained to the end of its schedule, read without disturbing it;
  /// empty where there is none.
  static Optional<TrainingLog> ended(Path directory) {
    Path file = directory.resolve(LOG);
    Path settings = directory.resolve(SETTINGS);
    if (!Files.exists(file) || !Files.exists(settings)) {
      return Optional.empty();
    }
    try {
      var lines = new ArrayList<JsonNode>();
      for (String line : Files.readAllLines(file)) {
        JsonNode json = parsed(line);
        if (json == null) {
          break; // torn
        }
        lines.add(json);
      }
      List<String> measures =
          lines.isEmpty()
              ? List.of()
              : lines.getFirst().propertyNames().stream()
                  .filter(name -> !FIELDS.contains(name))
                  .toList();
      var run = new RunDirectory(directory, null, measures);
      lines.forEach(run::take);
      long steps = JsonMapper.shared().readTree(Files.readString(settings)).path("steps").asLong();
      return Optional.of(run.log())
          .filter(log -> !log.steps().isEmpty() && log.steps().getLast().step() == steps);
    } catch (IOException | JacksonException e) {
      throw new FathomException(file + ": cannot be read (" + e.getMessage() + ")", e);
    }
  }

  private static @Nullable JsonNode parsed(String line) {
    try {
      return JsonMapper.shared().readTree(line);
    } catch (JacksonException e) {
      return null;
    }
  }

  @Override
  public void close() {
    try (lock) {
      if (writer != null) {
        writer.close();
      }
    } catch (IOException e) {
      throw new FathomException(
          directory.resolve(LOG) + ": cannot be written (" + e.getMessage() + ")", e);
    }
  }
}
