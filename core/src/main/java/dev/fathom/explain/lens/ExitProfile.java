package dev.fathom.explain.lens;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.stream.Stream;

/// When is the answer there? How early the lens' best token is already the model's (agreement),
/// from which layer on it no longer changes (commit depth), how many layers a confidence threshold
/// would save, and how often a layer had the true next token right and a later one lost it (thesis
/// section 4.1.1).
///
/// It says what the lens could read early, an upper estimate of what early exit can save: exiting
/// also leaves later positions without the keys and values of the skipped layers.
///
/// @param agreement share of positions whose best token at a row is the final one, `[layer]`
/// @param commitDepth first row from which the best token stays the final one, `[position]`
/// @param thresholds what a confidence exit at each threshold would do
/// @param overthought share of positions where a row ranks the true next token first and the last
///   row does not; NaN for a single token
public record ExitProfile(
    Provenance provenance,
    Grid agreement,
    Grid commitDepth,
    List<Threshold> thresholds,
    double overthought)
    implements Result {
  /// Exit at the first row whose best probability exceeds `confidence`.
  ///
  /// @param meanRow mean row of exit; the last one where none is confident
  /// @param layersSaved mean number of blocks not run
  /// @param agreement share of positions whose exit says the final token
  public record Threshold(
      double confidence, double meanRow, double layersSaved, double agreement) {}

  public ExitProfile {
    thresholds = List.copyOf(thresholds);
  }

  /// The profile of a lens.
  ///
  /// @param causal whether the model predicts next tokens: then the prompt's own tokens are the
  ///   true ones
  public static ExitProfile of(LensResult lens, boolean causal) {
    int rows = lens.rows();
    int positions = lens.positions();
    List<Integer> ids = lens.provenance().tokenIds();
    var counts = new ExitCounts(rows);
    var depth = new long[positions];
    for (int t = 0; t < positions; t++) {
      int next = causal && t + 1 < positions ? ids.get(t + 1) : -1;
      depth[t] = counts.add(column(lens, t), next);
    }
    return new ExitProfile(
        lens.provenance(),
        Grid.vector(lens.topIds().axis(0), counts.agreement()),
        Grid.integer(List.of(lens.topIds().axis(1)), depth),
        counts.thresholds(),
        counts.overthought());
  }

  private static ExitCounts.Column column(LensResult lens, int position) {
    return new ExitCounts.Column() {
      @Override
      public int top(int row) {
        return lens.top(row, position);
      }

      @Override
      public double confidence(int row) {
        return lens.topProbability().at(row, position, 0);
      }
    };
  }

  /// The mean over positions of the first row from which the best token stays.
  public double meanCommitDepth() {
    return Arrays.stream(commitDepth.integers()).average().orElseThrow();
  }

  @Override
  public String method() {
    return "exit";
  }

  @Override
  public List<View> views() {
    Axis positions = commitDepth.axis(0);
    int deepest = agreement.size() - 1;
    var tokens = new ArrayList<View.Token>();
    for (int t = 0; t < positions.size(); t++) {
      long depth = (long) commitDepth.at(t);
      tokens.add(
          new View.Token(
              positions.label(t),
              depth,
              List.of("next token settled from row %d of %d".formatted(depth, deepest))));
    }
    return List.of(
        new View.Tokens(
            "Commit depth",
            "From which layer on does the best next token no longer change?",
            tokens,
            Scale.sequential("layer").between(0, deepest)),
        View.Lines.over(
            "Agreement with the final prediction",
            "At how many positions does each layer already say what the model says?",
            agreement.axis(0),
            View.Panel.of("share of positions", View.Series.of("agreement", agreement))),
        table(thresholds));
  }

  /// What leaving at each threshold would do.
  static View table(List<Threshold> thresholds) {
    var rows = new ArrayList<List<View.Cell>>();
    for (Threshold t : thresholds) {
      rows.add(
          Stream.of(t.confidence, t.meanRow, t.layersSaved, t.agreement)
              .map(View.Cell::of)
              .toList());
    }
    return new View.Table(
        "Exit by confidence",
        "What would leaving at the first confident layer save, and how often would it say the same?",
        List.of("threshold", "mean exit layer", "blocks saved", "share of same token"),
        rows);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("exit_agreement", agreement);
    arrays.put("exit_commit_depth", commitDepth);
    return arrays;
  }
}
