package dev.fathom.align.study;

import dev.fathom.FathomException;
import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.edit.EditFile;
import dev.fathom.evaluate.Provenances;
import dev.fathom.evaluate.bias.ScoredItem;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.model.Transformer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// Every method in every domain with every seed: tuned on items, measured on others, each outcome
/// and each edit kept in a folder of its own (`seed1/gender1/lope`), so that a killed study goes on
/// where it was. All methods see the same items and the same text.
public final class AlignmentStudy {
  private static final String FILE = "outcome.json";
  private static final String EDIT = "edit.safetensors";

  private final List<Domain> domains;
  private final List<Entrant> entrants;
  private final List<String> heldOut;
  private final int tokens;
  private final Path directory;

  /// What is fitted on and tested in one domain.
  ///
  /// @param fitting for one seed; its model is that of the study
  /// @param fold which part of the terms is tested, from 1
  /// @param test items about other terms
  public record Domain(Fitting fitting, int fold, List<StereoSetItem> test) {
    public Domain {
      test = List.copyOf(test);
      if (test.isEmpty()) {
        throw new IllegalArgumentException(
            "There are no items of domain %s to test on.".formatted(fitting.domain()));
      }
      var fitted = new HashSet<>(fitting.items().stream().map(StereoSetItem::target).toList());
      test.forEach(item -> {
        if (fitted.contains(item.target())) {
          throw new IllegalArgumentException(
              "The term %s of domain %s is fitted on and tested, too."
                  .formatted(item.target(), item.domain()));
        }
      });
    }
  }

  private AlignmentStudy(
      List<Domain> domains,
      List<Entrant> entrants,
      List<String> heldOut,
      int tokens,
      Path directory) {
    this.domains = domains;
    this.entrants = entrants;
    this.heldOut = heldOut;
    this.tokens = tokens;
    this.directory = directory;
  }

  /// Runs what is missing and tells the outcome of all.
  ///
  /// @param domains each with each seed, of one model
  /// @param heldOut neutral text that no fitting has
  /// @param tokens of neutral text that perplexities are measured on
  /// @param directory made if it is not there
  /// @param done is told of each outcome
  /// @throws FathomException if the directory holds outcomes of another model, data or settings
  public static AlignmentTable run(
      List<Domain> domains,
      List<Entrant> entrants,
      List<String> heldOut,
      int tokens,
      Path directory,
      Consumer<Outcome> done) {
    long start = System.nanoTime();
    var study =
        new AlignmentStudy(
            List.copyOf(domains), List.copyOf(entrants), List.copyOf(heldOut), tokens, directory);
    var outcomes = new ArrayList<Outcome>();
    domains.forEach(domain -> outcomes.addAll(study.domain(domain, done)));
    Transformer model = domains.getFirst().fitting().model();
    return new AlignmentTable(
        Provenances.of(
            model,
            (System.nanoTime() - start) / 1e9,
            "tokens of neutral text",
            Integer.toString(tokens),
            "start token",
            domains.getFirst().fitting().start().toString()),
        outcomes);
  }

  /// How many outcomes a study has.
  public static int size(List<Domain> domains, List<Entrant> entrants) {
    return domains.size() * (1 + entrants.size());
  }

  private List<Outcome> domain(Domain domain, Consumer<Outcome> done) {
    var outcomes = new ArrayList<Outcome>();
    Trying trying = null;
    for (int e = -1; e < entrants.size(); e++) {
      String name = e < 0 ? Entrant.BASE : entrants.get(e).name();
      List<Method> settings = e < 0 ? List.of() : entrants.get(e).settings();
      Path folder =
          directory
              .resolve("seed" + domain.fitting.seed())
              .resolve(domain.fitting.domain() + domain.fold)
              .resolve(name);
      String asked = fingerprint(domain, settings);
      Outcome outcome;
      if (Files.exists(folder.resolve(FILE))) {
        outcome = read(folder.resolve(FILE), asked);
      } else {
        if (trying == null) {
          trying = new Trying(domain, heldOut, tokens);
        }
        outcome = e < 0 ? trying.base() : made(trying, entrants.get(e), folder);
        write(folder.resolve(FILE), asked, outcome);
      }
      outcomes.add(outcome);
      done.accept(outcome);
    }
    return outcomes;
  }

  private static Outcome made(Trying trying, Entrant entrant, Path folder) {
    Trying.Made made = trying.run(entrant);
    if (made.remedy() instanceof Remedy.OfWeights(var edit)) {
      try {
        Files.createDirectories(folder);
      } catch (IOException e) {
        throw new FathomException(folder + ": cannot be made (" + e.getMessage() + ")", e);
      }
      EditFile.write(folder.resolve(EDIT), edit);
    }
    return made.outcome();
  }

  // ---------------------------------------------------------------- what is kept

  /// What an outcome depends on.
  private String fingerprint(Domain domain, List<Method> settings) {
    Fitting fitting = domain.fitting;
    String all =
        String.join(
            "\n",
            fitting.model().card().sha256().get(),
            texts(fitting.items()),
            texts(domain.test),
            String.join("\u0000", fitting.neutral()),
            String.join("\u0000", heldOut),
            fitting.words().sets().toString(),
            fitting.context() + " " + fitting.start() + " " + fitting.seed() + " " + tokens,
            settings.stream()
                .map(method -> method.name() + method.settings())
                .collect(Collectors.joining("\n")));
    try {
      byte[] hash =
          MessageDigest.getInstance("SHA-256").digest(all.getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(hash);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  private static String texts(List<StereoSetItem> items) {
    return items.stream()
        .flatMap(item -> item.sentences().stream())
        .map(StereoSetItem.Sentence::text)
        .collect(Collectors.joining("\u0000"));
  }

  private static void write(Path file, String asked, Outcome outcome) {
    ObjectNode json = JsonMapper.shared().createObjectNode();
    json.put("asked", asked)
        .put("entrant", outcome.entrant())
        .put("domain", outcome.domain())
        .put("seed", outcome.seed())
        .put("fold", outcome.fold())
        .put("perplexity", outcome.perplexity())
        .put("divergence", outcome.divergence())
        .put("changed", outcome.changed())
        .put("seconds", outcome.seconds());
    ObjectNode settings = json.putObject("settings");
    outcome.settings().forEach(settings::put);
    var items = json.putArray("items");
    outcome
        .items()
        .forEach(item -> {
          ObjectNode line = items.addObject();
          line.put("key", item.key());
          item.write(line);
        });
    try {
      Files.createDirectories(file.getParent());
      Path part = file.resolveSibling(FILE + ".part");
      Files.writeString(part, json.toString());
      Files.move(part, file);
    } catch (IOException e) {
      throw new FathomException(file + ": cannot be written (" + e.getMessage() + ")", e);
    }
  }

  private static Outcome read(Path file, String asked) {
    try {
      JsonNode json = JsonMapper.shared().readTree(Files.readString(file));
      if (!json.path("asked").asString("").equals(asked)) {
        throw new FathomException(
            "%s was made with another model, other data or other settings: choose another folder, or delete this one."
                .formatted(file));
      }
      var settings = new LinkedHashMap<String, String>();
      json.path("settings").forEachEntry((name, value) -> settings.put(name, value.asString("")));
      var items = new ArrayList<ScoredItem>();
      json.path("items").forEach(line -> items.add(ScoredItem.read(line)));
      return new Outcome(
          json.path("entrant").asString(""),
          json.path("domain").asString(""),
          json.path("seed").asLong(0),
          json.path("fold").asInt(0),
          settings,
          items,
          json.path("perplexity").asDouble(Double.NaN),
          json.path("divergence").asDouble(Double.NaN),
          json.path("changed").asLong(0),
          json.path("seconds").asDouble(Double.NaN));
    } catch (JacksonException | IllegalArgumentException e) {
      throw new FathomException(file + ": not an outcome of a study: " + e.getMessage(), e);
    } catch (IOException e) {
      throw new FathomException(file + ": cannot be read (" + e.getMessage() + ")", e);
    }
  }
}
