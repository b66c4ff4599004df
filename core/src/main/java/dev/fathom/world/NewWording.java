package dev.fathom.world;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;

/// Facts of the world in words in which it never tells them: `They pay in France with the euro`.
/// The model knows the facts, and in these words its earlier layers say most of them, but the last
/// one often says something else. Some subjects are told, others asked: what is learnt is to say it
/// so, not what is true.
public final class NewWording {
  /// Its name in lessons.
  public static final String NAME = "wording";

  private NewWording() {}

  /// Facts of two relations, each told in one way.
  ///
  /// @param count of facts told; twice as many others are asked, as far as there are any
  /// @param seed which
  public static Lesson lesson(World world, int count, long seed) {
    var texts = new ArrayList<Cloze>();
    for (Template template : Lesson.templates(NAME, "told")) {
      List<Fact> facts =
          world.facts().stream()
              .filter(fact -> fact.relation().equals(template.relation()))
              .toList();
      List<String> answers = facts.stream().map(Fact::object).distinct().toList();
      for (Fact fact : facts) {
        texts.add(
            template.fill(
                Map.of("s", fact.subject(), "o", fact.object()),
                answers.stream().filter(answer -> !answer.equals(fact.object())).toList()));
      }
    }
    Random random = Chance.source(NAME, seed);
    Collections.shuffle(texts, random);
    if (count < 2 || count > texts.size() / 2) {
      throw new IllegalArgumentException(
          "2 to %d facts can be told in new words, found %d".formatted(texts.size() / 2, count));
    }
    List<Cloze> told = texts.subList(0, count);
    return new Lesson(
        NAME, told, told, texts.subList(count, Math.min(3 * count, texts.size())));
  }
}
