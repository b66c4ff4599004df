package dev.fathom.refine.study;

import dev.fathom.evaluate.MeanInterval;
import dev.fathom.refine.Mod;
import dev.fathom.refine.study.Study.Run;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/// How many late layers should be mixed, and how many of them should count for a token? (Thesis,
/// Figs 5.3 and C.2.)
///
/// @param runs of mixtures of k layers with top-K, all on the same data
public record GridStudy(Provenance provenance, String subject, List<Run> runs) implements Result {
  public GridStudy {
    runs = List.copyOf(runs);
    if (runs.isEmpty()) {
      throw new IllegalArgumentException("a grid needs at least one run");
    }
  }

  @Override
  public String method() {
    return "refine-grid";
  }

  private static Mod.Config mixture(Run run) {
    return run.mod().orElseThrow();
  }

  private List<Integer> sizes() {
    return runs.stream().map(run -> mixture(run).late()).distinct().sorted().toList();
  }

  private Grid grid(ToDoubleFunction<Run> value) {
    List<Integer> sizes = sizes();
    int most = sizes.getLast();
    float[] values = new float[most * sizes.size()];
    Arrays.fill(values, Float.NaN);
    for (int column = 0; column < sizes.size(); column++) {
      for (int top = 1; top <= sizes.get(column); top++) {
        var mean = new MeanInterval();
        for (Run run : runs) {
          if (mixture(run).late() == sizes.get(column) && mixture(run).topK() == top) {
            mean.add(value.applyAsDouble(run));
          }
        }
        values[(top - 1) * sizes.size() + column] = (float) mean.mean();
      }
    }
    return Grid.real(
        List.of(
            Axis.of(
                "K, routes that count",
                IntStream.rangeClosed(1, most).mapToObj(Integer::toString).toList()),
            Axis.of("k, late layers", sizes.stream().map(k -> Integer.toString(k)).toList())),
        values);
  }

  boolean asked() {
    return runs.stream().noneMatch(run -> run.answers().isEmpty());
  }

  private Grid accuracy() {
    return grid(run -> 100.0 * run.solved() / run.answers().size());
  }

  /// The best choice, in a sentence.
  String found() {
    Run best =
        runs.stream()
            .min(
                asked()
                    ? Comparator.comparingInt((Run run) -> -run.solved())
                    : Comparator.comparingDouble(Run::heldOut))
            .orElseThrow();
    return String.format(
        Locale.ROOT,
        asked()
            ? "%s: best with k = %d, K = %d, of the mixture alone: %.1f %% right."
            : "%s: best with k = %d, K = %d, of the mixture alone: %.3f nats a held-out token.",
        subject,
        mixture(best).late(),
        mixture(best).topK(),
        asked() ? 100.0 * best.solved() / best.answers().size() : best.heldOut());
  }

  @Override
  public List<View> views() {
    View loss =
        View.HeatMap.of(
                "Loss on held-out rows, nats a token: " + subject,
                "Less is better. K = k is the dense mixture; k = 1 is the model itself.",
                grid(Run::heldOut),
                Scale.sequential("nats a token"))
            .bottomUp();
    if (!asked()) {
      return List.of(loss);
    }
    return List.of(
        loss,
        View.HeatMap.of(
                "Right answers, %: " + subject,
                "More is better; with %d items a difference below some %d points is chance."
                    .formatted(
                        runs.getFirst().answers().size(),
                        Math.round(140 / Math.sqrt(runs.getFirst().answers().size()))),
                accuracy(),
                Scale.sequential("% right"))
            .bottomUp());
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("grid_loss_" + subject, grid(Run::heldOut));
    if (asked()) {
      arrays.put("grid_accuracy_" + subject, accuracy());
    }
    return arrays;
  }
}
