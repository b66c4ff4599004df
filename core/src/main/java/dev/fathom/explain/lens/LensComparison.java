package dev.fathom.explain.lens;

import dev.fathom.data.Prompt;
import dev.fathom.model.Transformer;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/// One prompt through the logit lens and through a [TunedLens]: where does the plain lens see too
/// little because a layer speaks another basis?
///
/// @param logit the streams as they are
/// @param tuned the streams translated
public record LensComparison(LensResult logit, LensResult tuned) implements Result {

  /// Reads a prompt with both; the target is the same.
  public static LensComparison run(
      Transformer model,
      Tokenizer tokenizer,
      Prompt prompt,
      LogitLens.Config config,
      TunedLens lens) {
    return new LensComparison(
        LogitLens.run(model, tokenizer, prompt, config),
        LogitLens.run(model, tokenizer, prompt, config, lens));
  }

  @Override
  public String method() {
    return "tuned-lens";
  }

  @Override
  public Provenance provenance() {
    return tuned.provenance();
  }

  @Override
  public List<View> views() {
    return List.of(sideBySide(), divergence(), target());
  }

  private View sideBySide() {
    return new View.SmallMultiples(
        "Logit lens and tuned lens",
        "What would the model say next if it stopped after each layer, as it is and translated?",
        List.of(panel("Logit lens", logit), panel("Tuned lens", tuned)),
        Scale.probability());
  }

  private static View.HeatMap panel(String title, LensResult lens) {
    View.HeatMap map = lens.heatMap();
    return new View.HeatMap(
        title,
        "",
        map.values(),
        map.scale(),
        map.labels(),
        map.details(),
        map.unscaled(),
        map.rowsBottomUp());
  }

  /// How far each layer's reading is from the model's own prediction, the mean over positions.
  private View divergence() {
    Axis layers = logit.topIds().axis(0);
    return View.Lines.over(
        "Distance to the final prediction",
        "How far is what each layer seems to say from what the model says in the end?",
        layers,
        View.Panel.of(
            "KL in nats",
            View.Series.of("logit lens", mean(logit.divergence())),
            View.Series.of("tuned lens", mean(tuned.divergence()))));
  }

  /// The mean over positions for each layer.
  private static Grid mean(Grid grid) {
    int positions = grid.shape()[1];
    float[] means = new float[grid.shape()[0]];
    for (int row = 0; row < means.length; row++) {
      int at = row;
      means[row] =
          (float) IntStream.range(0, positions).mapToDouble(t -> grid.at(at, t)).sum() / positions;
    }
    return Grid.vector(grid.axis(0), means);
  }

  private View target() {
    return View.Lines.over(
        "Target by layer",
        "At which layer does '%s' become likely after '%s'?"
            .formatted(logit.target(), logit.topIds().axis(1).label(logit.position())),
        logit.topIds().axis(0),
        View.Panel.of(
            "probability",
            View.Series.of("logit lens", column(logit.targetProbability())),
            View.Series.of("tuned lens", column(tuned.targetProbability()))),
        View.Panel.logarithmic(
            "rank",
            View.Series.of("logit lens", column(logit.targetRank())),
            View.Series.of("tuned lens", column(tuned.targetRank()))));
  }

  private Grid column(Grid grid) {
    float[] values = new float[grid.shape()[0]];
    for (int row = 0; row < values.length; row++) {
      values[row] = (float) grid.at(row, logit.position());
    }
    return Grid.vector(grid.axis(0), values);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<>(logit.arrays());
    tuned.arrays().forEach((name, grid) -> arrays.put("tuned_" + name, grid));
    return arrays;
  }
}
