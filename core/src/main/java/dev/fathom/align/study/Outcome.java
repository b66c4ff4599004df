package dev.fathom.align.study;

import dev.fathom.evaluate.bias.ScoredItem;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// What came of one method in one domain with one seed.
///
/// @param entrant its name
/// @param fold which part of the terms it was tested on, from 1
/// @param settings with which it did best on the items it was fitted on
/// @param items scores of the items it was tested on
/// @param perplexity on neutral text that was not fitted on
/// @param divergence mean `KL(base ‖ changed)` of the next token there, nats
/// @param changed weights that differ; 0 where something is done at run time
/// @param seconds of all fitting and trying
public record Outcome(
    String entrant,
    String domain,
    long seed,
    int fold,
    SequencedMap<String, String> settings,
    List<ScoredItem> items,
    double perplexity,
    double divergence,
    long changed,
    double seconds) {
  public Outcome {
    settings = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(settings));
    items = List.copyOf(items);
  }
}
