package dev.fathom.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CsvFileTest {
  @TempDir private Path folder = Path.of("");

  private List<CsvFile.Row> read(String text, String... columns) throws IOException {
    return CsvFile.read(Files.writeString(folder.resolve("table.csv"), text), columns);
  }

  private String column(String text, String name) throws IOException {
    return read(text, name).stream().map(row -> row.get(name)).collect(Collectors.joining("|"));
  }

  @Test
  void quotedFieldsHoldCommasQuotesAndLineBreaks() throws IOException {
    String text = "a,b\n\"x, y\",1\n\"say \"\"so\"\"\",2\n\"two\nlines\",3\n,\"\"\n";
    assertThat(column(text, "a")).isEqualTo("x, y|say \"so\"|two\nlines|");
    assertThat(column(text, "b")).isEqualTo("1|2|3|");
  }

  @Test
  void linesEndInAnyWayAndTheLastNeedNotEnd() throws IOException {
    assertThat(column("a,b\r\n1,2\r\n\r\n3,4", "b")).isEqualTo("2|4");
    assertThat(column("\uFEFFa,b\n1,2\n\n\n3,4\n", "a")).isEqualTo("1|3");
    assertThat(column("a\n\"1\"", "a")).isEqualTo("1");
    assertThat(read("a,b\n")).isEmpty();
  }

  @Test
  void rowsKnowTheirLine() throws IOException {
    assertThat(read("a,b\n\"1\n1\",2\n3,4\n")).extracting(CsvFile.Row::line).containsExactly(2, 4);
  }

  @Test
  void whatIsNotATableIsNamed() {
    refused("", "is empty; expected a row that names the columns");
    refused("b,c\n1,2\n", "it has no column a; its columns are b, c");
    refused("a,b\n1,2\n3\n", "line 3: expected 2 fields as in the first row, found 1");
    refused("a,b\n1,\"2\n3,4\n", "line 2: a quote is opened here and never closed");
    refused("a,b\n\"1\"x,2\n", "line 2: expected a comma after a quoted field, found \"x\"");
    refused("a\n" + "x".repeat((1 << 20) + 1), "line 2: a field has more than 1048576 characters");
    assertThatThrownBy(() -> CsvFile.read(folder.resolve("none.csv")))
        .hasMessageContaining("there is no such file");
    assertThatThrownBy(() -> read("a\n1\n").getFirst().get("b"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("there is no column b");
  }

  private void refused(String text, String sentence) {
    assertThatThrownBy(() -> read(text, "a"))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("table.csv")
        .hasMessageContaining(sentence);
  }
}
