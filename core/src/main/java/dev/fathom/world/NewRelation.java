package dev.fathom.world;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;

/// A relation that no text of the world tells: each city gets an animal, drawn by seed. The model
/// knows the cities and the animals, but nothing in it says which belong together, so whoever gives
/// the answers after a lesson has learnt them there.
public final class NewRelation {
  /// Its name in lessons and facts.
  public static final String NAME = "animals";

  private static final String RELATION = "city_animal";

  private NewRelation() {}

  /// The most facts there can be: one a city.
  public static int most(World world) {
    return cities(world).size();
  }

  /// What is made true.
  ///
  /// @param count of cities
  /// @param seed which cities, and which animal each has; all animals are had as often, give or
  ///   take one
  public static List<Fact> facts(World world, int count, long seed) {
    List<String> cities = new ArrayList<>(cities(world));
    if (count < 2 || count > cities.size()) {
      throw new IllegalArgumentException(
          "there can be 2 to %d new facts, one a city, found %d".formatted(cities.size(), count));
    }
    Random random = Chance.source(RELATION, seed);
    Collections.shuffle(cities, random);
    List<String> animals = new ArrayList<>(animals(world));
    var facts = new ArrayList<Fact>();
    for (int i = 0; i < count; i++) {
      if (i % animals.size() == 0) {
        Collections.shuffle(animals, random);
      }
      facts.add(new Fact(RELATION, cities.get(i), animals.get(i % animals.size())));
    }
    return facts;
  }

  /// The facts, told in three ways and asked in four others.
  public static Lesson lesson(World world, int count, long seed) {
    List<Template> telling = Lesson.templates(NAME, "told");
    List<Template> asking = Lesson.templates(NAME, "asked");
    List<String> animals = animals(world);
    var told = new ArrayList<Cloze>();
    var again = new ArrayList<Cloze>();
    var otherwise = new ArrayList<Cloze>();
    for (Fact fact : facts(world, count, seed)) {
      List<String> foils = animals.stream().filter(other -> !other.equals(fact.object())).toList();
      Map<String, String> values = Map.of("s", fact.subject(), "o", fact.object());
      Random random = Chance.source(RELATION, seed, fact);
      telling.forEach(template -> told.add(template.fill(values, foils)));
      again.add(Chance.pick(random, telling).fill(values, foils));
      otherwise.add(Chance.pick(random, asking).fill(values, foils));
    }
    return new Lesson(NAME, told, again, otherwise);
  }

  private static List<String> cities(World world) {
    return world.facts().stream()
        .filter(fact -> fact.relation().equals("city_country"))
        .map(Fact::subject)
        .toList();
  }

  /// What the world counts among the animals, without articles.
  private static List<String> animals(World world) {
    return world.facts().stream()
        .filter(fact -> fact.relation().equals("category") && fact.object().equals("animal"))
        .map(fact -> fact.subject().replaceFirst("^an? ", ""))
        .toList();
  }
}
