package dev.fathom.evaluate;

import dev.fathom.model.Transformer;
import java.util.List;

/// What gives the tokens of many rows their log-probabilities: a model as it is, or a way of
/// computing with one that is no change of its weights, such as a projection after the last norm.
///
/// Whatever measures a causal model by the texts it finds probable takes one of these, so that
/// every such way is measured by the same code.
@FunctionalInterface
public interface TokenScorer {
  /// `ln P(t_i | t_0 … t_{i-1})` in nats, as [Likelihood#of] gives it: a row of `n` ids gets `n -
  /// 1` values, or `n` where first tokens are predicted from a start token.
  ///
  /// @throws IllegalArgumentException if a row has an id outside the vocabulary, or more tokens
  ///   than can be read
  List<float[]> score(List<int[]> rows, Likelihood.Config config);

  /// Of all rows together, each by itself and its first token not predicted: `exp(−(1/n) Σ ln P)`
  /// over the n tokens behind the first; NaN where no row has two.
  ///
  /// @throws IllegalArgumentException as [#score]
  default double perplexity(List<int[]> rows) {
    double nats = 0;
    long predicted = 0;
    for (float[] row : score(rows, Likelihood.Config.standard())) {
      nats -= Likelihood.sum(row);
      predicted += row.length;
    }
    return Math.exp(nats / predicted);
  }

  /// A causal model as it is.
  static TokenScorer of(Transformer model) {
    return (rows, config) -> Likelihood.of(model, rows, config);
  }
}
