package dev.fathom.align.study;

import dev.fathom.FathomException;
import dev.fathom.Sha256;
import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.checkpoint.JsonFiles;
import dev.fathom.edit.EditFile;
import dev.fathom.evaluate.Provenances;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.model.Transformer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/// Every method in every domain with every seed: tuned on items, measured on others, each outcome
/// and each edit kept in a folder of its own (`seed1/gender1/lope`: `outcome.json` and
/// `edit.safetensors`), so that a killed study goes on where it was. All methods see the same items
/// and the same text.
///
/// ```java
/// var heldOut = new AlignmentStudy.HeldOut("text.txt", texts, 4096);
/// var entrants = Roster.named(List.of("lope", "pairs", "random"));
/// AlignmentTable table = AlignmentStudy.run(domains, entrants, heldOut, folder, _ -> {});
/// ```
public final class AlignmentStudy {
  static final String OUTCOME = "outcome.json";
  static final String EDIT = "edit.safetensors";
  static final String MODEL = "model";
  static final long LARGEST_OUTCOME = 64 << 20;

  private static final String ASKED = "asked";

  /// Goes up when a method does something else for the same settings, or a measure is another.
  private static final String VERSION = "2";

  private final List<Entrant> entrants;
  private final HeldOut heldOut;
  private final Path directory;

  /// What is fitted on and tested in one domain.
  ///
  /// @param fitting for one seed; its model is that of the study
  /// @param fold which part of the terms is tested, from 1
  /// @param test items about other terms
  public record Domain(Fitting fitting, int fold, List<StereoSetItem> test) {
    public Domain {
      test = List.copyOf(test);
      if (!fitting.domain().matches("[\\p{L}\\p{N}_-]+")) {
        throw new IllegalArgumentException(
            "A domain is named with letters, digits, - and _, for folders are called after it;"
                + " found '%s'.".formatted(fitting.domain()));
      }
      if (test.isEmpty()) {
        throw new IllegalArgumentException(
            "There are no items of domain %s to test on.".formatted(fitting.domain()));
      }
      var fitted = new HashSet<>(fitting.items().stream().map(StereoSetItem::target).toList());
      for (StereoSetItem item : test) {
        if (fitted.contains(item.target())) {
          throw new IllegalArgumentException(
              "The term %s of domain %s is fitted on and tested, too."
                  .formatted(item.target(), item.domain()));
        }
      }
    }

    private String name() {
      return fitting.domain() + fold;
    }
  }

  /// Neutral text that no fitting has.
  ///
  /// @param name what it is, for people
  /// @param tokens so many of it are read, and of each fitting's neutral text, at most
  public record HeldOut(String name, List<String> texts, int tokens) {
    public HeldOut {
      texts = List.copyOf(texts);
      if (tokens < 2) {
        throw new IllegalArgumentException(
            "Perplexity needs at least 2 tokens of text, found %d.".formatted(tokens));
      }
    }
  }

  private AlignmentStudy(List<Entrant> entrants, HeldOut heldOut, Path directory) {
    this.entrants = entrants;
    this.heldOut = heldOut;
    this.directory = directory;
  }

  /// Runs what is missing and tells the outcome of all.
  ///
  /// @param domains each with each fold and seed, of one model
  /// @param entrants each of another name
  /// @param directory made if it is not there
  /// @param done is told of each outcome
  /// @throws FathomException if the directory holds outcomes of another model, data or settings
  public static AlignmentTable run(
      List<Domain> domains,
      List<Entrant> entrants,
      HeldOut heldOut,
      Path directory,
      Consumer<Outcome> done) {
    long start = System.nanoTime();
    requireDifferent(domains, entrants);
    var study = new AlignmentStudy(List.copyOf(entrants), heldOut, directory);
    var outcomes = new ArrayList<Outcome>();
    domains.forEach(domain -> study.run(domain, outcomes, done));
    Fitting first = domains.getFirst().fitting();
    return AlignmentTable.of(
        Provenances.of(
            first.model(),
            (System.nanoTime() - start) / 1e9,
            "neutral text",
            heldOut.name,
            "tokens of it",
            Integer.toString(heldOut.tokens),
            "scores",
            first.context().name().toLowerCase(Locale.ROOT),
            "start token",
            first.start().toString(),
            "folds",
            Long.toString(domains.stream().mapToInt(Domain::fold).distinct().count()),
            "seeds",
            domains.stream()
                .map(domain -> Long.toString(domain.fitting.seed()))
                .distinct()
                .collect(Collectors.joining(", "))),
        outcomes);
  }

  private static void requireDifferent(List<Domain> domains, List<Entrant> entrants) {
    if (domains.isEmpty()) {
      throw new IllegalArgumentException("A study needs at least one domain.");
    }
    Transformer model = domains.getFirst().fitting.model();
    Set<List<Object>> parts = new HashSet<>();
    for (Domain domain : domains) {
      if (domain.fitting.model() != model) {
        throw new IllegalArgumentException("A study is of one model.");
      }
      if (!parts.add(List.of(domain.fitting.seed(), domain.name()))) {
        throw new IllegalArgumentException(
            "Fold %d of domain %s with seed %d is there twice."
                .formatted(domain.fold, domain.fitting.domain(), domain.fitting.seed()));
      }
    }
    if (entrants.stream().map(Entrant::name).distinct().count() < entrants.size()) {
      throw new IllegalArgumentException(
          "Entrants have different names, found %s."
              .formatted(entrants.stream().map(Entrant::name).toList()));
    }
  }

  /// How many outcomes a study has.
  public static int size(List<Domain> domains, List<Entrant> entrants) {
    return domains.size() * (1 + entrants.size());
  }

  private void run(Domain domain, List<Outcome> outcomes, Consumer<Outcome> done) {
    Path folder = directory.resolve("seed" + domain.fitting.seed()).resolve(domain.name());
    var trying = new Trying(domain, heldOut);
    Consumer<Outcome> tell =
        outcome -> {
          outcomes.add(outcome);
          done.accept(outcome);
        };
    Outcome base = kept(folder.resolve(Entrant.BASE), domain, List.of(), trying::base);
    tell.accept(base);
    for (Entrant entrant : entrants) {
      Path own = folder.resolve(entrant.name());
      tell.accept(kept(own, domain, entrant.settings(), () -> made(trying, entrant, base, own)));
    }
    domain.fitting.shared().forget(); // may be large, and serves no other domain
  }

  private static Outcome made(Trying trying, Entrant entrant, Outcome base, Path folder) {
    Trying.Made made = trying.run(entrant, base);
    if (made.remedy() instanceof Remedy.OfWeights(var edit)) {
      createFolder(folder);
      EditFile.write(folder.resolve(EDIT), edit);
    }
    return made.outcome();
  }

  // ---------------------------------------------------------------- what is kept

  /// The outcome that a folder has, or else one that is made and kept there.
  private Outcome kept(Path folder, Domain domain, List<Method> settings, Supplier<Outcome> make) {
    Path file = folder.resolve(OUTCOME);
    String asked = asked(domain, settings);
    if (Files.exists(file)) {
      ObjectNode known = JsonFiles.read(file, LARGEST_OUTCOME);
      if (!known.path(ASKED).asString("").equals(asked)) {
        throw new FathomException(
            file
                + " was made with another model, other data or other settings, or by another version"
                + " of Fathom: choose another folder, or delete this one.");
      }
      return Outcome.read(known, file);
    }
    Outcome made = make.get();
    ObjectNode json =
        JsonNodeFactory.instance
            .objectNode()
            .put(ASKED, asked)
            .put(MODEL, domain.fitting.model().card().sha256().get());
    made.write(json);
    createFolder(folder);
    JsonFiles.write(file, json);
    return made;
  }

  private static void createFolder(Path folder) {
    try {
      Files.createDirectories(folder);
    } catch (IOException e) {
      throw new FathomException(folder + ": cannot be made (" + e.getMessage() + ")", e);
    }
  }

  /// A digest of what an outcome depends on.
  private String asked(Domain domain, List<Method> settings) {
    Fitting fitting = domain.fitting;
    MessageDigest digest = Sha256.begin();
    update(digest, List.of(VERSION, fitting.model().card().sha256().get()));
    update(digest, texts(fitting.items()));
    update(digest, texts(domain.test));
    update(digest, fitting.neutral());
    update(digest, heldOut.texts);
    fitting.words().sets().forEach(set -> update(digest, set));
    update(
        digest,
        List.of(
            fitting.model().card().dtype().name(),
            fitting.context().name(),
            fitting.start().toString(),
            Long.toString(fitting.seed()),
            Integer.toString(heldOut.tokens)));
    for (Method method : settings) {
      update(digest, List.of(method.name(), method.settings().toString()));
    }
    return Sha256.hex(digest);
  }

  private static List<String> texts(List<StereoSetItem> items) {
    return items.stream()
        .flatMap(item ->
            Stream.concat(
                Stream.of(item.target()),
                item.sentences().stream().map(StereoSetItem.Sentence::text)))
        .toList();
  }

  /// Lists of different lengths never look alike.
  private static void update(MessageDigest digest, List<String> texts) {
    for (String text : texts) {
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      digest.update((bytes.length + ":").getBytes(StandardCharsets.UTF_8));
      digest.update(bytes);
    }
    digest.update((byte) '\n');
  }
}
