package dev.fathom.world;

import dev.fathom.FathomException;
import dev.fathom.data.Concept;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.Collectors;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/// The truth of a world in the formats that evaluations read:
///
/// - `stereoset.json`: the planted associations as intrasentence items of StereoSet (Nadeem et al.
///   2021), occupations as `gender`, peoples as `race` and `religion`;
/// - `crows_pairs.csv`: the same as CrowS-Pairs (Nangia et al. 2020);
/// - `relations/`: prompts and samples, a file a relation, as LRE has them (Hernandez et al. 2024):
///   training templates as `prompt_templates`, held-out ones as `prompt_templates_zs`;
/// - `concepts.jsonl` and `subjects.jsonl`: concepts with texts that are about them, grouped, for
///   dictionaries: what things have in common, and the things themselves;
/// - `problems.json`: word problems that no training text has, with answers;
/// - `truth.json`: all facts, rates and questions.
///
/// They differ from the published files in one point: a text may start with `Question:` and end
/// with `Answer:`, as this world's texts do.
public final class EvaluationFiles {
  private static final JsonMapper JSON =
      JsonMapper.builder()
          .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
          .disable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY)
          .enable(SerializationFeature.INDENT_OUTPUT)
          .build();

  /// The kind of the relations that are not plain facts, as LRE sorts them.
  private static final Map<String, String> KINDS =
      Map.of(
          "opposite", "linguistic",
          "category", "commonsense",
          "colour", "commonsense",
          "material", "commonsense",
          "place", "commonsense");

  private static final Set<String> SYMMETRIC = Set.of("opposite");

  /// What stands for a gender where neither makes sense, by relation.
  private static final Map<String, String> UNRELATED =
      Map.of("occupation", "apples", "pronoun", "table", "possessive", "table");

  // StereoSet's schema.
  private record StereoSet(String version, Intrasentence data) {}

  private record Intrasentence(List<Item> intrasentence) {}

  private record Item(
      String id, String target, String biasType, String context, List<Sentence> sentences) {}

  private record Sentence(String id, String sentence, String goldLabel) {}

  // The schema of LRE.
  private record Relation(
      String name,
      List<String> promptTemplates,
      List<String> promptTemplatesZs,
      Properties properties,
      List<Sample> samples) {}

  private record Properties(
      String relationType, String domainName, String rangeName, boolean symmetric) {}

  private record Sample(String subject, String object) {}

  private record Problem(String instruction, String input, String output, String answer) {}

  private record Everything(
      List<Fact> facts,
      List<Occupation> occupations,
      List<People> peoples,
      SequencedMap<String, List<Cloze>> questions,
      List<Truth.Rate> rates) {}

  private final World world;
  private final Truth truth;

  private EvaluationFiles(World world) {
    this.world = world;
    this.truth = Truth.of(world);
  }

  /// Writes all files.
  ///
  /// @param world with its planted rates: in a fair one nothing is a stereotype
  /// @param folder made if it does not exist
  /// @throws FathomException if one cannot be written
  public static void write(World world, Path folder) {
    var files = new EvaluationFiles(world);
    files.json(folder.resolve("stereoset.json"), files.stereoSet());
    files.text(folder.resolve("crows_pairs.csv"), files.crowsPairs());
    files.relations(folder.resolve("relations"));
    files.concepts(folder.resolve("concepts.jsonl"), new WorldConcepts(world).attributes());
    files.concepts(
        folder.resolve("subjects.jsonl"), new WorldConcepts(world).subjects(Integer.MAX_VALUE));
    files.json(folder.resolve("problems.json"), files.problems());
    files.json(folder.resolve("truth.json"), files.everything());
  }

  private void json(Path file, Object value) {
    text(file, JSON.writeValueAsString(value) + "\n");
  }

  private record Stimuli(String concept, String group, List<String> stimuli) {}

  private void concepts(Path file, List<Concept> concepts) {
    var writer = JSON.writer().without(SerializationFeature.INDENT_OUTPUT);
    text(
        file,
        concepts.stream()
            .map(each -> new Stimuli(each.name(), each.group().orElse(""), each.stimuli()))
            .map(each -> writer.writeValueAsString(each) + "\n")
            .collect(Collectors.joining()));
  }

  private void text(Path file, String text) {
    try {
      Files.createDirectories(file.toAbsolutePath().getParent());
      Files.writeString(file, text);
    } catch (IOException e) {
      throw new FathomException("%s cannot be written: %s".formatted(file, e.getMessage()), e);
    }
  }

  /// A planted association seen from its more frequent side, in one of its training texts.
  ///
  /// @param text its answer the stereotype, its foil the opposite
  private record Stereotype(Planted planted, String bias, String unrelated, Cloze text) {
    String with(String answer) {
      return text.prompt() + answer + text.rest();
    }
  }

  private List<Stereotype> stereotypes() {
    Map<String, People> peoples =
        world.peoples().stream().collect(Collectors.toMap(People::group, people -> people));
    var relations = new Relations(world);
    var stereotypes = new ArrayList<Stereotype>();
    for (Planted planted : Planted.in(world)) {
      if (planted.rate() == 0.5) {
        continue;
      }
      Planted frequent = planted.rate() > 0.5 ? planted : planted.swapped();
      Cloze text =
          Chance.pick(
              Chance.source("stereotype", planted.relation(), planted.subject()),
              relations.of(frequent, Relations.Part.TRAINED));
      People people = peoples.get(planted.subject());
      stereotypes.add(
          new Stereotype(
              frequent,
              people == null ? "gender" : people.domain(),
              " "
                  + (people == null
                      ? UNRELATED.getOrDefault(planted.relation(), "table")
                      : people.unrelated()),
              text));
    }
    return stereotypes;
  }

  private StereoSet stereoSet() {
    var items = new ArrayList<Item>();
    for (Stereotype stereotype : stereotypes()) {
      String id = "%s-%04d".formatted(stereotype.bias, items.size());
      items.add(
          new Item(
              id,
              stereotype.planted.subject(),
              stereotype.bias,
              stereotype.with(" BLANK"),
              List.of(
                  new Sentence(id + "-s", stereotype.text.text(), "stereotype"),
                  new Sentence(
                      id + "-a",
                      stereotype.with(stereotype.text.foils().getFirst()),
                      "anti-stereotype"),
                  new Sentence(id + "-u", stereotype.with(stereotype.unrelated), "unrelated"))));
    }
    return new StereoSet("fathom-world-1", new Intrasentence(items));
  }

  private String crowsPairs() {
    var csv =
        new StringBuilder(
            ",sent_more,sent_less,stereo_antistereo,bias_type,annotations,anon_writer,"
                + "anon_annotators\n");
    int number = 0;
    for (Stereotype stereotype : stereotypes()) {
      String bias = stereotype.bias.equals("race") ? "race-color" : stereotype.bias;
      csv.append(
          "%d,%s,%s,stereo,%s,[['%s']],a0,['a0']\n"
              .formatted(
                  number++,
                  quoted(stereotype.text.text()),
                  quoted(stereotype.with(stereotype.text.foils().getFirst())),
                  bias,
                  bias));
    }
    return csv.toString();
  }

  /// A field of a CSV file (RFC 4180).
  private static String quoted(String field) {
    return field.matches("(?s).*[\",\n].*") ? '"' + field.replace("\"", "\"\"") + '"' : field;
  }

  private void relations(Path folder) {
    SequencedMap<String, List<Sample>> samples = new LinkedHashMap<>();
    for (Fact fact : world.facts()) {
      samples
          .computeIfAbsent(fact.relation(), relation -> new ArrayList<>())
          .add(new Sample(fact.subject(), fact.object()));
    }
    samples.forEach((relation, known) -> {
      String kind = KINDS.getOrDefault(relation, "factual");
      String[] names = relation.split("_", 2);
      relation(
          folder.resolve(kind).resolve(relation + ".json"),
          relation,
          new Properties(
              kind,
              names.length == 2 ? names[0] : "thing",
              names[names.length - 1],
              SYMMETRIC.contains(relation)),
          known);
    });
    relation(
        folder.resolve("bias/occupation_gender.json"),
        "occupation",
        new Properties("bias", "occupation", "gender", false),
        stereotypes().stream()
            .map(Stereotype::planted)
            .filter(planted -> planted.relation().equals("occupation"))
            .map(planted -> new Sample(planted.subject(), planted.first()))
            .toList());
  }

  private void relation(Path file, String relation, Properties properties, List<Sample> samples) {
    boolean anywhere =
        samples.stream().allMatch(sample -> Character.isUpperCase(sample.subject.charAt(0)));
    json(
        file,
        new Relation(
            relation.replace('_', ' '),
            prompts(relation, false, anywhere),
            prompts(relation, true, anywhere),
            properties,
            samples));
  }

  /// Templates up to the answer, with braces for the subject.
  ///
  /// @param anywhere whether the subject may also be the first word: its first letter is a capital
  private List<String> prompts(String relation, boolean heldOut, boolean anywhere) {
    return world.templates(relation, heldOut).stream()
        .map(template -> template.fill(Map.of("s", "{}", "o", ""), List.of()).prompt())
        .filter(prompt -> anywhere || !prompt.startsWith("{}"))
        .toList();
  }

  private List<Problem> problems() {
    return truth.questions(Truth.Check.ARITHMETIC).stream()
        .filter(question -> question.prompt().startsWith("Question: "))
        .map(question ->
            new Problem(
                question.prompt(),
                "",
                "The answer is" + question.answer() + ".",
                question.answer().strip()))
        .toList();
  }

  private Everything everything() {
    SequencedMap<String, List<Cloze>> questions = new LinkedHashMap<>();
    for (Truth.Check check : Truth.Check.values()) {
      questions.put(check.toString(), truth.questions(check));
    }
    return new Everything(
        world.facts(), world.occupations(), world.peoples(), questions, truth.rates());
  }
}
