package dev.fathom.world;

import dev.fathom.evaluate.MeanInterval;
import dev.fathom.evaluate.Share;
import java.util.List;
import java.util.OptionalDouble;

/// How often a method finds the tokens that make the answer.
///
/// @param name short, for tables: `tracing`
/// @param claim whether the bundled model is held to it; the others are for comparison
/// @param cases one a question
public record FactTrial(String name, boolean claim, List<Case> cases) {
  public FactTrial {
    cases = List.copyOf(cases);
  }

  /// What one question gave.
  ///
  /// @param found the token that the method puts first
  /// @param hit whether that is a decisive one
  /// @param withLast whether it still would be if the token at which the answer is read counted
  /// @param chance that a token drawn from those in question is decisive
  /// @param effect what stands in the top cell, logits; empty where a random direction has no
  ///   meaning
  /// @param control the same after an equally large change in a random direction
  public record Case(
      String prompt,
      String found,
      boolean hit,
      boolean withLast,
      double chance,
      OptionalDouble effect,
      OptionalDouble control) {}

  public Share share() {
    return share(cases.stream().filter(Case::hit).count());
  }

  /// The share if the token at which the answer is read counted too.
  public Share shareWithLast() {
    return share(cases.stream().filter(Case::withLast).count());
  }

  private Share share(long hits) {
    return new Share((int) hits, cases.size());
  }

  /// The share that drawing a token would give.
  public double chance() {
    return cases.stream().mapToDouble(Case::chance).average().orElse(Double.NaN);
  }

  /// The top cell's effect; no values for a trial without.
  public MeanInterval effect() {
    var mean = new MeanInterval();
    cases.forEach(c -> c.effect().ifPresent(mean::add));
    return mean;
  }

  /// The same in random directions.
  public MeanInterval control() {
    var mean = new MeanInterval();
    cases.forEach(c -> c.control().ifPresent(mean::add));
    return mean;
  }

  /// By how much the effect is larger than in a random direction, question by question.
  public MeanInterval gap() {
    var mean = new MeanInterval();
    for (Case c : cases) {
      if (c.effect().isPresent() && c.control().isPresent()) {
        mean.add(c.effect().getAsDouble() - c.control().getAsDouble());
      }
    }
    return mean;
  }
}
