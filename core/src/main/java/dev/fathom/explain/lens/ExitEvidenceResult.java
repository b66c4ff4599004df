package dev.fathom.explain.lens;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;

/// What [ExitEvidence] found over a text. Grids are `[layer]`, row 0 the embedding.
///
/// @param positions how many were read
/// @param agreement share of positions whose best token is the final one
/// @param accuracy share of positions whose best token is the true next one; NaN for encoders
/// @param loss mean `−ln p(next)` in nats; NaN for encoders
/// @param divergence mean KL from the final prediction, nats
/// @param settled share of positions whose best token stays from this row on and not before
/// @param meanCommitDepth the mean row from which it stays
/// @param thresholds what a confidence exit at each threshold would do
/// @param overthought share of positions where a row ranks the true next token first and the last
///   row does not; NaN for encoders
public record ExitEvidenceResult(
    Provenance provenance,
    long positions,
    Grid agreement,
    Grid accuracy,
    Grid loss,
    Grid divergence,
    Grid settled,
    double meanCommitDepth,
    List<ExitProfile.Threshold> thresholds,
    double overthought)
    implements Result {
  public ExitEvidenceResult {
    thresholds = List.copyOf(thresholds);
  }

  @Override
  public String method() {
    return "exit";
  }

  @Override
  public List<View> views() {
    Axis layers = agreement.axis(0);
    var views = new ArrayList<View>();
    boolean truth = !Double.isNaN(overthought);
    views.add(
        View.Lines.over(
            "Agreement by layer",
            "At how many positions does each layer already say what the model says?",
            layers,
            truth
                ? View.Panel.of(
                    "share of positions",
                    View.Series.of("says what the model says", agreement),
                    View.Series.of("says the true next token", accuracy))
                : View.Panel.of(
                    "share of positions", View.Series.of("says what the model says", agreement))));
    views.add(
        View.Lines.over(
            "Commit depth",
            "From which layer on does the best token no longer change?",
            layers,
            View.Panel.of("share of positions", View.Series.of("settled here", settled))));
    views.add(
        View.Lines.over(
            "Loss by layer",
            "How well does each layer predict the text, and how far is it from the model?",
            layers,
            truth
                ? View.Panel.of(
                    "nats",
                    View.Series.of("loss at the next token", loss),
                    View.Series.of("KL from the final prediction", divergence))
                : View.Panel.of(
                    "nats", View.Series.of("KL from the final prediction", divergence))));
    views.add(ExitProfile.table(thresholds));
    views.add(View.Text.of("In short", summary()));
    return views;
  }

  private String summary() {
    int last = agreement.size() - 1;
    String depth =
        String.format(
            Locale.ROOT,
            "Over %,d positions the best token is settled at layer %.1f of %d on average.",
            positions,
            meanCommitDepth,
            last);
    return Double.isNaN(overthought)
        ? depth
        : depth
            + String.format(
                Locale.ROOT,
                " At %.1f %% an earlier layer had the true next token first and the last layer has"
                    + " not.",
                100 * overthought);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("exit_agreement", agreement);
    arrays.put("exit_accuracy", accuracy);
    arrays.put("exit_loss_nats", loss);
    arrays.put("exit_kl_to_final", divergence);
    arrays.put("exit_settled", settled);
    return arrays;
  }
}
