package dev.fathom.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ContrastFileTest {
  @TempDir private Path folder = Path.of("");

  private Path file(String text) throws IOException {
    return Files.writeString(folder.resolve("pairs.jsonl"), text);
  }

  @Test
  void linesAndArraysArePairs() throws IOException {
    String one = "{\"positive\": \"Yes.\", \"negative\": \"No.\", \"topic\": 3}";
    assertThat(ContrastFile.read(file(one + "\n\n" + one + "\n")))
        .hasSize(2)
        .containsOnly(new ContrastPair("Yes.", "No."));
    assertThat(ContrastFile.read(file("[" + one + "]"))).hasSize(1);
  }

  @Test
  void whatIsNoPairIsNamed() throws IOException {
    Path lacking = file("{\"positive\": \"a\", \"negative\": \"b\"}\n{\"positive\": \"a\"}\n");
    assertThatThrownBy(() -> ContrastFile.read(lacking))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("pairs.jsonl, line 2: it has no \"negative\"");
    Path blank = file("{\"positive\": \" \", \"negative\": \"b\"}\n");
    assertThatThrownBy(() -> ContrastFile.read(blank))
        .hasMessageContaining("its \"positive\" is empty");
    Path nothing = file("\n");
    assertThatThrownBy(() -> ContrastFile.read(nothing)).hasMessageContaining("no pairs in it");
    Path broken = file("{\"positive\": ");
    assertThatThrownBy(() -> ContrastFile.read(broken)).hasMessageContaining("not JSON");
    assertThatThrownBy(() -> ContrastFile.read(folder.resolve("none.jsonl")))
        .hasMessageContaining("there is no such file");
  }
}
