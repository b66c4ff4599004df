package dev.fathom.world;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/// Stories whose last word follows from what was told: who got something, who has it, where and
/// which it is.
final class Stories {
  /// The other slot that could be meant.
  private static final Map<String, String> OTHER =
      Map.of("a", "b", "b", "a", "x", "y", "y", "x", "p", "q", "q", "p", "c", "d", "d", "c");

  private static final int LONGEST_LIST = 7;

  private final World world;

  Stories(World world) {
    this.world = world;
  }

  /// A story.
  ///
  /// @param relation `indirect` for one person giving another something, `story` for any other
  /// @param heldOut whether one whose prompt names two people who never meet in training
  Cloze draw(String relation, Random random, boolean heldOut) {
    while (true) {
      Template template = Chance.pick(random, world.templates(relation, false));
      Person a = Chance.pick(random, world.persons());
      Person b = Chance.pick(random, world.persons());
      boolean unseen = World.areNamesHeldOut(a.name(), b.name());
      boolean namesBoth = template.slots().containsAll(Set.of("a", "b"));
      if (!a.equals(b) && unseen == heldOut && (namesBoth || !heldOut)) {
        return fill(template, a, b, random);
      }
    }
  }

  private Cloze fill(Template template, Person a, Person b, Random random) {
    Map<String, String> values = values(a, b, random);
    String answer = template.answerSlot();
    String foil =
        switch (answer) {
          case "he" -> a.male() ? "she" : "he";
          case "his" -> a.male() ? "her" : "his";
          default -> values.getOrDefault(OTHER.getOrDefault(answer, ""), "");
        };
    return template.fill(values, foil.isEmpty() ? List.of() : List.of(foil));
  }

  private Map<String, String> values(Person a, Person b, Random random) {
    List<String> objects = two(world.words("object"), random);
    List<String> places = two(world.words("place"), random);
    List<String> colours = two(world.words("colour"), random);
    var values = new HashMap<String, String>();
    values.put("a", a.name());
    values.put("b", b.name());
    values.put("he", a.he());
    values.put("his", a.his());
    values.put("x", objects.get(0));
    values.put("y", objects.get(1));
    values.put("ax", World.withArticle(objects.get(0)));
    values.put("ay", World.withArticle(objects.get(1)));
    values.put("p", places.get(0));
    values.put("q", places.get(1));
    values.put("c", colours.get(0));
    values.put("d", colours.get(1));
    values.put("ac", World.withArticle(colours.get(0)));
    values.put("ad", World.withArticle(colours.get(1)));
    values.put("place", places.get(0));
    values.put("object", World.withArticle(objects.get(0)));
    values.put("verb", Chance.pick(random, world.words("verb")));
    for (int w = 1; w <= LONGEST_LIST; w++) {
      values.put("w" + w, listed(values, random));
    }
    return values;
  }

  /// A word that is not in the text yet.
  private String listed(Map<String, String> values, Random random) {
    String word;
    do {
      word =
          switch (random.nextInt(4)) {
            case 0 -> Chance.pick(random, world.persons()).name();
            case 1 -> Chance.pick(random, world.words("object"));
            case 2 -> Chance.pick(random, world.words("place"));
            default -> Chance.pick(random, world.words("thing"));
          };
    } while (values.containsValue(word) || meetsHeldOut(word, values));
    return word;
  }

  private static boolean meetsHeldOut(String word, Map<String, String> values) {
    return values.values().stream().anyMatch(other -> World.areNamesHeldOut(word, other));
  }

  private static List<String> two(List<String> words, Random random) {
    String first = Chance.pick(random, words);
    String second = first;
    while (second.equals(first)) {
      second = Chance.pick(random, words);
    }
    return List.of(first, second);
  }
}
