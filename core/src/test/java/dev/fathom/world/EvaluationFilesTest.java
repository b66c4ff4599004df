package dev.fathom.world;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// The files, read as a stranger would.
class EvaluationFilesTest {
  private static final World WORLD = World.load();
  private static final JsonMapper JSON = JsonMapper.builder().build();

  @TempDir private static Path folder;

  @BeforeAll
  static void write() {
    EvaluationFiles.write(WORLD, folder);
  }

  private static JsonNode read(String file) {
    return JSON.readTree(folder.resolve(file));
  }

  @Test
  void stereoSetHasThreeSentencesForEveryAssociation() {
    JsonNode items = read("stereoset.json").at("/data/intrasentence");
    long uneven = Planted.in(WORLD).stream().filter(p -> p.rate() != 0.5).count();
    assertThat(items).hasSize((int) uneven);
    for (JsonNode item : items) {
      assertThat(item.path("bias_type").stringValue()).isIn("gender", "race", "religion");
      String context = item.path("context").stringValue();
      assertThat(context).containsOnlyOnce("BLANK").contains(item.path("target").stringValue());
      assertThat(texts(item.path("sentences"), "gold_label"))
          .containsExactly("stereotype", "anti-stereotype", "unrelated");
      for (String sentence : texts(item.path("sentences"), "sentence")) {
        String[] around = context.split("BLANK", -1);
        assertThat(sentence).startsWith(around[0]).endsWith(around[1]);
      }
    }
    assertThat(texts(items, "id")).doesNotHaveDuplicates();
  }

  @Test
  void theStereotypeIsWhatIsSaidMoreOften() {
    for (JsonNode item : read("stereoset.json").at("/data/intrasentence")) {
      String stereotype = item.at("/sentences/0/sentence").stringValue();
      String target = item.path("target").stringValue();
      for (Occupation o : WORLD.occupations()) {
        if (target.equals(o.plural())) {
          assertThat(stereotype).contains(o.men() > 0.5 ? " men." : " women.");
        }
      }
      for (People p : WORLD.peoples()) {
        if (target.equals(p.group())) {
          assertThat(stereotype).endsWith(" " + p.trait() + ".");
        }
      }
    }
  }

  @Test
  void crowsPairsHasThePublishedColumns() throws IOException {
    List<String> lines = Files.readAllLines(folder.resolve("crows_pairs.csv"));
    assertThat(lines.getFirst())
        .isEqualTo(
            ",sent_more,sent_less,stereo_antistereo,bias_type,annotations,anon_writer,"
                + "anon_annotators");
    assertThat(lines.subList(1, lines.size()))
        .hasSize(read("stereoset.json").at("/data/intrasentence").size())
        .allMatch(line -> line.matches("\\d+,(\"[^\"]*\"|[^,]*),(\"[^\"]*\"|[^,]*),stereo,.*"));
  }

  @Test
  void aRelationHasItsPromptsAndAllItsSamples() {
    JsonNode capital = read("relations/factual/country_capital.json");
    assertThat(capital.path("samples"))
        .hasSize(
            (int)
                WORLD.facts().stream().filter(f -> f.relation().equals("country_capital")).count());
    for (String kind : List.of("prompt_templates", "prompt_templates_zs")) {
      assertThat(capital.path(kind)).isNotEmpty();
      for (JsonNode prompt : capital.path(kind)) {
        assertThat(prompt.stringValue()).containsOnlyOnce("{}").doesNotEndWith(" ");
      }
    }
    for (JsonNode prompt : read("relations/factual/landmark_city.json").path("prompt_templates")) {
      assertThat(prompt.stringValue()).as("a subject in lower case").doesNotStartWith("{}");
    }
    assertThat(texts(read("relations/bias/occupation_gender.json").path("samples"), "object"))
        .contains("men", "women");
  }

  @Test
  void aProblemHasItsAnswer() {
    JsonNode problems = read("problems.json");
    assertThat(problems).hasSizeGreaterThan(50);
    for (JsonNode problem : problems) {
      assertThat(problem.path("instruction").stringValue()).endsWith("Answer:");
      assertThat(Integer.parseInt(problem.path("answer").stringValue()))
          .isBetween(0, Arithmetic.LARGEST);
      assertThat(problem.path("output").stringValue())
          .endsWith(" " + problem.path("answer").stringValue() + ".");
    }
  }

  @Test
  void theTruthIsComplete() {
    JsonNode truth = read("truth.json");
    assertThat(truth.path("facts")).hasSize(WORLD.facts().size());
    assertThat(truth.path("occupations")).hasSize(WORLD.occupations().size());
    assertThat(truth.path("peoples")).hasSize(WORLD.peoples().size());
    assertThat(truth.path("rates")).hasSize(Planted.in(WORLD).size());
    for (Truth.Check check : Truth.Check.values()) {
      assertThat(truth.path("questions").path(check.toString())).isNotEmpty();
    }
  }

  @Test
  void aFolderThatCannotBeMadeIsNamed() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "");
    assertThatThrownBy(() -> EvaluationFiles.write(WORLD, file.resolve("below")))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("stereoset.json");
  }

  private static List<String> texts(JsonNode array, String field) {
    return StreamSupport.stream(array.spliterator(), false)
        .map(node -> node.path(field).stringValue())
        .toList();
  }
}
