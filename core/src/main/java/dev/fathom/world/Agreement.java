package dev.fathom.world;

import java.util.List;
import java.util.Map;
import java.util.Random;

/// Sentences whose verb agrees with their head noun, whatever noun stands between.
final class Agreement {
  private static final List<String> RELATIONS =
      List.of("agree_verb", "agree_verb", "agree_is", "agree_was", "agree_has");

  private final World world;

  Agreement(World world) {
    this.world = world;
  }

  /// A sentence.
  ///
  /// @param heldOut whether one with two nouns that never stand together in training
  Cloze draw(Random random, boolean heldOut) {
    List<String> singular = world.words("singular");
    List<String> plural = world.words("plural");
    while (true) {
      Template template =
          Chance.pick(random, world.templates(Chance.pick(random, RELATIONS), false));
      int head = random.nextInt(singular.size());
      int other = random.nextInt(singular.size());
      boolean one = random.nextBoolean();
      boolean otherOne = random.nextBoolean();
      int verb = random.nextInt(world.words("do").size());
      String colour = Chance.pick(random, world.words("colour"));
      boolean two = template.slots().contains("other");
      boolean unseen =
          two && World.isAttractorHeldOut(singular.get(head), singular.get(other));
      if (head == other || unseen != heldOut) {
        continue;
      }
      List<String> forms =
          switch (template.relation()) {
            case "agree_is" -> List.of("is", "are");
            case "agree_was" -> List.of("was", "were");
            case "agree_has" -> List.of("has", "have");
            default -> List.of(world.words("does").get(verb), world.words("do").get(verb));
          };
      return template.fill(
          Map.of(
              "head", (one ? singular : plural).get(head),
              "other", (otherOne ? singular : plural).get(other),
              "colour", colour,
              "o", forms.get(one ? 0 : 1)),
          List.of(forms.get(one ? 1 : 0)));
    }
  }
}
