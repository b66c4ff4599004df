package dev.fathom.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import dev.fathom.align.AttributeWords.Counterfactual;
import dev.fathom.align.AttributeWords.Found;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AttributeWordsTest {
  private static final AttributeWords GENDER =
      new AttributeWords(
          "gender",
          List.of(
              List.of("He", "she"),
              List.of("him", "her"),
              List.of("his", "her"),
              List.of("mr.", "mrs."),
              List.of("man", "woman"),
              List.of("father", "mother")));

  private static final AttributeWords RELIGION =
      new AttributeWords(
          "religion",
          List.of(List.of("synagogue", "church", "mosque"), List.of("rabbi", "priest", "imam")));

  @TempDir private Path folder = Path.of("");

  private static String other(String text) {
    List<Counterfactual> found = GENDER.counterfactuals(text);
    assertThat(found).hasSizeLessThanOrEqualTo(1);
    return found.isEmpty() ? "" : found.getFirst().other();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "He said that she left. | She said that he left.",
        "MAN, the manly woman | Woman, the manly man",
        "A man's hat and a woman-like figure | A woman's hat and a man-like figure",
        "'he' and \"she\" | 'she' and \"he\"",
        "Mr. Smith met mrs. Jones | Mrs. Smith met mr. Jones",
        "her mother | his father",
        "his hat, given to him | her hat, given to her",
        "the father-in-law | the mother-in-law",
      })
  void wholeWordsAreSwappedWithTheirInitialsCase(String text, String expected) {
    assertThat(other(text)).isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "Nobody is here",
        "Manly shepherds, chemists",
        "''",
        "émanations of hers2",
        "man2 2man"
      })
  void partsOfWordsAreNotFound(String text) {
    assertThat(other(text)).isEmpty();
    assertThat(GENDER.found(text)).isEmpty();
  }

  @Test
  void swapsAreCountedAndUndone() {
    Counterfactual found = GENDER.counterfactuals("The man and his woman").getFirst();
    assertThat(found.swapped()).isEqualTo(3);
    assertThat(found.text()).isEqualTo("The man and his woman");
    assertThat(other(found.other())).isEqualTo("The man and his woman");
  }

  @Test
  void signsOfRegularExpressionsAreJustSigns() {
    var words = new AttributeWords("x", List.of(List.of("a+b", "$1")));
    assertThat(words.counterfactuals("is a+b $1?").getFirst().other()).isEqualTo("is $1 a+b?");
    assertThat(words.counterfactuals("aab")).isEmpty();
  }

  @Test
  void setsOfThreeGoRoundTheCircle() {
    assertThat(RELIGION.groups()).isEqualTo(3);
    assertThat(RELIGION.of(2)).containsExactly("mosque", "imam");
    assertThat(RELIGION.counterfactuals("The rabbi built a Mosque"))
        .extracting(Counterfactual::other)
        .containsExactly("The priest built a Synagogue", "The imam built a Church");
    var drawn = new TreeSet<String>();
    var random = new SplittableRandom(1);
    for (int i = 0; i < 20; i++) {
      drawn.add(RELIGION.counterfactual("an imam", random).orElseThrow().other());
    }
    assertThat(drawn).containsExactly("an priest", "an rabbi");
    assertThat(RELIGION.counterfactual("nobody", random)).isEmpty();
    assertThat(GENDER.counterfactual("a man", random).orElseThrow().other()).isEqualTo("a woman");
  }

  @Test
  void wordsAreFoundWithTheirGroups() {
    assertThat(GENDER.found("Man, the manly SHE; a father."))
        .containsExactly(new Found(0, 0, 3), new Found(1, 15, 18), new Found(0, 22, 28));
    assertThat(RELIGION.found("A mosque, a church"))
        .containsExactly(new Found(2, 2, 8), new Found(1, 12, 18));
  }

  @Test
  void aWordIsReplacedWhereverItStands() {
    assertThat(AttributeWords.replaced("Iran, iran and Iranians", "Iran", "chile"))
        .isEqualTo("Chile, chile and Iranians");
    assertThat(AttributeWords.replaced("nothing", "Iran", "Chile")).isEqualTo("nothing");
  }

  private Path file(String content) {
    try {
      return Files.writeString(folder.resolve("words.json"), content);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void aFileHasDomainsInItsOrder() {
    var all =
        AttributeWords.read(
            file(
                """
                {"religion": [["synagogue", "church", "mosque"]],
                 "gender": [["Actor", " actress "], ["he", "she"]]}
                """));
    assertThat(all.keySet()).containsExactly("religion", "gender");
    assertThat(all.get("gender"))
        .isEqualTo(
            new AttributeWords(
                "gender", List.of(List.of("actor", "actress"), List.of("he", "she"))));
  }

  private void refused(String content, String... said) {
    Path file = file(content);
    assertThatThrownBy(() -> AttributeWords.read(file))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("words.json")
        .hasMessageContainingAll(said);
  }

  @Test
  void whatIsNoListOfWordsIsRefusedByName() {
    refused("{", "not valid JSON");
    refused("[]", "expected a JSON object");
    refused("{}", "by domain");
    refused("{\"version\": \"1.1\", \"data\": {}}", "\"version\"", "list of sets", "right file");
    refused("{\"gender\": {\"he\": \"she\"}}", "\"gender\"", "list of sets");
    refused("{\"gender\": [\"he\", \"she\"]}", "\"gender\", set 1", "list of words");
    refused("{\"gender\": [[\"he\", \"she\"], [\"man\", 3]]}", "\"gender\", set 2", "3");
    refused("{\"gender\": [[\"he\", \" \"]]}", "\"gender\", set 1");
    refused("{\"gender\": []}", "gender has no attribute words");
    refused("{\"gender\": [[\"he\"]]}", "at least 2", "[he]");
    refused("{\"gender\": [[\"he\", \"she\"], [\"a\", \"b\", \"c\"]]}", "same size", "[a, b, c]");
    assertThatThrownBy(() -> AttributeWords.read(folder.resolve("none.json")))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("no such file");
  }

  @Test
  void anEmptyWordIsRefusedAnywhere() {
    assertThatThrownBy(() -> new AttributeWords("gender", List.of(List.of("he", ""))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("gender is empty");
  }
}
