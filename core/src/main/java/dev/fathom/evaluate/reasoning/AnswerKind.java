package dev.fathom.evaluate.reasoning;

import dev.fathom.data.Instruction;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What a test's answers look like, and how one is found in a model's response.
///
/// The *official* rules are those of LLM-Adapters' scripts (Hu et al. 2023), which published tables
/// were made with, weaknesses included; only digits 0 to 9 count, where Python's `\d` takes those
/// of all scripts. The *strict* rule, for letters, is what a reader would take for the answer; it
/// is reported beside the official one, never in its place.
public enum AnswerKind {
  /// The last number in the response, commas taken out. Right within 0.001.
  NUMBER("-?[0-9]+\\.?[0-9]*"),
  /// The first of the letters A to E anywhere, even within a word: `Answer: C` gives A.
  LETTER("[A-E]"),
  /// The first `true` or `false`, in lower case.
  TRUTH("true|false"),
  /// The first `answer1` to `answer5`, in lower case.
  CHOICE("answer1|answer2|answer3|answer4|answer5");

  /// Largest error of a number that is right.
  private static final double TOLERANCE = 0.001;

  private static final String LETTER_ALONE = "\\(?([A-E])\\)?(?![A-Za-z0-9])";
  private static final Pattern SAID = Pattern.compile("(?i:answer is)\\s*:?\\s*" + LETTER_ALONE);
  private static final Pattern ALONE = Pattern.compile("(?<![A-Za-z0-9])" + LETTER_ALONE);
  private static final Pattern INLINE = Pattern.compile("\\(([A-E])\\)");
  private static final Pattern FORMAT = Pattern.compile("Answer format: ([a-z0-9/]+)\\s*$");

  private final Pattern pattern;

  AnswerKind(String pattern) {
    this.pattern = Pattern.compile(pattern);
  }

  /// The answer in a response by the official rule; empty where there is none.
  public String official(String response) {
    return this == NUMBER
        ? last(pattern.matcher(response.replace(",", "")), 0)
        : first(pattern.matcher(response));
  }

  /// Whether there is a strict rule.
  public boolean hasStrict() {
    return this == LETTER;
  }

  /// The answer by the strict rule: the last letter after `answer is`, else the last that stands
  /// alone; empty where there is none, or no strict rule.
  public String strict(String response) {
    if (!hasStrict()) {
      return "";
    }
    String said = last(SAID.matcher(response), 1);
    return said.isEmpty() ? last(ALONE.matcher(response), 1) : said;
  }

  private static String first(Matcher matcher) {
    return matcher.find() ? matcher.group() : "";
  }

  private static String last(Matcher matcher, int group) {
    String last = "";
    while (matcher.find()) {
      last = matcher.group(group);
    }
    return last;
  }

  /// Whether what was found is the right answer.
  ///
  /// @param found by one of the rules; empty is never right
  /// @param answer the data's, which [#allows]
  public boolean matches(String found, String answer) {
    if (found.isEmpty()) {
      return false;
    }
    return this == NUMBER
        ? Math.abs(Double.parseDouble(answer) - Double.parseDouble(found)) <= TOLERANCE
        : found.equals(answer);
  }

  /// Whether the data can have this answer.
  public boolean allows(String answer) {
    if (this != NUMBER) {
      return pattern.matcher(answer).matches();
    }
    try {
      return Double.isFinite(Double.parseDouble(answer));
    } catch (NumberFormatException e) {
      return false;
    }
  }

  /// The answers an item offers, in its order; empty for numbers.
  public List<String> options(Instruction item) {
    return switch (this) {
      case NUMBER -> List.of();
      case LETTER ->
          INLINE.matcher(item.instruction()).results().map(m -> m.group(1)).distinct().toList();
      case TRUTH -> List.of("true", "false");
      case CHOICE ->
          Optional.of(FORMAT.matcher(item.instruction()))
              .filter(Matcher::find)
              .map(format -> format.group(1).split("/"))
              .map(names -> Arrays.stream(names).filter(this::allows).toList())
              .orElse(List.of());
    };
  }

  /// An option as a response says it.
  public String said(String option) {
    return this == LETTER ? "The answer is (" + option + ")" : "the correct answer is " + option;
  }
}
