package dev.fathom.data;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.data.LeakCheck.Leak;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;

class LeakCheckTest {
  private static Instruction item(String text) {
    return Instruction.of(text, "x");
  }

  @Test
  void matchesButForCaseSpacesAndPunctuationAreFoundInEverySet() {
    var tests = new LinkedHashMap<String, List<Instruction>>();
    tests.put("sums", List.of(item("How many ? "), item("how MANY"), item("How much?")));
    tests.put("other", List.of(item("Who?")));
    var training =
        List.of(item("How many?!"), item("How"), item("how  man"), item("How many more"));
    assertThat(LeakCheck.of(training, tests))
        .containsExactly(
            new Leak("sums", 3, 2, List.of("How many ? ", "how MANY")),
            new Leak("other", 1, 0, List.of()));
  }

  @Test
  void theInputCountsAndSignsAloneDoNot() {
    var tests = new LinkedHashMap<String, List<Instruction>>();
    tests.put("a", List.of(new Instruction("Sort", "b a", "", ""), item("?!")));
    assertThat(LeakCheck.of(List.of(item("Sort"), item("...")), tests).getFirst().leaked())
        .isZero();
    assertThat(LeakCheck.of(List.of(item("Sort b a")), tests).getFirst().leaked()).isEqualTo(1);
  }

  @Test
  void theCaseOfLettersDoesNotDependOnTheLocale() {
    Locale before = Locale.getDefault();
    Locale.setDefault(Locale.forLanguageTag("tr"));
    try {
      assertThat(LeakCheck.normalized(item("TITLE I: 3.5 Ä!"))).isEqualTo("titlei35ä");
    } finally {
      Locale.setDefault(before);
    }
  }
}
