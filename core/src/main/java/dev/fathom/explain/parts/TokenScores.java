package dev.fathom.explain.parts;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// What each token puts into a logit: [TokenDecomposition#scores].
///
/// @param measured what is split, as text
/// @param logit the model's own value of the metric, before a soft-cap
/// @param scores one for each token, `[position]`
public record TokenScores(Provenance provenance, String measured, double logit, Grid scores)
    implements Result {

  @Override
  public String method() {
    return "token-scores";
  }

  /// What no token puts there: the model's biases.
  public double bias() {
    double rest = logit;
    for (float score : scores.values()) {
      rest -= score;
    }
    return rest;
  }

  @Override
  public List<View> views() {
    var strip = new ArrayList<View.Token>();
    for (int k = 0; k < scores.size(); k++) {
      strip.add(View.Token.of(scores.axis(0).label(k), scores.at(k)));
    }
    strip.add(View.Token.of("(bias)", bias()));
    return List.of(
        new View.Tokens(
            "Token scores",
            "How much of the %s, %.2f, comes from each token?".formatted(measured, logit),
            strip,
            Scale.diverging("logits")));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("decompose_score", scores);
    arrays.put("decompose_bias", Grid.vector(Axis.index("bias", 1), (float) bias()));
    return arrays;
  }
}
