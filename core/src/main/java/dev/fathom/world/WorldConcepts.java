package dev.fathom.world;

import dev.fathom.data.Concept;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/// What this world's texts are about, as concepts with texts: beginnings of its sentences, up to
/// the word that follows from the concept, so that the last token's activation is where it must be
/// known.
final class WorldConcepts {
  static final String PLANTED = "planted occupation";
  static final String PEOPLE = "people";

  private static final int LEAST_MEMBERS = 5;
  private static final int MOST_TEXTS = 10;

  private final World world;

  WorldConcepts(World world) {
    this.world = world;
  }

  /// What things have in common, each text about another thing: whom most of an occupation are
  /// (group `gender`), which people it is (`people`, each text in other words), and which kind of
  /// thing (`category`).
  List<Concept> attributes() {
    var concepts = new ArrayList<Concept>();
    concepts.add(gender("men", true));
    concepts.add(gender("women", false));
    for (People people : world.peoples()) {
      concepts.add(
          new Concept(people.group(), Optional.of(PEOPLE), texts("people", people.group())));
    }
    var members = new LinkedHashMap<String, List<String>>();
    for (Fact fact : world.facts()) {
      if (fact.relation().equals("category")) {
        members.computeIfAbsent(fact.object(), _ -> new ArrayList<>()).add(fact.subject());
      }
    }
    members.forEach((category, things) -> {
      if (things.size() >= LEAST_MEMBERS) {
        concepts.add(new Concept(category, Optional.of("category"), inTurn("category", things)));
      }
    });
    return concepts;
  }

  /// What texts are said of, at most so many of a group: landmarks, cities, countries, things of
  /// each category, occupations and peoples. Those with a planted rate that is not one half are of
  /// the groups `planted occupation` and `people`.
  ///
  /// @param most of one group, evenly chosen; all occupations and peoples
  List<Concept> subjects(int most) {
    var relations = new LinkedHashMap<String, List<String>>();
    var groups = new LinkedHashMap<String, String>();
    for (Fact fact : world.facts()) {
      String group =
          switch (fact.relation()) {
            case "landmark_city", "landmark_country" -> "landmark";
            case "city_country", "capital_country" -> "city";
            case "country_capital", "country_language", "country_currency", "country_continent" ->
                "country";
            case "category" -> fact.object();
            default -> "";
          };
      if (!group.isEmpty()) {
        groups.putIfAbsent(fact.subject(), group);
        relations.computeIfAbsent(fact.subject(), _ -> new ArrayList<>()).add(fact.relation());
      }
    }
    var members = new LinkedHashMap<String, List<String>>();
    groups.forEach(
        (subject, group) -> members.computeIfAbsent(group, _ -> new ArrayList<>()).add(subject));
    var chosen = new HashSet<String>();
    members.values().forEach(own -> chosen.addAll(some(own, most)));
    relations.keySet().retainAll(chosen);
    var concepts = new ArrayList<Concept>();
    relations.forEach((subject, own) -> {
      List<String> texts =
          own.stream().flatMap(relation -> texts(relation, subject).stream()).toList();
      concepts.add(
          new Concept(subject, Optional.ofNullable(groups.get(subject)), some(texts, MOST_TEXTS)));
    });
    for (Occupation occupation : world.occupations()) {
      String group = occupation.men() == 0.5 ? "even occupation" : PLANTED;
      concepts.add(
          new Concept(
              occupation.plural(),
              Optional.of(group),
              some(texts("occupation", occupation.plural()), MOST_TEXTS)));
    }
    for (People people : world.peoples()) {
      concepts.add(
          new Concept(
              people.group(),
              Optional.of(PEOPLE),
              some(texts("people", people.group()), MOST_TEXTS)));
    }
    return concepts;
  }

  private Concept gender(String name, boolean men) {
    List<String> occupations =
        world.occupations().stream()
            .filter(occupation -> men ? occupation.men() > 0.5 : occupation.men() < 0.5)
            .map(Occupation::plural)
            .toList();
    return new Concept(name, Optional.of("gender"), inTurn("occupation", occupations));
  }

  private List<Template> ways(String relation) {
    var ways = new ArrayList<>(world.templates(relation, false));
    ways.addAll(world.templates(relation, true));
    return ways;
  }

  /// Each subject in another way of saying it.
  private List<String> inTurn(String relation, List<String> subjects) {
    List<Template> ways = ways(relation);
    var texts = new ArrayList<String>();
    for (String subject : subjects) {
      texts.add(text(ways.get(texts.size() % ways.size()), subject));
    }
    return texts;
  }

  /// A subject in every way of saying it.
  private List<String> texts(String relation, String subject) {
    return ways(relation).stream().map(way -> text(way, subject)).distinct().toList();
  }

  private static String text(Template way, String subject) {
    return way.fill(Map.of("s", subject, "o", "o"), List.of()).prompt();
  }

  /// Evenly chosen.
  private static List<String> some(List<String> all, int most) {
    return all.size() <= most
        ? all
        : IntStream.range(0, most)
            .mapToObj(i -> all.get((int) ((long) i * all.size() / most)))
            .toList();
  }
}
