package dev.fathom.data;

import dev.fathom.FathomException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/// Concepts from files, in one of four forms:
///
/// - JSON lines or an array: `{"concept": "joy", "stimuli": ["…", "…"]}`, with a `group` if it has
///   one;
/// - comma-separated values with the columns `concept` and `stimulus`, one row a stimulus, and
///   `group` if they have any;
/// - relations as LRE has them (Hernandez et al. 2024), a file or a folder of files: a concept a
///   relation, its stimuli the prompts of its samples, its group the relation's type;
/// - a folder as PaCE-1M's (Luo et al. 2024): `concept/NAME.txt`, each a list of strings as Python
///   writes it, and beside it `concept_index.txt`, the names in order, if it is there. A folder of
///   such files alone will do.
public final class ConceptFile {
  private static final String WHAT = "concepts";
  private static final String INDEX = "concept_index.txt";
  private static final String TXT = ".txt";
  private static final String JSON = ".json";
  private static final String SAMPLES = "samples";
  private static final String SUBJECT = "{}";
  private static final int MOST_SAMPLES = 40; // of a relation
  private static final int MOST = 100_000;
  private static final long LARGEST = 16 << 20;

  private ConceptFile() {}

  /// All concepts, in the order of the file; of a folder without an index by name.
  ///
  /// @throws FathomException naming the file and the place that is not understood, if two concepts
  ///   have one name, or one has fewer than two stimuli
  public static List<Concept> read(Path path) {
    return concepts(path, Files.isDirectory(path) ? folder(path) : file(path));
  }

  /// All concepts of JSON lines or an array that is open already, in order.
  ///
  /// @param named where they come from, for messages
  /// @throws FathomException as [#read(Path)]
  public static List<Concept> read(BufferedReader json, Path named) {
    var found = new LinkedHashMap<String, Found>();
    try {
      JsonItem.forEach(named, json, WHAT, item -> add(found, item));
    } catch (IOException e) {
      throw new FathomException(named + ": cannot be read (" + e.getMessage() + ")", e);
    }
    return concepts(named, found);
  }

  private static List<Concept> concepts(Path path, SequencedMap<String, Found> found) {
    if (found.isEmpty()) {
      throw new FathomException(path + ": there are no concepts in it");
    }
    var concepts = new ArrayList<Concept>();
    found.forEach((name, own) -> {
      try {
        concepts.add(new Concept(name, own.group, own.stimuli));
      } catch (IllegalArgumentException e) {
        throw new FathomException(path + ": " + e.getMessage(), e);
      }
    });
    return List.copyOf(concepts);
  }

  /// What a file says of one concept.
  private record Found(Optional<String> group, List<String> stimuli) {}

  private static SequencedMap<String, Found> file(Path file) {
    var found = new LinkedHashMap<String, Found>();
    file(found, file);
    return found;
  }

  private static void file(SequencedMap<String, Found> found, Path file) {
    int first = JsonItem.first(file, WHAT);
    if (first == '{' && file.toString().endsWith(JSON)) {
      JsonItem.forEachObject(file, WHAT, item -> add(found, item)); // perhaps over many lines
    } else if (first == '{' || first == '[') {
      JsonItem.forEach(file, WHAT, item -> add(found, item));
    } else {
      CsvFile.forEach(file, List.of("concept", "stimulus"), row -> add(found, row));
    }
  }

  private static void add(SequencedMap<String, Found> found, JsonItem item) {
    if (item.object().has(SAMPLES)) {
      addRelation(found, item);
      return;
    }
    String name = item.text("concept").orElseThrow(() -> item.malformed("it has no \"concept\""));
    JsonNode stimuli = item.object().path("stimuli");
    if (!stimuli.isArray()) {
      throw item.malformed("it has no list \"stimuli\"");
    }
    var own = new ArrayList<String>();
    for (JsonNode stimulus : stimuli) {
      if (!stimulus.isString()) {
        throw item.malformed("its stimulus %d is no text".formatted(own.size() + 1));
      }
      own.add(stimulus.asString());
    }
    if (found.put(name, new Found(item.text("group"), own)) != null) {
      throw item.malformed("the concept '%s' is there already".formatted(name));
    }
    if (found.size() > MOST) {
      throw item.malformed("more than %d concepts; split the file".formatted(MOST));
    }
  }

  /// Each sample in another of the relation's prompts.
  private static void addRelation(SequencedMap<String, Found> found, JsonItem item) {
    String name = item.text("name").orElseThrow(() -> item.malformed("it has no \"name\""));
    var prompts = new ArrayList<String>();
    for (String list : List.of("prompt_templates", "prompt_templates_zs")) {
      for (JsonNode prompt : item.object().path(list)) {
        if (!prompt.asString("").contains(SUBJECT)) {
          throw item.malformed("a prompt has no {} for the subject");
        }
        prompts.add(prompt.asString());
      }
    }
    if (prompts.isEmpty()) {
      throw item.malformed("it has no \"prompt_templates\"");
    }
    var own = new ArrayList<String>();
    JsonNode samples = item.object().path(SAMPLES);
    int step = Math.max(1, samples.size() / MOST_SAMPLES);
    for (int i = 0; i < samples.size() && own.size() < MOST_SAMPLES; i += step) {
      String subject = samples.get(i).path("subject").asString("");
      if (subject.isBlank()) {
        throw item.malformed("its sample %d has no \"subject\"".formatted(i + 1));
      }
      own.add(prompts.get(own.size() % prompts.size()).replace(SUBJECT, subject));
    }
    String group = item.object().path("properties").path("relation_type").asString("");
    if (found.put(name, new Found(Optional.of(group).filter(g -> !g.isBlank()), own)) != null) {
      throw item.malformed("the relation '%s' is there already".formatted(name));
    }
  }

  private static void add(SequencedMap<String, Found> found, CsvFile.Row row) {
    String name =
        row.field("concept").orElseThrow(() -> row.malformed("it has no \"concept\"")).strip();
    String stimulus =
        row.field("stimulus").orElseThrow(() -> row.malformed("it has no \"stimulus\""));
    Optional<String> group = row.field("group").map(String::strip);
    Found own = found.computeIfAbsent(name, _ -> new Found(group, new ArrayList<>()));
    if (!own.group.equals(group)) {
      throw row.malformed(
          "the concept '%s' is of the group '%s' here and of '%s' before"
              .formatted(name, group.orElse(""), own.group.orElse("")));
    }
    own.stimuli.add(stimulus);
    if (found.size() > MOST) {
      throw row.malformed("more than %d concepts; split the file".formatted(MOST));
    }
  }

  // ---------------------------------------------------------------- folders

  private static SequencedMap<String, Found> folder(Path folder) {
    Path inner = folder.resolve("concept");
    Path files = Files.isDirectory(inner) ? inner : folder;
    Path index = folder.resolve(INDEX);
    List<String> relations = named(folder, JSON);
    if (!relations.isEmpty()) {
      var found = new LinkedHashMap<String, Found>();
      for (String name : relations) {
        file(found, folder.resolve(name + JSON));
      }
      return found;
    }
    var found = new LinkedHashMap<String, Found>();
    var none = new Found(Optional.empty(), List.of());
    for (String name : Files.exists(index) ? strings(index) : named(files, TXT)) {
      if (found.putIfAbsent(name, none) != null) {
        throw new FathomException("%s: the concept '%s' is there twice".formatted(index, name));
      }
      Path own = files.resolve(name + TXT).normalize();
      if (!files.normalize().equals(own.getParent())) {
        throw new FathomException(
            "%s: a concept is named as its file is, without a path; found '%s'"
                .formatted(index, name));
      }
      if (Files.exists(own)) {
        found.put(name, new Found(Optional.empty(), strings(own)));
      } else {
        found.remove(name); // the index is of all concepts, the folder may have some
      }
    }
    return found;
  }

  /// The files of a folder with this ending, without it.
  private static List<String> named(Path folder, String ending) {
    try (Stream<Path> all = Files.list(folder)) {
      return all.map(file -> String.valueOf(file.getFileName()))
          .filter(name -> name.endsWith(ending) && !name.equals(INDEX))
          .map(name -> name.substring(0, name.length() - ending.length()))
          .sorted()
          .limit(MOST + 1L)
          .toList();
    } catch (IOException e) {
      throw new FathomException(folder + ": cannot be read (" + e.getMessage() + ")", e);
    }
  }

  private static List<String> strings(Path file) {
    try {
      long size = Files.size(file);
      if (size > LARGEST) {
        throw new FathomException(
            "%s: a list of strings of at most %d bytes was expected, found %d"
                .formatted(file, LARGEST, size));
      }
      return PythonStrings.read(Files.readString(file, StandardCharsets.UTF_8), file);
    } catch (IOException e) {
      throw new FathomException(file + ": cannot be read (" + e.getMessage() + ")", e);
    }
  }
}
