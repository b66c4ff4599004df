package dev.fathom.explain.lens;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/// The logit lens of one prompt. Grids are `[layer, position]`; those of the best tokens have a
/// third axis, best first. Row 0 is the embedding, the last row the model's own prediction.
///
/// @param targetId the output that is followed
/// @param target the same as text
/// @param position the position that is read
/// @param topTokens the best tokens as text, in the order of `topIds`
/// @param entropy in nats, 0 to ln(vocabulary)
/// @param targetRank 0 is best
/// @param divergence KL from the model's own prediction to the row's, in nats
public record LensResult(
    Provenance provenance,
    int targetId,
    String target,
    int position,
    Grid topIds,
    Grid topProbability,
    List<String> topTokens,
    Grid entropy,
    Grid targetProbability,
    Grid targetRank,
    Grid divergence)
    implements Result {
  /// Cells above this probability carry their token (thesis Fig 4.1).
  public static final double LABELLED = 0.2;

  public LensResult {
    topTokens = List.copyOf(topTokens);
  }

  static List<Axis> axes(int rows, List<String> tokens) {
    var labels =
        IntStream.range(0, rows).mapToObj(l -> l == 0 ? "embed" : Integer.toString(l)).toList();
    return List.of(Axis.of("layer", labels), Axis.of("position", tokens));
  }

  @Override
  public String method() {
    return "lens";
  }

  /// Rows: one more than the model has blocks.
  public int rows() {
    return topIds.shape()[0];
  }

  public int positions() {
    return topIds.shape()[1];
  }

  /// The model's own probability of the target at the position that is read.
  public double probability() {
    return targetProbability.at(rows() - 1, position);
  }

  /// The model's own rank of the target there, 0 is best.
  public long rank() {
    return (long) targetRank.at(rows() - 1, position);
  }

  /// The first row from which the target stays the best token at the position that is read; the
  /// number of rows if it never is.
  public int settled() {
    int row = rows();
    while (row > 0 && top(row - 1, position) == targetId) {
      row--;
    }
    return row;
  }

  /// The best token of the model's own prediction at a position, as text.
  public String said(int position) {
    return token(rows() - 1, position, 0);
  }

  /// The best token of a cell.
  public int top(int row, int position) {
    return (int) topIds.at(row, position, 0);
  }

  private int kept() {
    return topIds.shape()[2];
  }

  /// The k-th best token of a cell, as text.
  public String token(int row, int position, int k) {
    return topTokens.get((row * positions() + position) * kept() + k);
  }

  @Override
  public List<View> views() {
    return List.of(heatMap(), curves());
  }

  /// Layers by positions: coloured by the best token's probability.
  public View.HeatMap heatMap() {
    var best = new float[rows() * positions()];
    var labels = new ArrayList<List<String>>();
    var details = new ArrayList<List<List<String>>>();
    for (int row = 0; row < rows(); row++) {
      var rowLabels = new ArrayList<String>();
      var rowDetails = new ArrayList<List<String>>();
      for (int position = 0; position < positions(); position++) {
        double p = topProbability.at(row, position, 0);
        best[row * positions() + position] = (float) p;
        rowLabels.add(p > LABELLED ? token(row, position, 0) : "");
        rowDetails.add(details(row, position));
      }
      labels.add(rowLabels);
      details.add(rowDetails);
    }
    return View.HeatMap.of(
            "Logit lens",
            "What would the model say next if it stopped after each layer?",
            Grid.real(topIds.axes().subList(0, 2), best),
            Scale.probability())
        .withLabels(labels)
        .withDetails(details)
        .bottomUp();
  }

  private List<String> details(int row, int position) {
    var lines = new ArrayList<String>();
    lines.add(row == 0 ? "embedding (resid_pre.0)" : "after block resid_post." + (row - 1));
    for (int k = 0; k < kept(); k++) {
      lines.add(
          String.format(
              Locale.ROOT,
              "%.3f %s",
              topProbability.at(row, position, k),
              token(row, position, k)));
    }
    lines.add(
        String.format(
            Locale.ROOT,
            "target '%s': p %.4f, rank %d; entropy %.2f nats",
            target,
            targetProbability.at(row, position),
            (long) targetRank.at(row, position),
            entropy.at(row, position)));
    return lines;
  }

  /// The target's probability, rank and the entropy by layer at one position (thesis Fig 4.2).
  public View curves() {
    Axis layers = topIds.axis(0);
    return View.Lines.over(
        "Target by layer",
        "At which layer does '%s' become likely after '%s'?"
            .formatted(target, topIds.axis(1).label(position)),
        layers,
        View.Panel.of("probability", series("probability of '" + target + "'", targetProbability)),
        View.Panel.logarithmic("rank", series("rank of '" + target + "'", targetRank)),
        View.Panel.of("nats", series("entropy", entropy)));
  }

  private View.Series series(String name, Grid grid) {
    var values = new float[rows()];
    for (int row = 0; row < rows(); row++) {
      values[row] = (float) grid.at(row, position);
    }
    return View.Series.of(name, Grid.vector(topIds.axis(0), values));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    int kept = topIds.axis(2).size();
    arrays.put("lens_top%d_id".formatted(kept), topIds);
    arrays.put("lens_top%d_prob".formatted(kept), topProbability);
    arrays.put("lens_entropy_nats", entropy);
    arrays.put("lens_target_prob", targetProbability);
    arrays.put("lens_target_rank", targetRank);
    arrays.put("lens_kl_to_final", divergence);
    return arrays;
  }
}
