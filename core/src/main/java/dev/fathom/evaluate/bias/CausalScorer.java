package dev.fathom.evaluate.bias;

import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;

/// Scores whole sentences by a causal model.
record CausalScorer(
    SentenceScorer scorer, Tokenizer tokenizer, SentenceScorer.Context context, StartToken start)
    implements BiasScorer {

  @Override
  public List<ScoredItem> items(List<StereoSetItem> items) {
    double[] scores =
        scores(
            items.stream()
                .flatMap(item -> item.sentences().stream())
                .map(StereoSetItem.Sentence::text)
                .toList());
    var scored = new ArrayList<ScoredItem>();
    for (int i = 0; i < items.size(); i++) {
      scored.add(ScoredItem.of(items.get(i), scores[3 * i], scores[3 * i + 1], scores[3 * i + 2]));
    }
    return scored;
  }

  @Override
  public List<ScoredPair> pairs(List<CrowsPair> pairs) {
    double[] scores =
        scores(pairs.stream().flatMap(p -> List.of(p.more(), p.less()).stream()).toList());
    var scored = new ArrayList<ScoredPair>();
    for (int i = 0; i < pairs.size(); i++) {
      scored.add(ScoredPair.of(pairs.get(i), scores[2 * i], scores[2 * i + 1]));
    }
    return scored;
  }

  private double[] scores(List<String> sentences) {
    return scorer.score(
        sentences.stream().map(text -> tokenizer.encode(text, SpecialTokens.NONE).ids()).toList());
  }

  @Override
  public SequencedMap<String, String> settings() {
    var settings = new LinkedHashMap<String, String>();
    settings.put("scores", context.name().toLowerCase(Locale.ROOT));
    settings.put("start token", start.toString());
    return settings;
  }
}
