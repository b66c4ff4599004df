package dev.fathom.explain.parts;

import dev.fathom.explain.lens.TopTokens;
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
import java.util.Set;

/// A [TokenDecomposition] at one position. Grids are `[layer, slot]`: row 0 is the embedding, row l
/// the stream after block l - 1; columns are the tokens, then `(position)` if it was asked for,
/// then `(bias)`, which also holds what the head itself adds.
///
/// @param measured what `frozen` splits, as text
/// @param target the output that is followed, as text
/// @param tokens how many of the slots are tokens
/// @param startToken whether the first is a start token, which stands for no text
/// @param logit the model's own value of the metric, before a soft-cap: the sum of the last row of
///   `frozen`
/// @param gap how far the vectors' sum ever is from the stream, as a share of the stream's largest
///   number: rounding
/// @param own the best tokens of each slot's vector under a norm of its own
/// @param frozen what each slot adds to the metric under the true stream's norm
/// @param norm length of each slot's vector
/// @param share of each slot in the stream by L1 distance, `max(0, ‖y‖₁ − ‖y − D_k‖₁)` over its sum
///   (ALTI: Ferrando et al. 2022)
public record TokenDecompositionResult(
    Provenance provenance,
    String measured,
    String target,
    int tokens,
    boolean startToken,
    double logit,
    double gap,
    TopTokens own,
    Grid frozen,
    Grid norm,
    Grid share)
    implements Result {

  @Override
  public String method() {
    return "decompose";
  }

  private int rows() {
    return frozen.shape()[0];
  }

  private int slots() {
    return frozen.shape()[1];
  }

  /// What a slot adds to the metric in the end.
  public double score(int slot) {
    return frozen.at(rows() - 1, slot);
  }

  @Override
  public List<View> views() {
    return List.of(lens(), logits(), strip());
  }

  /// Each slot through the lens (thesis Fig 4.4, B.3, B.4).
  public View lens() {
    float[] best = own.best().values();
    for (int i = 0; i < best.length; i++) {
      if (norm.at(i / slots(), i % slots()) == 0) {
        best[i] = Float.NaN; // nothing there to read
      }
    }
    return View.HeatMap.of(
            "What each token contributes",
            "Read through the lens, what does the part of the stream that comes from each token say?",
            Grid.real(frozen.axes(), best),
            Scale.probability())
        .withLabels(own.labels())
        .withDetails(details())
        .withUnscaled(unscaled())
        .bottomUp();
  }

  /// What each slot adds, layer by layer.
  public View logits() {
    return View.HeatMap.of(
            "Share of each token in the logit",
            "How much of the %s comes from each token? Rows add up, the top one to %.2f."
                .formatted(measured, logit),
            frozen,
            Scale.diverging("logits"))
        .withDetails(details())
        .withUnscaled(unscaled())
        .bottomUp();
  }

  /// The prompt, each token coloured by what it adds in the end.
  public View strip() {
    var strip = new ArrayList<View.Token>();
    for (int slot = 0; slot < slots(); slot++) {
      strip.add(new View.Token(frozen.axis(1).label(slot), score(slot), details(rows() - 1, slot)));
    }
    return new View.Tokens(
        "Token scores",
        "How much of the %s, %.2f, comes from each token?".formatted(measured, logit),
        strip,
        Scale.diverging("logits"));
  }

  private Set<Integer> unscaled() {
    return startToken ? Set.of(0) : Set.of();
  }

  private List<List<List<String>>> details() {
    var rows = new ArrayList<List<List<String>>>();
    for (int row = 0; row < rows(); row++) {
      var cells = new ArrayList<List<String>>();
      for (int slot = 0; slot < slots(); slot++) {
        cells.add(details(row, slot));
      }
      rows.add(cells);
    }
    return rows;
  }

  private List<String> details(int row, int slot) {
    if (norm.at(row, slot) == 0) {
      return List.of("nothing from here yet");
    }
    var lines = new ArrayList<>(own.details(row, slot));
    lines.add(
        String.format(
            Locale.ROOT,
            "'%s': p %.4f, adds %+.3f; length %.2f, share %.3f",
            target,
            own.target().at(row, slot),
            frozen.at(row, slot),
            norm.at(row, slot),
            share.at(row, slot)));
    return lines;
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("decompose_own_top_id", own.ids());
    arrays.put("decompose_own_top_prob", own.probability());
    arrays.put("decompose_own_target_prob", own.target());
    arrays.put("decompose_frozen_logit", frozen);
    arrays.put("decompose_norm", norm);
    arrays.put("decompose_share", share);
    return arrays;
  }
}
