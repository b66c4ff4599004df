package dev.fathom.world;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// A way to say something. `{name}` is a slot; the answer is the slot `{o}`, or `{=name}`, which
/// repeats the slot of that name. A slot at the start of a sentence is capitalised.
///
/// @param relation what it says
/// @param heldOut whether no training text may use it
/// @param text with exactly one answer, after a space
public record Template(String relation, boolean heldOut, String text) {
  private static final Pattern SLOT = Pattern.compile("\\{(=?)(\\w+)}");
  private static final Pattern SENTENCE_START = Pattern.compile("(^|.*[.?!] |.*Question: )$");

  public Template {
    var slots = SLOT.matcher(text);
    long answers =
        slots
            .results()
            .filter(slot -> isAnswer(slot.group(1), slot.group(2)))
            .filter(slot -> slot.start() > 0 && text.charAt(slot.start() - 1) == ' ')
            .count();
    if (answers != 1) {
      throw new IllegalArgumentException(
          "Expected one answer, {o} or {=name}, after a space; found %d in: %s"
              .formatted(answers, text));
    }
  }

  private static boolean isAnswer(String equals, String name) {
    return !equals.isEmpty() || name.equals("o");
  }

  /// The names of the slots before the answer.
  Set<String> slots() {
    return SLOT.matcher(text)
        .results()
        .takeWhile(slot -> !isAnswer(slot.group(1), slot.group(2)))
        .map(slot -> slot.group(2))
        .collect(Collectors.toSet());
  }

  /// The name of the slot that is the answer.
  String answerSlot() {
    return SLOT.matcher(text)
        .results()
        .filter(slot -> isAnswer(slot.group(1), slot.group(2)))
        .map(slot -> slot.group(2))
        .findFirst()
        .orElseThrow();
  }

  /// The text with its slots filled.
  ///
  /// @param values a word or phrase for each slot
  /// @param foils words that could stand in place of the answer
  Cloze fill(Map<String, String> values, List<String> foils) {
    var filled = new StringBuilder();
    String prompt = "";
    String answer = "";
    var slots = SLOT.matcher(text);
    while (slots.find()) {
      String value = values.get(slots.group(2));
      if (value == null) {
        throw new IllegalArgumentException(
            "No value for {%s} in: %s".formatted(slots.group(2), text));
      }
      slots.appendReplacement(filled, "");
      if (isAnswer(slots.group(1), slots.group(2))) {
        prompt = filled.substring(0, filled.length() - 1);
        answer = " " + value;
        filled.setLength(0);
      } else {
        boolean start = SENTENCE_START.matcher(filled).matches() && answer.isEmpty();
        filled.append(start ? capitalised(value) : value);
      }
    }
    slots.appendTail(filled);
    return new Cloze(
        prompt, answer, foils.stream().map(foil -> " " + foil).toList(), filled.toString());
  }

  private static String capitalised(String value) {
    return Character.toUpperCase(value.charAt(0)) + value.substring(1);
  }
}
