package dev.fathom.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConceptFileTest {
  private static final List<Concept> BOTH =
      List.of(
          Concept.of("joy", List.of("She laughs.", "They won, \"all\" of them.")),
          Concept.of("Mrs.", List.of("It's a letter to Mrs. Hill.", "café", "a\\d\ne")));

  @TempDir Path folder;

  private Path file(String name, String text) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.writeString(file, text);
  }

  @Test
  void jsonLinesAndArraysAreRead() throws IOException {
    String joy =
        """
        {"concept": "joy", "stimuli": ["She laughs.", "They won, \\"all\\" of them."]}\
        """;
    String mrs =
        """
        {"concept": "Mrs.", "stimuli": ["It's a letter to Mrs. Hill.", "caf\\u00e9", "a\\\\d\\ne"]}\
        """;
    assertThat(ConceptFile.read(file("c.jsonl", joy + "\n" + mrs + "\n"))).isEqualTo(BOTH);
    assertThat(ConceptFile.read(file("c.json", "[" + joy + "," + mrs + "]"))).isEqualTo(BOTH);
  }

  @Test
  void rowsOfOneConceptMayBeAnywhere() throws IOException {
    String csv =
        """
        concept,stimulus
        joy,She laughs.
        Mrs.,It's a letter to Mrs. Hill.
        joy,"They won, ""all"" of them."
        Mrs.,café
        Mrs.,"a\\d
        e"
        """;
    assertThat(ConceptFile.read(file("c.csv", csv))).isEqualTo(BOTH);
  }

  @Test
  void foldersAreReadInTheOrderOfTheirIndex() throws IOException {
    file("concept/joy.txt", "['She laughs.', 'They won, \"all\" of them.']");
    file(
        "concept/Mrs..txt", "[\"It's a letter to Mrs. Hill.\",\n 'caf\\xe9', \"a\\\\d\\ne\",\n]\n");
    assertThat(ConceptFile.read(folder)).containsExactly(BOTH.get(1), BOTH.get(0));
    file("concept_index.txt", "['joy', 'not here', 'Mrs.']");
    assertThat(ConceptFile.read(folder)).isEqualTo(BOTH);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "['a', 'b' | expected ',', found the end of the file",
        "['a' 'b'] | expected ',', found ''b']'",
        "['a', b] | expected a string in quotes, found 'b]'",
        "['a | expected the end of the string, found the end of the file",
        "['\\x4'] | expected 2 hexadecimal digits of a character, found '4']'",
        "__import__('os') | expected '[', found '__import__('",
        "['a', 'b'] + [] | expected nothing after the list, found '+ []'",
      })
  void whatIsNoListOfStringsIsNamed(String text, String message) throws IOException {
    file("joy.txt", text);
    assertThatThrownBy(() -> ConceptFile.read(folder))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("joy.txt, line 1: " + message);
  }

  @Test
  void oddConceptsAreRefused() throws IOException {
    assertThatThrownBy(() ->
            ConceptFile.read(
                file("one.jsonl", "{\"concept\": \"joy\", \"stimuli\": [\"a\", \"a\"]}")))
        .hasMessageEndingWith(
            "one.jsonl: the concept 'joy' has one stimulus: give at least two different ones");
    assertThatThrownBy(() ->
            ConceptFile.read(
                file(
                    "two.jsonl",
                    "{\"concept\": \"joy\", \"stimuli\": [\"a\", \"b\"]}\n"
                        + "{\"concept\": \"joy\", \"stimuli\": [\"c\", \"d\"]}\n")))
        .hasMessageContaining("two.jsonl")
        .hasMessageContaining("line 2")
        .hasMessageContaining("the concept 'joy' is there already");
    assertThatThrownBy(
            () -> ConceptFile.read(file("three.jsonl", "{\"concept\": \"joy\", \"stimuli\": 3}")))
        .hasMessageContaining("it has no list \"stimuli\"");
    Files.createDirectories(folder.resolve("empty"));
    assertThatThrownBy(() -> ConceptFile.read(folder.resolve("empty")))
        .hasMessageEndingWith("empty: there are no concepts in it");
  }

  @Test
  void namesOfAnIndexDoNotLeaveTheFolder() throws IOException {
    file("secret.txt", "['a', 'b']");
    file("set/concept/joy.txt", "['a', 'b']");
    file("set/concept_index.txt", "['joy', '../../secret']");
    assertThatThrownBy(() -> ConceptFile.read(folder.resolve("set")))
        .hasMessageContaining("without a path; found '../../secret'");
  }

  @Test
  void relationsAreConceptsOfTheirPrompts() throws IOException {
    file(
        "r/capital.json",
        """
        {"name": "country capital", "prompt_templates": ["The capital of {} is"],
         "prompt_templates_zs": ["What is the capital of {}? It is"],
         "properties": {"relation_type": "factual"},
         "samples": [{"subject": "France", "object": "Paris"}, {"subject": "Italy", "object": "Rome"}]}
        """);
    var capital =
        new Concept(
            "country capital",
            Optional.of("factual"),
            List.of("The capital of France is", "What is the capital of Italy? It is"));
    assertThat(ConceptFile.read(folder.resolve("r"))).containsExactly(capital);
    assertThat(ConceptFile.read(folder.resolve("r/capital.json"))).containsExactly(capital);
    Path broken =
        file("b.json", "{\"name\": \"x\", \"prompt_templates\": [\"of\"], \"samples\": []}");
    assertThatThrownBy(() -> ConceptFile.read(broken))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("a prompt has no {} for the subject");
  }
}
