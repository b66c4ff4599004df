package dev.fathom.explain.attention;

import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/// What [TokenMixing] found.
///
/// @param position whose origins are drawn token by token
/// @param layers each layer's mixing, `[layer, query, key]`, rows sum to 1
/// @param lengths of [TokenMixing.Method#NORMS]: `‖Σ_h α v W_O‖₂`, what attention alone moves,
///   `[layer, query, key]`
/// @param total from the tokens to the last stream, `[query, key]`, rows sum to 1
public record TokenMixingResult(
    Provenance provenance,
    TokenMixing.Method mixing,
    int position,
    Grid layers,
    Optional<Grid> lengths,
    Grid total)
    implements Result {
  @Override
  public String method() {
    return switch (mixing) {
      case ROLLOUT -> "attention-rollout";
      case NORMS -> "attention-norms";
      case ALTI -> "attention-alti";
    };
  }

  /// [#total] without column 0, rows renormalised; NaN where nothing is left.
  public Grid totalWithoutFirst() {
    return withoutFirst(total);
  }

  static Grid withoutFirst(Grid shares) {
    int keys = shares.axis(1).size();
    float[] values = shares.values();
    for (int q = 0; q < shares.axis(0).size(); q++) {
      double rest = 0;
      for (int k = 1; k < keys; k++) {
        rest += values[q * keys + k];
      }
      for (int k = 0; k < keys; k++) {
        values[q * keys + k] =
            k == 0 || rest <= 0 ? Float.NaN : (float) (values[q * keys + k] / rest);
      }
    }
    return Grid.real(shares.axes(), values);
  }

  @Override
  public List<View> views() {
    String title = mixing.title();
    String what = "share";
    Grid rest = totalWithoutFirst();
    Grid here = layers.select(1, position); // [layer, key]
    var views = new ArrayList<View>();
    String token = layers.axis(1).label(position).strip();
    views.add(strip("Origins of '" + token + "', " + title, total));
    views.add(strip("Origins of '" + token + "' without the first token, " + title, rest));
    views.add(
        View.HeatMap.of(
                "All layers together, " + title,
                "From which tokens (columns) does each position's last stream (row) come?",
                total,
                Scale.sequential(what))
            .withUnscaledSink());
    views.add(
        View.HeatMap.of(
            "All layers together without the first token, " + title,
            "Where from, if not from the first token? Rows are shares of the rest.",
            rest,
            Scale.sequential("share of the rest")));
    views.add(
        View.HeatMap.of(
                "Layer by layer at '" + token + "', " + title,
                "What does attention mix into this position in each layer?",
                here,
                Scale.sequential(what))
            .withUnscaledSink()
            .bottomUp());
    views.add(
        View.HeatMap.of(
                "Layer by layer at '" + token + "' without the first token, " + title,
                "What does attention mix in, if not the first token?",
                withoutFirst(here),
                Scale.sequential("share of the rest"))
            .bottomUp());
    lengths.ifPresent(grid ->
        views.add(
            View.HeatMap.of(
                    "Length of what each token gives to '" + token + "'",
                    "How much does attention move from each token, values included?",
                    grid.select(1, position),
                    Scale.sequential("norm"))
                .withUnscaledSink()
                .bottomUp()));
    return views;
  }

  private View strip(String title, Grid shares) {
    var tokens = new ArrayList<View.Token>();
    for (int k = 0; k < shares.axis(1).size(); k++) {
      tokens.add(View.Token.of(shares.axis(1).label(k), shares.at(position, k)));
    }
    return new View.Tokens(
        title,
        "Which tokens is this position mixed from, all layers together?",
        tokens,
        Scale.sequential("share"));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    String name =
        switch (mixing) {
          case ROLLOUT -> "rollout";
          case NORMS -> "norm_rollout";
          case ALTI -> "alti_rollout";
        };
    arrays.put(name, total);
    arrays.put(name + "_without_first", totalWithoutFirst());
    arrays.put(
        switch (mixing) {
          case ROLLOUT -> "rollout_layers";
          case NORMS -> "norm_mixing";
          case ALTI -> "alti";
        },
        layers);
    lengths.ifPresent(grid -> {
      arrays.put("attn_norm", grid);
      arrays.put("attn_source_norm", grid.select(1, position));
    });
    return arrays;
  }
}
