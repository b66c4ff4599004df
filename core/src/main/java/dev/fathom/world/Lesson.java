package dev.fathom.world;

import java.util.List;

/// What a model of this world is taught afterwards, and how it is examined.
///
/// @param name `animals` or `wording`
/// @param told texts to learn from, of each the answer
/// @param again questions that are among the texts, one a fact
/// @param otherwise questions that are not, one a fact
public record Lesson(String name, List<Cloze> told, List<Cloze> again, List<Cloze> otherwise) {
  public Lesson {
    told = List.copyOf(told);
    again = List.copyOf(again);
    otherwise = List.copyOf(otherwise);
    if (told.isEmpty() || again.isEmpty() || otherwise.isEmpty()) {
      throw new IllegalArgumentException(
          "a lesson tells something and asks for it, found %d texts, %d and %d questions"
              .formatted(told.size(), again.size(), otherwise.size()));
    }
  }

  /// The ways to say it.
  ///
  /// @param split `told` or `asked`
  static List<Template> templates(String lesson, String split) {
    return WordList.rows("lessons.tsv", "lesson", "relation", "split", "text").stream()
        .filter(row -> row.get(0).equals(lesson) && row.get(2).equals(split))
        .map(row -> new Template(row.get(1), split.equals("asked"), row.get(3)))
        .toList();
  }
}
