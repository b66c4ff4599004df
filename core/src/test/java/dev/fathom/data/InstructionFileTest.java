package dev.fathom.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class InstructionFileTest {
  @TempDir private Path folder = Path.of("");

  private Path file(String text) throws IOException {
    return Files.writeString(folder.resolve("items.json"), text);
  }

  private void isRefused(String text, String reason) throws IOException {
    Path file = file(text);
    assertThatThrownBy(() -> InstructionFile.forTesting(file))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("items.json")
        .hasMessageContaining(reason)
        .satisfies(e -> assertThat(Objects.requireNonNull(e.getMessage()).lines()).hasSize(1));
  }

  @Test
  void anArrayAndLinesOfTheSameObjectsReadTheSame() throws IOException {
    String one =
        "{\"instruction\": \"How many? \", \"input\": \"\", \"output\": \"\\nA: 4.\","
            + " \"answer\": \"4\"}";
    String two = "{\"instruction\": \"And now?\", \"answer\": 576.0, \"other\": [1, {}]}";
    var expected =
        List.of(
            new Instruction("How many? ", "", "\nA: 4.", "4"),
            new Instruction("And now?", "", "", "576.0"));
    assertThat(InstructionFile.forTesting(file(" \n[" + one + ",\n" + two + "]\n")))
        .isEqualTo(expected);
    assertThat(InstructionFile.forTesting(file("\uFEFF" + one + "\n\n" + two))).isEqualTo(expected);
  }

  @Test
  void trainingNeedsAnOutputAndTestsNeedAnAnswer() throws IOException {
    Path learned = file("[{\"instruction\": \"a\", \"output\": \"b\"}]");
    assertThat(InstructionFile.forTraining(learned)).containsExactly(Instruction.of("a", "b"));
    isRefused("[{\"instruction\": \"a\", \"output\": \"b\"}]", "element 1: it has no \"answer\"");
    isRefused("{\"instruction\": \"a\", \"answer\": \" \"}", "line 1: it has no \"answer\"");
    Path asked = file("{\"instruction\": \"a\", \"answer\": \"b\"}");
    assertThatThrownBy(() -> InstructionFile.forTraining(asked))
        .hasMessageContaining("line 1: it has no \"output\"");
  }

  @Test
  void emptyOutputsAreSetApart() throws IOException {
    String silent = "{\"instruction\": \"a\", \"output\": \" \"}";
    String says = "{\"instruction\": \"b\", \"output\": \"c\"}";
    var both = InstructionFile.training(file("[" + silent + "," + says + "]"));
    assertThat(both.items()).containsExactly(Instruction.of("b", "c"));
    assertThat(both.silent()).containsExactly(Instruction.of("a", " "));
    Path none = file("[" + silent + "]");
    assertThatThrownBy(() -> InstructionFile.forTraining(none))
        .hasMessageContaining("every output in it is empty");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      nullValues = "-",
      value = {
        "X=((22.0-14.0)/4.0) | 2.0 | (22 - 14) / 4 = 2. The answer is 2.",
        "x=3*6 | 18.0 | 3 * 6 = 18. The answer is 18.",
        "x=5.91+8.11 | 14.02 | 5.91 + 8.11 = 14.02. The answer is 14.02.",
        "X=(8.0*(11.0-4.0)) | 56.0 | 8 * (11 - 4) = 56. The answer is 56.",
        "x=10-(4-3)-2 | 7 | 10 - (4 - 3) - 2 = 7. The answer is 7.",
        "x=100*(2/4) | 50 | 100 * 2 / 4 = 50. The answer is 50.",
        "x=8/(4/2) | 4 | 8 / (4 / 2) = 4. The answer is 4.",
        "x=2*(-3) | -6 | 2 * (-3) = -6. The answer is -6.",
        "x=7 | 7.0 | The answer is 7.",
        "x=40/7 | 5.0 | The answer is 5.", // the data's own rounding
        "x=1/0 | 5.0 | The answer is 5.",
        "x=(1+2 | 3 | The answer is 3.",
        "x=1.2.3 | 3 | The answer is 3.",
        "X-6=52 | 58 | The answer is 58.",
        "(200.0/x)-1.0=2 | 40.0 | The answer is 40.",
        "- | 1.8333333333333335 | The answer is 1.8333333333333335.",
      })
  void theLayoutOfMawpsGetsAShortChain(String equation, String answer, String output)
      throws IOException {
    String field = equation == null ? "" : ", \"equation\": \"" + equation + "\"";
    Path file =
        file("[{\"id\": 3, \"original_text\": \"How ?\", \"ans\": " + answer + field + "}]");
    assertThat(InstructionFile.forTraining(file))
        .containsExactly(new Instruction("How ?", "", output, answer));
  }

  @Test
  void whatIsWrongIsToldWithItsPlace() throws IOException {
    String good = "{\"instruction\": \"a\", \"answer\": \"b\"}";
    isRefused("[" + good + ", 7]", "element 2: expected a JSON object");
    isRefused("[" + good + ", {\"answer\": \"b\"}]", "element 2: it has no \"instruction\"");
    isRefused("[" + good + ", " + good, "after element 2: not JSON");
    isRefused("[" + good + " " + good + "]", "after element 1: not JSON");
    isRefused("[" + good + "] []", "after the array");
    isRefused("[{\"instruction\": [], \"answer\": \"b\"}]", "its instruction should be a text");
    isRefused("[{\"instruction\": \" \", \"answer\": \"b\"}]", "its instruction is empty");
    isRefused("[{\"original_text\": \"a\", \"ans\": \"many\"}]", "found \"many\"");
    isRefused(good + "\n{\"instruction\": ", "line 2: not JSON");
    isRefused(good + "\n\n\"a\"", "line 3: expected a JSON object");
    isRefused("[]", "no instructions in it");
    isRefused("\n", "no instructions in it");
    isRefused("[".repeat(100) + "]".repeat(100), "element 1: not JSON");
    isRefused("[{\"x\": \"" + "a".repeat(1 << 21) + "\"}]", "element 1: not JSON");
    isRefused("a".repeat(5 << 20), "a line has more than");
  }

  @Test
  void filesThatCannotBeReadAreToldApart() throws IOException {
    Path missing = folder.resolve("none.json");
    assertThatThrownBy(() -> InstructionFile.forTesting(missing))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("there is no such file");
    Path latin = Files.write(folder.resolve("latin.json"), new byte[] {'[', (byte) 0xe9, ']'});
    assertThatThrownBy(() -> InstructionFile.forTesting(latin))
        .hasMessageContaining("not UTF-8 text");
  }
}
