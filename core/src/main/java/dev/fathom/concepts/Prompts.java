package dev.fathom.concepts;

import dev.fathom.data.Concept;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;

/// The texts that one concept is read from: its stimuli in a template, and as many of other
/// concepts.
///
/// @param with texts with the concept, those that are held out first
/// @param without texts about other concepts, drawn for the concept's name and the seed, each from
///   another concept while there are enough; where there are fewer, fewer of both are taken
/// @param held how many of each are held out
record Prompts(List<String> with, List<String> without, int held) {
  /// Stimuli that are held out, at least, of a concept that has enough.
  private static final int LEAST_HELD = 2;

  /// With fewer stimuli none is held out.
  private static final int ENOUGH = 5;

  /// @param concept whose
  /// @param others what it is read against; it may be among them
  static Prompts of(Concept concept, List<Concept> others, Compilation.Config config) {
    var random = new Random(config.seed() * 31 + concept.name().hashCode());
    var own = new ArrayList<>(new HashSet<>(concept.stimuli())); // each text once,
    Collections.sort(own); // whatever order they came in
    Collections.shuffle(own, random);
    List<Negative> negatives =
        negatives(concept, Set.copyOf(own), pool(concept, others, config), own.size(), random);
    int pairs = negatives.size();
    int held =
        pairs < ENOUGH || config.heldShare() == 0
            ? 0
            : Math.max(LEAST_HELD, (int) Math.round(config.heldShare() * pairs));
    return new Prompts(
        own.stream().limit(pairs).map(stimulus -> config.prompt(concept.name(), stimulus)).toList(),
        negatives.stream()
            .map(negative ->
                config.prompt(
                    config.naming() == Compilation.Naming.OWN ? negative.of : concept.name(),
                    negative.stimulus))
            .toList(),
        Math.min(held, pairs - 2));
  }

  private record Negative(String of, String stimulus) {}

  /// The concepts that a concept is read against.
  private static List<Concept> pool(
      Concept concept, List<Concept> others, Compilation.Config config) {
    List<Concept> all =
        others.stream().filter(other -> !other.name().equals(concept.name())).toList();
    if (all.isEmpty()) {
      throw new IllegalArgumentException(
          "the concept '%s' is read against texts about other concepts: give at least one other"
              .formatted(concept.name()));
    }
    List<Concept> related =
        all.stream()
            .filter(other -> other.group().isPresent() && other.group().equals(concept.group()))
            .toList();
    return config.against() == Compilation.Against.GROUP && !related.isEmpty() ? related : all;
  }

  private static List<Negative> negatives(
      Concept concept, Set<String> own, List<Concept> others, int count, Random random) {
    var pool = new ArrayList<>(others);
    var found = new ArrayList<Negative>();
    var seen = new HashSet<String>(own);
    for (int round = 0; found.size() < count && round < count; round++) {
      Collections.shuffle(pool, random);
      for (Concept other : pool) {
        String stimulus = other.stimuli().get(random.nextInt(other.stimuli().size()));
        if (found.size() < count && seen.add(stimulus)) {
          found.add(new Negative(other.name(), stimulus));
        }
      }
    }
    if (found.size() < 2) {
      throw new IllegalArgumentException(
          "the concept '%s' has no two texts of other concepts to be read against: give more"
              .formatted(concept.name()));
    }
    return found;
  }
}
