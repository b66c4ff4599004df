package dev.fathom.refine;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Card;
import dev.fathom.edit.Edit;
import dev.fathom.edit.EditFile;
import dev.fathom.edit.Edits;
import dev.fathom.evaluate.Provenances;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.train.AdamW;
import dev.fathom.train.Parameters;
import dev.fathom.train.Peers;
import dev.fathom.train.Row;
import dev.fathom.train.Schedule;
import dev.fathom.train.Trainer;
import dev.fathom.train.TrainingLog;
import dev.fathom.train.TrainingSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Refines a model on rows of tokens: trains what a [Refinement] says and writes what was learnt as
/// small files, an edit and a mixture.
///
/// ```java
/// var method = Refinement.Config.of(List.of(Lora.standard(model)), Mod.Config.dense(3));
/// Refiner.Outcome outcome =
///     Refiner.of(model, method, Refiner.training(rows.size(), 2)).run(rows, heldOut, directory, p -> {});
/// ```
///
/// The directory holds the run (a killed one goes on where it was saved) and, at its end,
/// `lora.safetensors` and `mod.safetensors`, whichever there is to be.
public final class Refiner {
  /// What was learnt below the mixture.
  public static final String LORA = "lora.safetensors";

  /// The mixture.
  public static final String MOD = "mod.safetensors";

  private final Transformer model;
  private final Refinement.Config method;
  private final Trainer.Config training;
  private final Peers peers;
  private final Optional<Streams> streams;

  /// Where streams are kept that several runs share.
  ///
  /// @param late so many of the last rows
  private record Streams(Path file, int late) {}

  private Refiner(
      Transformer model,
      Refinement.Config method,
      Trainer.Config training,
      Peers peers,
      Optional<Streams> streams) {
    this.model = model;
    this.method = method;
    this.training = training;
    this.peers = peers;
    this.streams = streams;
  }

  public static Refiner of(Transformer model, Refinement.Config method, Trainer.Config training) {
    return new Refiner(model, method, training, Peers.ALONE, Optional.empty());
  }

  /// The same, sharing each batch with other processes.
  public Refiner with(Peers peers) {
    return new Refiner(model, method, training, peers, streams);
  }

  /// The same with the streams of a mixture alone in this file, for runs on the same rows to share.
  ///
  /// @param late the most late layers that any of them mixes
  public Refiner withStreams(Path file, int late) {
    return new Refiner(model, method, training, peers, Optional.of(new Streams(file, late)));
  }

  /// The recipe of LLM-Adapters: batches of 16 rows, AdamW at 3e-4 without weight decay, warm-up
  /// over 100 steps but at most a tenth of all, then down to 0 in a line, gradients clipped at 1.
  ///
  /// @param rows to learn from
  /// @param epochs times that each is learnt
  public static Trainer.Config training(int rows, double epochs) {
    return training(rows, epochs, 16, 3e-4);
  }

  /// The same with other batches and another rate.
  public static Trainer.Config training(int rows, double epochs, int batchRows, double rate) {
    if (rows < 1 || !(epochs > 0)) {
      throw new IllegalArgumentException(
          "there must be rows to learn from, and more than 0 epochs, found %d and %s"
              .formatted(rows, epochs));
    }
    long steps = Math.max(1, Math.round(epochs * Math.ceilDiv(rows, batchRows)));
    long warmup = Math.min(100, steps / 10);
    return Trainer.Config.standard(new Schedule(rate, warmup, steps, Schedule.Shape.LINEAR, 0))
        .withBatchRows(batchRows)
        .withPieces(1024)
        .withAdam(new AdamW.Config(0.9, 0.999, 1e-8, 0))
        .evaluatingEvery((int) Math.max(1, steps / 8))
        .savingEvery(50);
  }

  /// What came of it.
  ///
  /// @param lora the steps that were learnt; empty for a mixture alone
  /// @param mod the mixture's file; empty without one
  /// @param counts what was learnt, in numbers
  public record Outcome(
      TrainingLog log, Optional<Edit> lora, Optional<Path> mod, ParameterCount counts) {}

  /// Trains to the end in a folder that is deleted afterwards: for short runs, of which a killed
  /// one begins anew.
  ///
  /// @return the steps that were learnt
  /// @throws dev.fathom.FathomException as [Trainer#run], or if there is no room for the folder
  public Edit once(List<Row> rows) {
    Path folder = temporary();
    try {
      return run(rows, List.of(), folder, _ -> {}).lora().orElseThrow();
    } finally {
      delete(folder);
    }
  }

  private static Path temporary() {
    try {
      return Files.createTempDirectory("fathom-refine");
    } catch (IOException e) {
      throw new FathomException("no temporary folder can be made (" + e.getMessage() + ")", e);
    }
  }

  private static void delete(Path folder) {
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path path : all.toList().reversed()) { // what is in a folder before it
        Files.delete(path);
      }
    } catch (IOException e) {
      throw new FathomException(folder + ": cannot be deleted (" + e.getMessage() + ")", e);
    }
  }

  /// Trains to the end, or from where a run in this directory left off.
  ///
  /// @param heldOut rows that are only evaluated
  /// @throws dev.fathom.FathomException as [Trainer#run]
  public Outcome run(
      List<Row> rows, List<Row> heldOut, Path directory, Consumer<Trainer.Progress> listener) {
    Refinement live = Refinement.of(model, method);
    try (CachedStreams streams = streams(live, rows, heldOut, directory);
        var parameters = live.parameters()) {
      Refinement objective = streams == null ? live : live.over(streams);
      var log =
          new Trainer(
                  parameters,
                  objective,
                  TrainingSet.shuffled(rows, method.seed()),
                  heldOut,
                  training)
              .with(peers)
              .run(directory, listener);
      return outcome(parameters, log, TrainingSet.digest(rows), directory);
    }
  }

  /// Without LoRA the streams never change: they are computed once.
  private @Nullable CachedStreams streams(
      Refinement refinement, List<Row> rows, List<Row> heldOut, Path directory) {
    if (!method.loras().isEmpty()) {
      return null;
    }
    var all = new ArrayList<>(rows);
    all.addAll(heldOut);
    String name = peers.first() ? "streams.safetensors" : "streams-" + peers.rank();
    Streams kept = streams.orElse(new Streams(directory.resolve(name), refinement.late()));
    int late = Math.min(model.layers(), Math.max(kept.late, refinement.late()));
    return CachedStreams.of(model, all, late, kept.file, _ -> {});
  }

  private Outcome outcome(Parameters parameters, TrainingLog log, String data, Path directory) {
    try (var scope = Scope.withoutGradients()) {
      return saved(parameters, log, data, directory);
    }
  }

  private Outcome saved(Parameters parameters, TrainingLog log, String data, Path directory) {
    var counts = ParameterCount.of(model, method);
    Optional<Edit> lora = Optional.empty();
    if (!method.loras().isEmpty()) {
      Card card = card("lora", model, data);
      lora =
          Optional.of(
              new Edit("lora", card, Lora.changes(model, method.loras(), parameters.tensors()), 1));
      if (peers.first()) {
        EditFile.write(directory.resolve(LORA), lora.get());
      }
    }
    Optional<Path> mod = Optional.empty();
    if (method.mod().isPresent()) {
      mod = Optional.of(directory.resolve(MOD));
      if (peers.first()) {
        try (Transformer edited = Edits.apply(model, lora.stream().toList())) {
          Mod.save(
              mod.get(),
              edited,
              method.mod().get(),
              parameters.tensors(),
              card(Mod.KIND, edited, data));
        }
      }
    }
    return new Outcome(log, lora, mod, counts);
  }

  private Card card(String kind, Transformer base, String data) {
    var parameters = new LinkedHashMap<String, String>();
    parameters.putAll(settings());
    return Card.of(
            kind.equals(Mod.KIND) ? Mod.KIND : "edit",
            kind,
            base.card().name(),
            base.card().sha256().get())
        .withParameters(parameters)
        .withSeed(method.seed())
        .withData(data);
  }

  /// The curves of a run.
  public RefinementReport report(Outcome outcome) {
    var provenance =
        Provenances.of(
            model,
            outcome.log().steps().isEmpty() ? 0 : outcome.log().steps().getLast().seconds(),
            settings().entrySet().stream()
                .flatMap(entry -> Stream.of(entry.getKey(), entry.getValue()))
                .toArray(String[]::new));
    return new RefinementReport(provenance, outcome.log(), outcome.counts());
  }

  /// What decided the run, by name.
  public SequencedMap<String, String> settings() {
    var settings = new LinkedHashMap<String, String>();
    for (int i = 0; i < method.loras().size(); i++) {
      settings.put(i == 0 ? "lora" : "lora " + (i + 1), method.loras().get(i).summary());
    }
    method
        .mod()
        .ifPresent(mod -> {
          settings.putAll(mod.parameters());
          settings.put("lambda", Double.toString(method.distillation().weight()));
          settings.put("divergence", method.distillation().divergence().toString());
          settings.put("distilled share", Double.toString(method.distillation().share()));
        });
    settings.put("steps", Long.toString(training.schedule().steps()));
    settings.put("batch rows", Integer.toString(training.batchRows()));
    settings.put("learning rate", Double.toString(training.schedule().peak()));
    return settings;
  }
}
