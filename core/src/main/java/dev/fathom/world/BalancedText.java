package dev.fathom.world;

import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Edit;
import dev.fathom.refine.Lora;
import dev.fathom.refine.Refinement;
import dev.fathom.refine.Refiner;
import dev.fathom.train.AdamW;
import dev.fathom.train.Row;
import dev.fathom.train.Schedule;
import dev.fathom.train.Trainer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.stream.Stream;

/// What counterfactual text can do at best here: each sentence of the fitting with either word, and
/// neutral text as it is, learnt by low-rank steps as the bundled models learn, every text a row of
/// its own from `<s>` to `</s>`. [dev.fathom.align.baseline.Cda] packs texts into rows, as its
/// original does, which this model never reads.
///
/// @param epochs times that each text is learnt
/// @param rate the highest learning rate
record BalancedText(int epochs, double rate) implements Method {
  private static final int ROWS = 32;
  private static final int RANK = 8;

  @Override
  public String name() {
    return "balanced";
  }

  @Override
  public SequencedMap<String, String> settings() {
    var settings = new LinkedHashMap<String, String>();
    settings.put("epochs", Integer.toString(epochs));
    settings.put("rate", Double.toString(rate));
    settings.put("rank", Integer.toString(RANK));
    return settings;
  }

  @Override
  public Remedy fit(Fitting fitting) {
    List<Row> rows =
        Stream.concat(fitting.sentences().stream(), fitting.neutral().stream())
            .map(text -> row(fitting, text))
            .toList();
    long steps = (long) epochs * Math.ceilDiv(rows.size(), ROWS);
    var training =
        Trainer.Config.standard(new Schedule(rate, steps / 10, steps, Schedule.Shape.LINEAR, 0))
            .withBatchRows(ROWS)
            .withPieces(4096)
            .withAdam(new AdamW.Config(0.9, 0.999, 1e-8, 0));
    Lora lora = Lora.standard(fitting.model()).withRank(RANK, 2.0 * RANK).withDropout(0);
    var method = Refinement.Config.of(List.of(lora)).watching(1, 0).withSeed(fitting.seed());
    Refiner refiner = Refiner.of(fitting.model(), method, training);
    Edit learnt = refiner.once(rows);
    return new Remedy.OfWeights(fitting.edit(this, learnt.changes(), new LinkedHashMap<>()));
  }

  private static Row row(Fitting fitting, String text) {
    int[] ids = fitting.tokenizer().encode(text).ids();
    var end = fitting.tokenizer().specials().eos();
    if (end.isEmpty()) {
      return Row.of(ids);
    }
    int[] ended = Arrays.copyOf(ids, ids.length + 1);
    ended[ids.length] = end.getAsInt();
    return Row.of(ended);
  }
}
