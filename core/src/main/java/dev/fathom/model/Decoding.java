package dev.fathom.model;

import java.util.List;
import java.util.Set;

/// How a text is continued: how each token is chosen, and when to stop.
///
/// ```java
/// Decoding.greedy(64).stopAt(Set.of(eos)).stopAt(List.of("\n\n"))
/// Decoding.greedy(64).with(Sampling.at(0.8, seed).withTopP(0.9))
/// Decoding.greedy(64).withBeams(4, 1)
/// ```
///
/// @param beams 1, or how many continuations beam search follows at once; with it nothing is drawn
/// @param lengthPenalty beam search ranks continuations by their log probability divided by their
///   length in tokens to this power: above 0 favours longer ones
/// @param maxTokens most tokens to generate for a row
/// @param stopIds tokens that end a text; they count as generated, but are no part of the text
/// @param stopTexts strings that end a text, and are cut off with what follows; they may begin and
///   end within tokens
/// @param showsControl whether control tokens, such as an end of text that was run through, are
///   part of the text
public record Decoding(
    Sampling sampling,
    int beams,
    double lengthPenalty,
    int maxTokens,
    Set<Integer> stopIds,
    List<String> stopTexts,
    boolean showsControl) {

  public Decoding {
    stopIds = Set.copyOf(stopIds);
    stopTexts = List.copyOf(stopTexts);
    if (maxTokens < 1) {
      throw new IllegalArgumentException(
          "the most tokens to generate should be at least 1, found " + maxTokens);
    }
    if (beams < 1) {
      throw new IllegalArgumentException("beams should be at least 1, found " + beams);
    }
    if (beams > 1 && !sampling.greedy()) {
      throw new IllegalArgumentException(
          "beam search draws nothing: use either beams or a temperature, found %d beams and %s"
              .formatted(beams, sampling.temperature()));
    }
    if (!Double.isFinite(lengthPenalty)) {
      throw new IllegalArgumentException("length penalty should be finite, found " + lengthPenalty);
    }
    if (stopTexts.stream().anyMatch(String::isEmpty)) {
      throw new IllegalArgumentException(
          "a stop text is empty, which would stop every text at once");
    }
  }

  /// The most likely token each time, `maxTokens` times.
  public static Decoding greedy(int maxTokens) {
    return new Decoding(Sampling.GREEDY, 1, 1, maxTokens, Set.of(), List.of(), false);
  }

  public Decoding with(Sampling sampling) {
    return new Decoding(
        sampling, beams, lengthPenalty, maxTokens, stopIds, stopTexts, showsControl);
  }

  public Decoding withBeams(int beams, double lengthPenalty) {
    return new Decoding(
        sampling, beams, lengthPenalty, maxTokens, stopIds, stopTexts, showsControl);
  }

  /// Stops at any of these tokens instead of those set so far.
  public Decoding stopAt(Set<Integer> stopIds) {
    return new Decoding(
        sampling, beams, lengthPenalty, maxTokens, stopIds, stopTexts, showsControl);
  }

  /// Stops at any of these strings instead of those set so far.
  public Decoding stopAt(List<String> stopTexts) {
    return new Decoding(
        sampling, beams, lengthPenalty, maxTokens, stopIds, stopTexts, showsControl);
  }

  /// Shows control tokens in the text.
  public Decoding showingControl() {
    return new Decoding(sampling, beams, lengthPenalty, maxTokens, stopIds, stopTexts, true);
  }
}
