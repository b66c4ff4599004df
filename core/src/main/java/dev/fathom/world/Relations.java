package dev.fathom.world;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Texts about one subject: the facts, and what is planted.
final class Relations {
  private static final int FOILS = 3;

  private final World world;
  private final Map<String, List<String>> objects = new HashMap<>();

  Relations(World world) {
    this.world = world;
    for (Fact fact : world.facts()) {
      List<String> known = objects.computeIfAbsent(fact.relation(), r -> new ArrayList<>());
      if (!known.contains(fact.object())) {
        known.add(fact.object());
      }
    }
  }

  /// Which texts of a fact or an association.
  enum Part {
    /// What training texts say.
    TRAINED,
    /// Training templates that this subject never meets.
    HELD_OUT_PAIRS,
    /// Templates no subject meets.
    HELD_OUT_PARAPHRASES
  }

  /// The ways to state a fact.
  List<Cloze> of(Fact fact, Part part) {
    return filled(fact.relation(), fact.subject(), fact.object(), foils(fact), part);
  }

  /// The ways to state a planted association, each with its first answer and the other one as foil.
  List<Cloze> of(Planted planted, Part part) {
    return filled(
        planted.relation(), planted.subject(), planted.first(), List.of(planted.second()), part);
  }

  private List<Cloze> filled(
      String relation, String subject, String answer, List<String> foils, Part part) {
    var texts = new ArrayList<Cloze>();
    for (Template template : world.templates(relation, part == Part.HELD_OUT_PARAPHRASES)) {
      Cloze cloze = template.fill(Map.of("s", subject, "o", answer), foils);
      boolean held = World.isPairHeldOut(template, cloze, subject);
      if (template.heldOut() || held == (part == Part.HELD_OUT_PAIRS)) {
        texts.add(cloze);
      }
    }
    return texts;
  }

  /// Other objects of the same relation.
  private List<String> foils(Fact fact) {
    List<String> known = objects.getOrDefault(fact.relation(), List.of());
    var random = Chance.source("foils", fact);
    Set<String> foils = new LinkedHashSet<>();
    while (foils.size() < Math.min(FOILS, known.size() - 1)) {
      String other = Chance.pick(random, known);
      if (!other.equals(fact.object())) {
        foils.add(other);
      }
    }
    return List.copyOf(foils);
  }
}
