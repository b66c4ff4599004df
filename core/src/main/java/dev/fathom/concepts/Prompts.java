package dev.fathom.concepts;

import dev.fathom.data.Concept;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;

/// The texts that one concept is read from: its stimuli in a template, and as many of other
/// concepts.
///
/// Each concept's stimuli are split once, for its name and the seed, into those that are held out
/// and those that are learnt from. What is learnt, of this concept or against another, is never
/// tried.
///
/// @param with texts with the concept, those that are held out first
/// @param without as many texts about other concepts, in the same order
/// @param held how many of each are held out
record Prompts(List<String> with, List<String> without, int held) {
  /// Stimuli that are held out, at least, of a concept that has enough.
  private static final int LEAST_HELD = 2;

  /// With fewer stimuli none is held out.
  private static final int ENOUGH = 5;

  /// A concept's stimuli, each text once, whatever order they came in.
  private record Split(List<String> held, List<String> learnt) {
    static Split of(Concept concept, Compilation.Config config) {
      var own = new ArrayList<>(new TreeSet<>(concept.stimuli()));
      Collections.shuffle(own, new Random(seed(concept, config)));
      int n = own.size();
      int held =
          n < ENOUGH || config.heldShare() == 0
              ? 0
              : Math.clamp(Math.round(config.heldShare() * n), LEAST_HELD, n - 2);
      return new Split(own.subList(0, held), own.subList(held, n));
    }
  }

  static long seed(Concept concept, Compilation.Config config) {
    return config.seed() * 31 + concept.name().hashCode();
  }

  /// @param concept whose
  /// @param others what it is read against; it may be among them
  static Prompts of(Concept concept, List<Concept> others, Compilation.Config config) {
    Split own = Split.of(concept, config);
    List<Concept> pool = pool(concept, others, config);
    var random = new Random(seed(concept, config) + 1);
    var taken = new HashSet<>(concept.stimuli());
    var dealt = new Dealing(pool, config, random, taken);
    List<Negative> learnt = dealt.some(own.learnt.size(), false);
    List<Negative> held = dealt.some(own.held.size(), true);
    if (learnt.size() < 2) {
      throw new IllegalArgumentException(
          "the concept '%s' has no two texts of other concepts to be read against: give more"
              .formatted(concept.name()));
    }
    var with = new ArrayList<String>();
    var without = new ArrayList<String>();
    for (int i = 0; i < held.size(); i++) {
      with.add(config.prompt(concept.name(), own.held.get(i)));
      without.add(held.get(i).prompt(concept, config));
    }
    for (int i = 0; i < learnt.size(); i++) {
      with.add(config.prompt(concept.name(), own.learnt.get(i)));
      without.add(learnt.get(i).prompt(concept, config));
    }
    return new Prompts(with, without, held.size());
  }

  private record Negative(String of, String stimulus) {
    String prompt(Concept concept, Compilation.Config config) {
      boolean own = config.naming() == Compilation.Naming.OWN;
      return config.prompt(own ? of : concept.name(), stimulus);
    }
  }

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

  /// Deals texts of concepts in turn, each text once, until there are enough or none is left.
  private record Dealing(
      List<Concept> pool, Compilation.Config config, Random random, Set<String> taken) {
    List<Negative> some(int count, boolean held) {
      var found = new ArrayList<Negative>();
      var order = new ArrayList<>(pool);
      Collections.shuffle(order, random);
      for (int round = 0; found.size() < count; round++) {
        boolean any = false;
        for (Concept other : order) {
          Split split = Split.of(other, config);
          List<String> texts = held && !split.held.isEmpty() ? split.held : split.learnt;
          if (round < texts.size()) {
            any = true;
            if (found.size() < count && taken.add(texts.get(round))) {
              found.add(new Negative(other.name(), texts.get(round)));
            }
          }
          if (found.size() == count) {
            break;
          }
        }
        if (!any) {
          break;
        }
      }
      return found;
    }
  }
}
