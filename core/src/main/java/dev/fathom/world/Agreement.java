package dev.fathom.world;

import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// Sentences whose verb agrees with their head noun, whatever noun stands between.
final class Agreement {
  private static final List<String> RELATIONS =
      List.of("agree_verb", "agree_verb", "agree_is", "agree_was", "agree_has");

  /// Both forms of a word.
  private record Forms(String singular, String plural) {
    String of(boolean one) {
      return one ? singular : plural;
    }
  }

  private final World world;
  private final List<Forms> nouns;

  /// What creatures do, which is more than what the other nouns do.
  private final List<Forms> acts;

  private final List<Forms> creatures;
  private final List<Forms> anything;

  Agreement(World world) {
    this.world = world;
    creatures = forms("creature", "creatures");
    nouns = Stream.concat(creatures.stream(), forms("item", "items").stream()).toList();
    anything = forms("does", "do");
    acts = Stream.concat(anything.stream(), forms("acts", "act").stream()).toList();
  }

  private List<Forms> forms(String singular, String plural) {
    List<String> one = world.words(singular);
    List<String> many = world.words(plural);
    if (one.size() != many.size()) {
      throw new IllegalStateException(
          "stories.tsv: %d words of the kind %s but %d of %s."
              .formatted(one.size(), singular, many.size(), plural));
    }
    return IntStream.range(0, one.size())
        .mapToObj(i -> new Forms(one.get(i), many.get(i)))
        .toList();
  }

  /// A sentence.
  ///
  /// @param heldOut whether one with two nouns that never stand together in training
  Cloze draw(Random random, boolean heldOut) {
    while (true) {
      Template template =
          Chance.pick(random, world.templates(Chance.pick(random, RELATIONS), false));
      Forms head = Chance.pick(random, nouns);
      Forms other = Chance.pick(random, nouns);
      boolean unseen =
          template.slots().contains("other")
              && World.isAttractorHeldOut(head.singular(), other.singular());
      if (!head.equals(other) && unseen == heldOut) {
        return fill(template, head, other, random);
      }
    }
  }

  private Cloze fill(Template template, Forms head, Forms other, Random random) {
    Forms verb =
        switch (template.relation()) {
          case "agree_is" -> new Forms("is", "are");
          case "agree_was" -> new Forms("was", "were");
          case "agree_has" -> new Forms("has", "have");
          default -> Chance.pick(random, creatures.contains(head) ? acts : anything);
        };
    boolean one = random.nextBoolean();
    return template.fill(
        Map.of(
            "head", head.of(one),
            "other", other.of(random.nextBoolean()),
            "colour", Chance.pick(random, world.words("colour")),
            "o", verb.of(one)),
        List.of(verb.of(!one)));
  }
}
