package dev.fathom.align.baseline;

import dev.fathom.Sha256;
import dev.fathom.align.Fitting;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.model.Linears.Role;
import dev.fathom.model.Transformer;
import dev.fathom.refine.Lora;
import dev.fathom.refine.Refinement;
import dev.fathom.refine.Refiner;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Tokenizer;
import dev.fathom.train.AdamW;
import dev.fathom.train.Row;
import dev.fathom.train.Schedule;
import dev.fathom.train.Trainer;
import dev.fathom.train.TrainingSet;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;

/// How a baseline learns texts: low-rank steps beside some maps ([Lora]) from the next tokens of
/// rows of at most 128 tokens, 8 rows a step, AdamW, warm-up over a tenth of the steps, then down
/// to 0 in a line.
///
/// A run is kept in the fitting's cache under a name made of all that decides it: methods that
/// learn the same share it, and a killed one goes on where it was saved.
///
/// @param steps at most
/// @param epochs times that each row is learnt, at most
/// @param rate the highest learning rate
/// @param rank of the steps; their factor is 2
/// @param dropout on what the steps read
public record Tuning(int steps, double epochs, double rate, int rank, double dropout) {
  private static final int BATCH_ROWS = 8;
  private static final int ROW_TOKENS = 128;

  public Tuning {
    if (steps < 1 || !(epochs > 0) || !(rate > 0) || rank < 1 || !(dropout >= 0 && dropout < 1)) {
      throw new IllegalArgumentException(
          "learning takes steps, epochs, a rate and a rank above 0 and a dropout from 0 to below 1, found %d, %s, %s, %d and %s"
              .formatted(steps, epochs, rate, rank, dropout));
    }
  }

  /// At most 200 steps and 3 epochs, at 3e-4, of rank 8, without dropout.
  public static Tuning standard() {
    return new Tuning(200, 3, 3e-4, 8, 0);
  }

  public Tuning withSteps(int steps) {
    return new Tuning(steps, epochs, rate, rank, dropout);
  }

  public Tuning withEpochs(double epochs) {
    return new Tuning(steps, epochs, rate, rank, dropout);
  }

  public Tuning withDropout(double dropout) {
    return new Tuning(steps, epochs, rate, rank, dropout);
  }

  /// Texts one behind another, each with an end token where the tokenizer has one, cut into rows.
  static List<Row> rows(Tokenizer tokenizer, List<String> texts, int length) {
    var ids = new ArrayList<Integer>();
    for (String text : texts) {
      for (int id : tokenizer.encode(text, SpecialTokens.NONE).ids()) {
        ids.add(id);
      }
      tokenizer.specials().eos().ifPresent(ids::add);
    }
    var rows = new ArrayList<Row>();
    for (int from = 0; from + 1 < ids.size(); from += length) {
      List<Integer> part = ids.subList(from, Math.min(ids.size(), from + length));
      if (part.size() > 1) {
        rows.add(Row.of(part.stream().mapToInt(Integer::intValue).toArray()));
      }
    }
    return rows;
  }

  /// Learns texts, in an order drawn with the fitting's seed.
  ///
  /// @param targets which maps learn
  /// @throws IllegalArgumentException if the model does not predict next tokens, or there is
  ///   nothing to learn
  Edit run(Fitting fitting, List<String> texts, Set<Role> targets) {
    Transformer model = fitting.model();
    if (!model.card().causal()) {
      throw new IllegalArgumentException(
          "learning texts takes a causal model, but %s is an encoder"
              .formatted(model.card().name()));
    }
    var order = new ArrayList<>(texts);
    Collections.shuffle(order, new Random(fitting.seed()));
    List<Row> all = rows(fitting.tokenizer(), order, Math.min(ROW_TOKENS, model.card().context()));
    if (all.isEmpty()) {
      throw new IllegalArgumentException("there is no text to learn");
    }
    List<Row> rows = all.subList(0, (int) Math.min(all.size(), (long) steps * BATCH_ROWS));
    Lora lora =
        Lora.standard(model).withTargets(targets).withRank(rank, 2.0 * rank).withDropout(dropout);
    var method = Refinement.Config.of(List.of(lora)).watching(1, 0).withSeed(fitting.seed());
    Refiner refiner = Refiner.of(model, method, training(rows.size()));
    if (fitting.cache().isPresent()) {
      return learnt(
          refiner, rows, fitting.cache().get().resolve("tuned-" + key(fitting, lora, rows)));
    }
    return refiner.once(rows);
  }

  private static Edit learnt(Refiner refiner, List<Row> rows, Path directory) {
    return refiner.run(rows, List.of(), directory, _ -> {}).lora().orElseThrow();
  }

  private Trainer.Config training(int rows) {
    long wanted = Math.round(Math.ceil(epochs * Math.ceilDiv(rows, BATCH_ROWS)));
    long taken = Math.min(steps, wanted);
    var schedule = new Schedule(rate, taken / 10, taken, Schedule.Shape.LINEAR, 0);
    return Trainer.Config.standard(schedule)
        .withBatchRows(BATCH_ROWS)
        .withPieces(BATCH_ROWS * ROW_TOKENS)
        .withAdam(new AdamW.Config(0.9, 0.999, 1e-8, 0))
        .savingEvery(50);
  }

  /// Tells runs from others: hexadecimal digits.
  private String key(Fitting fitting, Lora lora, List<Row> rows) {
    String all =
        String.join(
            "\n",
            fitting.model().card().sha256().get(),
            fitting.model().card().dtype().name(),
            lora.summary(),
            training(rows.size()).toString(),
            TrainingSet.digest(rows),
            Long.toString(fitting.seed()));
    return Sha256.of(all).substring(0, 16);
  }

  /// The changes of an edit of low-rank steps, so many times as strong.
  static List<Change> times(Edit edit, double strength) {
    return edit.changes().stream()
        .<Change>map(change ->
            change instanceof Change.LowRank step
                ? new Change.LowRank(
                    step.tensor(), step.from(), step.a(), step.b(), strength * step.factor())
                : change)
        .toList();
  }
}
