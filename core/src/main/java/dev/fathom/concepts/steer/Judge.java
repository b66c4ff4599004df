package dev.fathom.concepts.steer;

import dev.fathom.model.Site;

/// What is to be moved by steering, and how that is measured.
public sealed interface Judge {
  /// What the number is, for axes and tables.
  String unit();

  /// How it is found, a sentence.
  String explanation();

  /// How much rather one word follows the prompts than another: the mean over prompts of `P(first)
  /// / (P(first) + P(second))`, of the words' first tokens.
  ///
  /// @param first a word with its leading space
  /// @param second likewise
  record Targets(String first, String second) implements Judge {
    @Override
    public String unit() {
      return "share of '%s'".formatted(first.strip());
    }

    @Override
    public String explanation() {
      return "The effect is P('%s') / (P('%s') + P('%s')) after a prompt, the mean over prompts."
          .formatted(first, first, second);
    }
  }

  /// How far the generated texts lie along a direction, as the model reads them without steering:
  /// the mean score of their tokens ([Direction]). A direction that was read from other texts than
  /// the one that steers, or by a probe of its own, makes that a test.
  ///
  /// @param site where the texts are read
  /// @param called what the direction is, for people: `the direction of the other half of the
  ///   pairs`
  record Along(Site site, Direction direction, String called) implements Judge {
    @Override
    public String unit() {
      return "score in spreads";
    }

    @Override
    public String explanation() {
      return "The effect is how far what was generated lies along %s, read at %s without steering: the mean over tokens, in spreads from its centre."
          .formatted(called, site);
    }
  }
}
