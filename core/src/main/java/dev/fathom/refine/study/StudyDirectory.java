package dev.fathom.refine.study;

import static dev.fathom.refine.study.Variants.Way;

import dev.fathom.FathomException;
import dev.fathom.Version;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.reasoning.ReasoningTask;
import dev.fathom.model.Transformer;
import dev.fathom.refine.Mod;
import dev.fathom.refine.ParameterCount;
import dev.fathom.refine.Refiner;
import dev.fathom.refine.study.Study.Run;
import dev.fathom.train.TrainingLog;
import dev.fathom.view.Provenance;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// What studies of a model left in their directory, read without training or asking anything. What
/// was killed on its way does not count: trainings before their last step, and tests of which other
/// runs on the same data answered more.
final class StudyDirectory {
  private final Path directory;
  private final Transformer model;

  /// @throws FathomException if there is no such directory
  StudyDirectory(Path directory, Transformer model) {
    if (!Files.isDirectory(directory)) {
      throw new FathomException(
          "%s: there is no such folder of studies; fathom study makes one with --out-dir"
              .formatted(directory));
    }
    this.directory = directory;
    this.model = model;
  }

  private List<ReasoningTask> subjects() {
    return ReasoningTask.ALL.stream()
        .filter(task -> Files.isDirectory(directory.resolve(task.name())))
        .toList();
  }

  // ---------------------------------------------------------------- studies

  /// Tables 5.1 (arithmetic) and 5.2 (commonsense), of the data on which at least two of the four
  /// ways were learnt.
  Optional<AccuracyStudy> tables(boolean arithmetic) {
    return accuracies(
        task -> task.arithmetic() == arithmetic,
        Stream.concat(Stream.of(Way.BASE), Variants.FOUR.stream()).toList(),
        Way.LORA_BELOW);
  }

  /// Fig 5.4.
  Optional<AccuracyStudy> ablations() {
    return accuracies(
        task -> Variants.ABLATED.stream().anyMatch(way -> !runs(task, way).isEmpty()),
        Stream.concat(Stream.of(Way.BASE, Way.LORA_BELOW_MOD), Variants.ABLATED.stream()).toList(),
        Way.LORA_BELOW_MOD);
  }

  private Optional<AccuracyStudy> accuracies(
      Predicate<ReasoningTask> which, List<Way> ways, Way against) {
    var found = new LinkedHashMap<String, List<Run>>();
    for (ReasoningTask task : subjects()) {
      List<Run> runs =
          which.test(task)
              ? wholeTests(ways.stream().flatMap(way -> runs(task, way).stream()).toList())
              : List.of();
      long learnt =
          runs.stream().filter(run -> run.log().isPresent()).map(Run::name).distinct().count();
      if (learnt > 1) {
        found.put(task.name(), runs);
      }
    }
    return found.isEmpty()
        ? Optional.empty()
        : Optional.of(new AccuracyStudy(provenance(found), against.text(), found));
  }

  /// Figs 5.2 and C.1, of ARC-e where that is there, as in the thesis: one seed of each.
  Optional<RoutingStudy> routing() {
    for (ReasoningTask task : firstly("arc-e")) {
      List<Run> runs =
          Variants.MIXED.stream()
              .flatMap(way -> runs(task, way).stream().limit(1))
              .filter(run -> run.log().orElseThrow().measures().contains("entropy"))
              .toList();
      if (!runs.isEmpty()) {
        return Optional.of(new RoutingStudy(provenance(task, runs), task.name(), runs));
      }
    }
    return Optional.empty();
  }

  private List<ReasoningTask> firstly(String name) {
    return subjects().stream()
        .sorted(Comparator.comparing((ReasoningTask task) -> !task.name().equals(name)))
        .toList();
  }

  /// Figs 5.3 and C.2: of each of the data.
  List<GridStudy> grids() {
    var studies = new ArrayList<GridStudy>();
    for (ReasoningTask task : subjects()) {
      var runs = new ArrayList<Run>();
      for (int k = 1; k <= model.layers(); k++) {
        for (int top = 1; top <= k; top++) {
          runs.addAll(runs(task, Variants.gridName(k, top), "k = %d, K = %d".formatted(k, top)));
        }
      }
      if (runs.size() > 1) {
        studies.add(new GridStudy(provenance(task, runs), task.name(), wholeTests(runs)));
      }
    }
    return studies;
  }

  /// Figs 4.7 and 4.8: of each of the data.
  List<LayerStudy> layers() {
    var studies = new ArrayList<LayerStudy>();
    for (ReasoningTask task : subjects()) {
      List<Run> implicit = runs(task, Way.IMPLICIT);
      List<Run> explicit =
          IntStream.range(0, model.layers())
              .boxed()
              .flatMap(layer -> runs(task, Variants.layerName(layer), "layer " + layer).stream())
              .toList();
      if (!implicit.isEmpty() && !explicit.isEmpty()) {
        studies.add(
            new LayerStudy(
                provenance(task, explicit),
                task.name(),
                implicit.getFirst(),
                wholeTests(explicit)));
      }
    }
    return studies;
  }

  /// Table 5.3.
  Optional<AccelerationStudy> acceleration() {
    return AccelerationStudy.read(
        directory, subjects().stream().map(ReasoningTask::name).toList(), model.card());
  }

  // ---------------------------------------------------------------- runs

  private List<Run> runs(ReasoningTask task, Way way) {
    return runs(task, way.text(), way.title());
  }

  /// Every seed of a variant whose training ended, in order.
  private List<Run> runs(ReasoningTask task, String name, String title) {
    Path data = directory.resolve(task.name());
    if (name.equals(Way.BASE.text())) {
      var answers = answers(data.resolve(name));
      return answers.isEmpty()
          ? List.of()
          : List.of(
              new Run(
                  name, title, Optional.empty(), 0, Optional.empty(), Optional.empty(), answers));
    }
    var runs = new ArrayList<Run>();
    for (long seed : seeds(data, Study.seeded(name))) {
      Path folder = data.resolve(Study.seeded(name) + seed);
      Path train = folder.resolve(Study.TRAIN);
      Path lora = train.resolve(Refiner.LORA);
      Path mod = train.resolve(Refiner.MOD);
      Optional<TrainingLog> log = TrainingLog.ended(train);
      if (log.isPresent() && (Files.exists(lora) || Files.exists(mod))) {
        requireModel(Files.exists(lora) ? lora : mod);
        runs.add(
            new Run(
                name,
                title,
                Files.exists(mod) ? Optional.of(Mod.configOf(mod)) : Optional.empty(),
                seed,
                log,
                Optional.of(counts(data, lora, mod)),
                answers(folder)));
      }
    }
    return runs;
  }

  private static List<Long> seeds(Path data, String prefix) {
    try (Stream<Path> folders = Files.list(data)) {
      return folders
          .map(folder -> String.valueOf(folder.getFileName()))
          .filter(name -> name.startsWith(prefix))
          .map(name -> name.substring(prefix.length()))
          .filter(seed -> seed.matches("[0-9]{1,9}"))
          .map(Long::valueOf)
          .sorted()
          .toList();
    } catch (IOException e) {
      throw new FathomException(data + ": cannot be read (" + e.getMessage() + ")", e);
    }
  }

  private static SequencedMap<String, Boolean> answers(Path folder) {
    var answers = new LinkedHashMap<String, Boolean>();
    Path test = folder.resolve(Study.TEST);
    if (Files.isDirectory(test)) {
      ItemDirectory.forEach(
          test,
          item ->
              answers.put(item.path("key").asString(""), item.path("correct").asBoolean(false)));
    }
    return answers;
  }

  /// The same runs without the answers of those that answered less than others.
  private static List<Run> wholeTests(List<Run> runs) {
    int most = runs.stream().mapToInt(run -> run.answers().size()).max().orElse(0);
    return runs.stream()
        .map(run -> run.answers().size() < most ? run.withoutAnswers() : run)
        .toList();
  }

  // ---------------------------------------------------------------- files

  private static Card card(Path path) {
    try (var file = SafetensorsFile.open(path)) {
      return Card.fromMetadata(file.metadata(), path);
    }
  }

  private void requireModel(Path learnt) {
    var _ = card(learnt).requireBase(model.card().name(), model.card().sha256().get(), learnt);
  }

  /// What steps add on late layers is known where both kinds of steps were learnt on the data.
  private ParameterCount counts(Path data, Path lora, Path mod) {
    long below = elements(data, List.of(Way.LORA_BELOW, Way.LORA_BELOW_MOD));
    long all = elements(data, List.of(Way.LORA_ALL, Way.LORA_ALL_MOD));
    boolean both = below > 0 && all > 0;
    return new ParameterCount(
        elements(lora), elements(mod), model.card().parameters(), both ? all : 0, both ? below : 0);
  }

  private static long elements(Path data, List<Way> ways) {
    return ways.stream()
        .flatMap(way ->
            seeds(data, Study.seeded(way.text())).stream()
                .map(seed -> data.resolve(Study.seeded(way.text()) + seed)))
        .mapToLong(folder -> elements(folder.resolve(Study.TRAIN).resolve(Refiner.LORA)))
        .max()
        .orElse(0);
  }

  private static long elements(Path path) {
    if (!Files.exists(path)) {
      return 0;
    }
    try (var file = SafetensorsFile.open(path)) {
      return file.tensors().values().stream()
          .mapToLong(tensor -> tensor.shape().stream().reduce(1L, Math::multiplyExact))
          .sum();
    }
  }

  // ---------------------------------------------------------------- where it comes from

  private Provenance provenance(ReasoningTask task, List<Run> runs) {
    var subjects = new LinkedHashMap<String, List<Run>>();
    subjects.put(task.name(), runs);
    return provenance(subjects);
  }

  /// The settings are those of the first run that learnt.
  private Provenance provenance(SequencedMap<String, List<Run>> subjects) {
    var first = subjects.firstEntry();
    var parameters = new LinkedHashMap<String, String>();
    first.getValue().stream()
        .filter(run -> run.log().isPresent())
        .findFirst()
        .ifPresent(run -> {
          Path train =
              directory
                  .resolve(first.getKey())
                  .resolve(Study.seeded(run.name()) + run.seed())
                  .resolve(Study.TRAIN);
          Path lora = train.resolve(Refiner.LORA);
          Path learnt = Files.exists(lora) ? lora : train.resolve(Refiner.MOD);
          parameters.putAll(card(learnt).parameters());
        });
    return new Provenance(
        model.card().name(),
        model.card().sha256().get(),
        Version.current(),
        List.of(),
        List.of(),
        parameters,
        OptionalLong.empty(),
        model.card().dtype().name().toLowerCase(Locale.ROOT),
        0,
        0);
  }
}
