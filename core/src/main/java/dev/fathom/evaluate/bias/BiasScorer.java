package dev.fathom.evaluate.bias;

import dev.fathom.model.Transformer;
import dev.fathom.text.Tokenizer;
import java.util.List;
import java.util.SequencedMap;

/// Gives the sentences of bias tests their scores: a causal model through a [SentenceScorer], or a
/// masked model. Scores are logarithms to base 2; those of different kinds of models are not
/// comparable with each other.
public interface BiasScorer {
  /// Scores items of StereoSet, in their order.
  List<ScoredItem> items(List<StereoSetItem> items);

  /// Scores pairs of CrowS-Pairs, in their order.
  List<ScoredPair> pairs(List<CrowsPair> pairs);

  /// What decides the scores beside the model, by name.
  SequencedMap<String, String> settings();

  /// Of a causal model: whole sentences, without added special tokens.
  static BiasScorer causal(
      SentenceScorer scorer,
      Tokenizer tokenizer,
      SentenceScorer.Context context,
      StartToken start) {
    return new CausalScorer(scorer, tokenizer, context, start);
  }

  /// Of a causal model as it is.
  static BiasScorer causal(
      Transformer model, Tokenizer tokenizer, SentenceScorer.Context context, StartToken start) {
    var config = SentenceScorer.Config.official(start).with(context);
    return causal(SentenceScorer.of(model, config), tokenizer, context, start);
  }

  /// Of a model that fills in masked words ([MaskedScorer]).
  ///
  /// @throws IllegalArgumentException if it has no head for that, or its tokenizer no mask
  static BiasScorer masked(Transformer model, Tokenizer tokenizer) {
    return new MaskedScorer(model, tokenizer);
  }
}
