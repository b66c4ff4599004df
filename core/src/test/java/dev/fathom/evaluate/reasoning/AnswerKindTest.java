package dev.fathom.evaluate.reasoning;

import static dev.fathom.evaluate.reasoning.AnswerKind.CHOICE;
import static dev.fathom.evaluate.reasoning.AnswerKind.LETTER;
import static dev.fathom.evaluate.reasoning.AnswerKind.NUMBER;
import static dev.fathom.evaluate.reasoning.AnswerKind.TRUTH;
import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.data.Instruction;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AnswerKindTest {

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "…so 1,234.5 dollars. | 1234.5",
        "The answer is 3. | 3.",
        "5-3 = 2 | 2",
        "x=-7 | -7",
        "10 - 4 = 6 (not -8) | -8",
        "no digits | ''",
        "3-2 | -2",
        "½ | ''",
        "٣ and ४ | ''", // Python's \d would take these
        "1.5.2 | 2",
        "1,2,3 | 123",
      })
  void theLastNumberIsTheAnswer(String response, String expected) {
    assertThat(NUMBER.official(response)).isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource({
    "1234.5, 1234.5, true",
    "3., 3.0, true",
    "-7, -7.0, true",
    "'', 3, false",
    "1.8333, 1.8333333333333335, true",
    "1.832, 1.8333333333333335, false",
    "576, 576.0, true",
    "-576, 576.0, false",
    "0.001, 0, true",
    "0.0011, 0, false",
  })
  void aNumberIsRightWithinAThousandth(String found, String answer, boolean right) {
    assertThat(NUMBER.matches(found, answer)).isEqualTo(right);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "Answer: C | A | C",
        "The answer is (D). | D | D", // T of "The" is no option
        "the answer is: B because C is wrong | B | B",
        "The answer is C. No, the answer is E | C | E",
        "Between (B) and D | B | D",
        "BAD | B | ''",
        "the answer is Blue, (C) | B | C",
        "the answer is d | '' | ''",
        "nothing | '' | ''",
      })
  void lettersHaveAnOfficialAndAStrictRule(String response, String official, String strict) {
    assertThat(LETTER.official(response)).isEqualTo(official);
    assertThat(LETTER.strict(response)).isEqualTo(strict);
  }

  @Test
  void theFirstTruthOrChoiceCounts() {
    assertThat(CHOICE.official("the correct answer is answer2, not answer1")).isEqualTo("answer2");
    assertThat(CHOICE.official("answer12")).isEqualTo("answer1");
    assertThat(CHOICE.official("Answer3")).isEmpty();
    assertThat(TRUTH.official("True")).isEmpty();
    assertThat(TRUTH.official("untrue, false")).isEqualTo("true");
    assertThat(CHOICE.matches("answer2", "answer2")).isTrue();
    assertThat(CHOICE.matches("", "answer2")).isFalse();
    assertThat(TRUTH.strict("true")).isEmpty();
  }

  @Test
  void answersOfAnotherKindAreNotAllowed() {
    assertThat(NUMBER.allows("576.0")).isTrue();
    assertThat(NUMBER.allows("A")).isFalse();
    assertThat(NUMBER.allows("NaN")).isFalse();
    assertThat(LETTER.allows("E")).isTrue();
    assertThat(LETTER.allows("F")).isFalse();
    assertThat(CHOICE.allows("answer6")).isFalse();
    assertThat(TRUTH.allows("false")).isTrue();
  }

  @Test
  void optionsAreReadFromTheItem() {
    var aqua = Instruction.of("Find x. Answer Choices: (A) 1 (B) 2 (C) 3 (D) 4 (E) 5", "x");
    var arc = Instruction.of("Which? A?\n\nAnswer format: answer1/answer2/answer3", "x");
    assertThat(LETTER.options(aqua)).containsExactly("A", "B", "C", "D", "E");
    assertThat(CHOICE.options(arc)).containsExactly("answer1", "answer2", "answer3");
    assertThat(CHOICE.options(aqua)).isEmpty();
    assertThat(TRUTH.options(aqua)).containsExactly("true", "false");
    assertThat(NUMBER.options(aqua)).isEmpty();
  }

  @Test
  void nothingDependsOnTheLocale() {
    Locale before = Locale.getDefault();
    Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab"));
    try {
      assertThat(NUMBER.official("1,234.5")).isEqualTo("1234.5");
      assertThat(NUMBER.matches("1234.5", "1234.5")).isTrue();
      assertThat(LETTER.strict("THE ANSWER IS (C)")).isEqualTo("C");
    } finally {
      Locale.setDefault(before);
    }
  }
}
