package dev.fathom.explain.lens;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;

/// What [LensStatistics] found over many prompts. Row 0 is the embedding.
///
/// @param prompts how many
/// @param probability of the target
/// @param rank of the target, 0 is best
/// @param first share of prompts whose target is the best token
/// @param entropy in nats
/// @param divergence KL from the final prediction, nats
/// @param agreement share of prompts whose best token is the final one
/// @param settled share of prompts whose best token stays from this row on and not before
/// @param commitDepth the mean row from which it stays
/// @param commitDepthLow lower end of that mean's interval
/// @param commitDepthHigh upper end
public record LensStatisticsResult(
    Provenance provenance,
    int prompts,
    ByLayer probability,
    ByLayer rank,
    ByLayer first,
    ByLayer entropy,
    ByLayer divergence,
    ByLayer agreement,
    Grid settled,
    double commitDepth,
    double commitDepthLow,
    double commitDepthHigh)
    implements Result {

  /// A mean over prompts for each layer, and the ends of its 95 % interval, NaN for one prompt.
  public record ByLayer(Grid mean, Grid low, Grid high) {
    View.Series series(String name) {
      return View.Series.of(name, mean).within(low, high);
    }
  }

  @Override
  public String method() {
    return "lens-statistics";
  }

  @Override
  public List<View> views() {
    Axis layers = settled.axis(0);
    return List.of(
        View.Lines.over(
            "Target by layer",
            "At which layer does the target become likely, over %,d prompts?".formatted(prompts),
            layers,
            View.Panel.of(
                "mean probability, 95 % interval", probability.series("probability of the target")),
            View.Panel.logarithmic("mean rank, 95 % interval", rank.series("rank of the target")),
            View.Panel.of(
                "nats, 95 % interval",
                entropy.series("entropy"), divergence.series("KL from the final prediction"))),
        View.Lines.over(
            "Agreement by layer",
            "For how many prompts does each layer already say what the model says, or the target?",
            layers,
            View.Panel.of(
                "share of prompts, 95 % interval",
                agreement.series("says what the model says"), first.series("says the target"))),
        View.Lines.over(
            "Commit depth",
            "From which layer on does the best token no longer change?",
            layers,
            View.Panel.of("share of prompts", View.Series.of("settled here", settled))),
        View.Text.of(
            "In short",
            String.format(
                Locale.ROOT,
                "Over %,d prompts the best token is settled at layer %.1f of %d on average (95 %%"
                    + " interval %.1f to %.1f). In the end the target is first for %.0f %% of them.",
                prompts,
                commitDepth,
                layers.size() - 1,
                commitDepthLow,
                commitDepthHigh,
                100 * first.mean().at(layers.size() - 1))));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    put(arrays, "lens_target_prob", probability);
    put(arrays, "lens_target_rank", rank);
    put(arrays, "lens_target_first", first);
    put(arrays, "lens_entropy_nats", entropy);
    put(arrays, "lens_kl_to_final", divergence);
    put(arrays, "lens_agreement", agreement);
    arrays.put("lens_settled", settled);
    return arrays;
  }

  private static void put(SequencedMap<String, Grid> arrays, String name, ByLayer number) {
    arrays.put(name + "_mean", number.mean());
    arrays.put(name + "_low", number.low());
    arrays.put(name + "_high", number.high());
  }
}
