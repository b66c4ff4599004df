package dev.fathom.evaluate.bias;

import dev.fathom.evaluate.Likelihood;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.model.Transformer;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;

/// How probable does a causal model find each of many sentences? The logarithm, to base 2, of the
/// score that StereoSet's script gives a sentence of `L` tokens (Nadeem et al. 2021):
///
/// `s = (1/L) Σ_i log2 p_i` bits a token, at most 0
///
/// It stays a logarithm: `2^s` orders sentences alike, but can lose a difference or vanish. The
/// mean favours sentences of many easy tokens over short ones.
@FunctionalInterface
public interface SentenceScorer {
  /// The score of each row, in the order of the rows.
  ///
  /// @param rows token ids of whole sentences, at least one each, without added special tokens
  /// @throws IllegalArgumentException if a row is empty or cannot be read
  double[] score(List<int[]> rows);

  /// What the tokens of a sentence are predicted from.
  enum Context {
    /// The first token from the start token, the others from the sentence alone, as StereoSet's
    /// script has it.
    OFFICIAL(Likelihood.Start.FIRST_ONLY),
    /// The start token stays in the context of all: natural for models that always see one.
    BOS(Likelihood.Start.IN_CONTEXT);

    private final Likelihood.Start start;

    Context(Likelihood.Start start) {
      this.start = start;
    }
  }

  /// How sentences are read.
  ///
  /// @param startToken id of the token before the first
  /// @param tokensAtOnce tokens packed into one pass
  record Config(Context context, int startToken, int tokensAtOnce) {
    /// As StereoSet's script reads them.
    public static Config official(StartToken start) {
      return new Config(Context.OFFICIAL, start.id(), 2048);
    }

    public Config with(Context context) {
      return new Config(context, startToken, tokensAtOnce);
    }

    public Config tokensAtOnce(int tokens) {
      return new Config(context, startToken, tokens);
    }
  }

  /// Scores by what gives tokens their log-probabilities.
  static SentenceScorer of(TokenScorer tokens, Config config) {
    var reading =
        new Likelihood.Config(
            config.context.start, OptionalInt.of(config.startToken), config.tokensAtOnce);
    return rows -> {
      for (int r = 0; r < rows.size(); r++) {
        if (rows.get(r).length == 0) {
          throw new IllegalArgumentException("sentence %d has no tokens to score".formatted(r));
        }
      }
      List<float[]> found = tokens.score(rows, reading);
      double[] scores = new double[rows.size()];
      Arrays.setAll(scores, r -> Bits.of(Likelihood.sum(found.get(r)) / found.get(r).length));
      return scores;
    };
  }

  /// Scores by a causal model as it is.
  static SentenceScorer of(Transformer model, Config config) {
    return of(TokenScorer.of(model), config);
  }
}
