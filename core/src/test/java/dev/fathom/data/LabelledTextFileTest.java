package dev.fathom.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LabelledTextFileTest {
  @TempDir Path folder;

  private List<LabelledText> read(String content) {
    return LabelledTextFile.read(file(content));
  }

  private Path file(String content) {
    try {
      return Files.writeString(folder.resolve("texts"), content);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private void isRefused(String content, String... parts) {
    assertThatThrownBy(() -> read(content))
        .isInstanceOf(FathomException.class)
        .hasMessageContainingAll(parts);
  }

  @Test
  void valuesWithCommasQuotesAndLineBreaksAreReadWhole() {
    assertThat(read("text,label\r\n\"a \"\"b\"\", c\nd\",1\r\n\r\nplain,0"))
        .containsExactly(LabelledText.of("a \"b\", c\nd", "1"), LabelledText.of("plain", "0"));
  }

  @Test
  void columnsMayStandInAnyOrderAndOthersAreLeftAlone() {
    assertThat(read("\uFEFFid, label ,group,text,word\n7,yes,g1,the nurse said,nurse\n8,no,,x,\n"))
        .containsExactly(
            LabelledText.of("the nurse said", "yes").in("g1").at("nurse"),
            LabelledText.of("x", "no"));
  }

  @Test
  void jsonLinesAndAnArrayHoldTheSame() {
    var expected = List.of(LabelledText.of("a", "1").in("7"), LabelledText.of("b c", "true"));
    String first = "{\"text\": \"a\", \"label\": 1, \"group\": 7, \"more\": []}";
    String second = "{\"text\": \"b c\", \"label\": true, \"word\": null}";
    assertThat(read(first + "\n\n" + second + "\n")).isEqualTo(expected);
    assertThat(read("[" + first + ",\n" + second + "]")).isEqualTo(expected);
  }

  @Test
  void whatIsNotUnderstoodIsNamedWithItsFileAndLine() {
    isRefused("text,label\na,1\n,2\n", "texts, line 3: it has no \"text\".");
    isRefused("text,label\na,\n", "line 2: it has no \"label\"");
    isRefused("text,label\n\"a\nb\",1\na,b,1\n", "line 4: it has 3 fields, the header has 2");
    isRefused("sentence,label\na,1\n", "line 1", "no column \"text\", only sentence, label");
    isRefused("text,label,text\n", "line 1: two columns have the name \"text\"");
    isRefused("text,label\na\"b,1\n", "line 2: a quote within a field");
    isRefused("text,label\n\"a\"b,1\n", "line 2: text follows a closing quote");
    isRefused("text,label\nx,1\n\"a,1\n\n", "line 3: a quoted field has no end");
    isRefused("text,label\n", "no records in it");
    isRefused("", "no records in it");
    isRefused("{\"text\": \"a\"}", "line 1: it has no \"label\"");
    isRefused("{\"text\": \"a\", \"label\": [1]}", "line 1: its label should be a text");
    isRefused("{\"text\": \" \", \"label\": 1}", "line 1: its text is empty");
    isRefused(
        "[{\"text\": \"a\", \"label\": 1, \"word\": \"b\"}]",
        "element 1: its word 'b' does not occur in its text");
    isRefused("[{\"text\": \"a\", \"label\": 1},\n3]", "element 2: expected a JSON object");
    assertThatThrownBy(() -> LabelledTextFile.read(folder.resolve("none")))
        .hasMessageContaining("there is no such file");
  }

  @Test
  void sizesAreBounded() throws IOException {
    isRefused("text,label\n" + "x".repeat((1 << 20) + 1) + ",1\n", "line 2: a field has more than");
    isRefused("text,label\n" + ",".repeat(2000), "line 2: it has more than 1000 fields");
    Path latin = folder.resolve("latin");
    Files.write(latin, "text,label\ncaf\u00e9,1\n".getBytes(StandardCharsets.ISO_8859_1));
    assertThatThrownBy(() -> LabelledTextFile.read(latin)).hasMessageContaining("not UTF-8");
  }

  @Test
  void linesAreCountedWhateverEndsThem() {
    var lines = new ArrayList<Integer>();
    CsvFile.forEach(file("a\n1\r2\r\n\n\"3\n3\"\n4"), List.of("a"), row -> lines.add(row.line()));
    assertThat(lines).containsExactly(2, 3, 5, 7);
  }
}
