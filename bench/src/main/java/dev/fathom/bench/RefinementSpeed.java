package dev.fathom.bench;

import dev.fathom.arch.Models;
import dev.fathom.model.Transformer;
import dev.fathom.refine.Distillation;
import dev.fathom.refine.Lora;
import dev.fathom.refine.Mod;
import dev.fathom.refine.Refinement;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Memory;
import dev.fathom.tensor.Threads;
import dev.fathom.train.AdamW;
import dev.fathom.train.Row;
import dev.fathom.train.Schedule;
import dev.fathom.train.Trainer;
import dev.fathom.train.TrainingSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// Times steps of refinement, 4 rows of 128 tokens, rank 8: `MODEL f32|bf16
/// lora|mod|mod-sample|mod-all THREADS OUT.json`. The rows are those that bench/peer/refine_step.py
/// makes, so that the losses of both can be compared.
public final class RefinementSpeed {
  private static final int STEPS = 7;
  private static final int ROWS = 4;
  private static final int TOKENS = 128;
  private static final int LATE = 3;

  private RefinementSpeed() {}

  public static void main(String[] words) throws IOException {
    if (words.length != 5) {
      System.err.println("usage: MODEL f32|bf16 lora|mod|mod-sample|mod-all THREADS OUT.json");
      System.exit(2);
    }
    int threads = Integer.parseInt(words[3]);
    Threads.set(threads);
    DType dtype = words[1].equals("bf16") ? DType.BF16 : DType.F32;
    Path scratch = Files.createTempDirectory("fathom-refinement-speed");
    try (Transformer model = Models.load(Path.of(words[0]), dtype)) {
      var refinement = Refinement.of(model, config(model, words[2]));
      try (var parameters = refinement.parameters()) {
        var seconds = new ArrayList<Double>();
        var losses = new ArrayList<Double>();
        long[] before = {System.nanoTime()};
        new Trainer(parameters, refinement, rows(model.outputs()), List.of(), settings(threads))
            .run(
                scratch,
                now -> {
                  seconds.add((System.nanoTime() - before[0]) / 1e9);
                  losses.add(now.loss());
                  before[0] = System.nanoTime();
                });
        ObjectNode json = JsonMapper.shared().createObjectNode();
        json.put("seconds", seconds.stream().skip(2).mapToDouble(s -> s).min().orElseThrow());
        json.put("peak_bytes", Memory.peakBytes());
        losses.forEach(json.putArray("losses")::add);
        Files.writeString(Path.of(words[4]), json.toString());
        System.out.printf("%s %s %s%n", words[1], words[2], json);
      }
    } finally {
      try (Stream<Path> files = Files.walk(scratch)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
  }

  private static Refinement.Config config(Transformer model, String what) {
    List<Lora> loras = List.of(Lora.standard(model).withRank(8, 16).withDropout(0));
    if (what.equals("lora")) {
      return Refinement.Config.of(loras).watching(1, 0);
    }
    Distillation distillation =
        switch (what) {
          case "mod" -> Distillation.none();
          case "mod-sample" -> Distillation.standard().withShare(0.125);
          case "mod-all" -> Distillation.standard();
          default -> throw new IllegalArgumentException("unknown: " + what);
        };
    return Refinement.Config.of(loras, Mod.Config.dense(LATE)).with(distillation).watching(LATE, 0);
  }

  private static Trainer.Config settings(int threads) {
    return Trainer.Config.standard(new Schedule(3e-4, 0, STEPS, Schedule.Shape.CONSTANT, 1))
        .withBatchRows(ROWS)
        .withPieces(TOKENS)
        .withWorkers(threads)
        .withAdam(new AdamW.Config(0.9, 0.999, 1e-8, 0))
        .savingEvery(10 * STEPS);
  }

  /// The same four rows in every step, by a rule that any language can follow.
  private static TrainingSet rows(int vocabulary) {
    var rows = new ArrayList<Row>();
    for (int r = 0; r < ROWS; r++) {
      int[] ids = new int[TOKENS];
      for (int t = 0; t < TOKENS; t++) {
        ids[t] = 5 + (int) ((r * 7919L + t * 104729L + (long) t * t * 31) % (vocabulary - 5));
      }
      rows.add(Row.of(ids));
    }
    return new TrainingSet() {
      @Override
      public List<Row> epoch(int number) {
        return rows;
      }

      @Override
      public String fingerprint() {
        return "fixed";
      }
    };
  }
}
