package dev.fathom.cli;

import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.align.study.AlignmentStudy;
import dev.fathom.align.study.AlignmentTable;
import dev.fathom.align.study.Entrant;
import dev.fathom.align.study.Folds;
import dev.fathom.align.study.Roster;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.edit.EditFile;
import dev.fathom.evaluate.bias.StereoSetItem;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Makes a model less biased by one method, or compares all of them.
@Command(
    name = "align",
    description = "Makes a model less biased, and measures whether that is so.",
    footer = {
      "",
      "One method is fitted on all items of a domain and written as an edit, for",
      "--edit, compare and merge. Whether it helps, fathom align table says: it",
      "measures every method on items about terms that it was not fitted on. Where",
      "neurons write along a bias, and what the model says before and after, neurons",
      "and generations show.",
      "",
      "Examples:",
      "  fathom align -m DIR --data dev.json --words words.json --domain gender \\",
      "    --method pairs --save edit.safetensors",
      "  fathom align table -m DIR --data dev.json --words words.json --out-dir runs",
      "  fathom align neurons -m DIR --data dev.json --html neurons.html",
      "  fathom align generations -m DIR --edit edit.safetensors",
    })
final class AlignCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final AlignOptions options = new AlignOptions();

  @Option(
      names = "--domain",
      paramLabel = "NAME",
      description = "Which kind of bias, such as gender.")
  private @Nullable String domain;

  @Option(
      names = "--method",
      paramLabel = "NAME",
      completionCandidates = Methods.class,
      description = "One of ${COMPLETION-CANDIDATES}.")
  private @Nullable String method;

  @Option(
      names = "--setting",
      paramLabel = "N",
      description =
          "Which of the settings that table tries, from 1; what it is set to is printed. Default:"
              + " ${DEFAULT-VALUE}.")
  private int setting = 1;

  @Option(
      names = "--cache",
      paramLabel = "DIR",
      description = "Where what the model computed is kept for the next time. Default: nowhere.")
  private @Nullable Path cache;

  @Option(
      names = "--save",
      paramLabel = "FILE.safetensors",
      description = "The edit to write, for --edit and merge.")
  private @Nullable Path save;

  @Mixin private final SeedOption seed = new SeedOption();
  @Mixin private final JsonOptions output = new JsonOptions();

  /// The names of all methods.
  private static final class Methods implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return Roster.all().keySet().iterator();
    }
  }

  private AlignCommand(Console console) {
    this.console = console;
  }

  /// The verb with its own verbs.
  static CommandLine tree(Console console) {
    return new CommandLine(new AlignCommand(console))
        .addSubcommand(new TableOf(console))
        .addSubcommand(new AlignNeuronsCommand(console))
        .addSubcommand(new AlignGenerationsCommand(console));
  }

  @Override
  public Integer call() {
    if (domain == null || method == null || save == null) {
      throw new IllegalArgumentException(
          "Say with --domain which kind of bias, with --method how, and with --save where the edit"
              + " goes; or compare methods with fathom align table.");
    }
    Method chosen = chosen(method);
    AtomicFile.requirePlace(save); // fails sooner than an edit is fitted
    output.requirePlace();
    if (cache != null) {
      AtomicFile.requireFolder(cache);
    }
    AlignOptions.Material material = options.read();
    var items = new ArrayList<StereoSetItem>(material.items(domain));
    items.addAll(material.more(domain));
    try (var model = LoadedModel.open(console, modelOptions)) {
      Fitting fitting =
          options.fitting(model, material, domain, items, seed.seed(), Optional.ofNullable(cache));
      if (!(chosen.fit(fitting) instanceof Remedy.OfWeights(Edit edit))) {
        throw new IllegalArgumentException(
            method + " is done while the model computes, so there is no edit to save.");
      }
      EditFile.write(save, edit);
      show(model, edit, save);
    }
    return Main.DONE;
  }

  private Method chosen(String name) {
    Entrant entrant = Roster.named(List.of(name)).getFirst();
    int count = entrant.settings().size();
    if (setting < 1 || setting > count) {
      throw new IllegalArgumentException(
          "--setting %d: %s has %s."
              .formatted(setting, name, count == 1 ? "one setting" : "settings 1 to " + count));
    }
    return entrant.settings().get(setting - 1);
  }

  private void show(LoadedModel model, Edit edit, Path file) {
    if (edit.changes().isEmpty()) {
      model.say(List.of("There was nothing to change: the edit leaves the model as it is."));
    }
    List<String> changes = edit.changes().stream().map(Change::summary).toList();
    var parameters = edit.card().parameters();
    if (output.showsText()) {
      String settings =
          parameters.entrySet().stream()
              .map(entry -> entry.getKey() + " " + entry.getValue())
              .collect(Collectors.joining(", "));
      changes.forEach(console.out()::println);
      console.out().println("%s: %s".formatted(edit.name(), settings));
      console.out().println(file);
    }
    if (output.wantsJson()) {
      output.writeJson(
          console,
          Document.of("fathom.align/1")
              .put("model", model.transformer().card().name())
              .put("method", edit.name())
              .put("parameters", parameters)
              .put("changes", changes)
              .put("out", file.toString())
              .text());
    }
  }

  /// Every method against every other.
  @Command(
      name = "table",
      description = "Compares methods on items they were not fitted on.",
      footer = {
        "",
        "Terms are dealt into folds; each fold is tested with what was fitted on the",
        "others. Each outcome and edit is kept in --out-dir: a killed run goes on.",
        "",
        "Examples:",
        "  fathom align table -m DIR --data dev.json --words words.json \\",
        "    --methods lope,pairs,random --out-dir runs --html table.html",
      })
  private static final class TableOf implements Callable<Integer> {
    private final Console console;

    @Mixin private final ModelOptions modelOptions = new ModelOptions();
    @Mixin private final AlignOptions options = new AlignOptions();

    @Option(
        names = "--domains",
        split = ",",
        paramLabel = "NAME",
        description = "Kinds of bias. Default: all of --data that --words has.")
    private List<String> domains = List.of();

    @Option(
        names = "--methods",
        split = ",",
        paramLabel = "NAME",
        completionCandidates = Methods.class,
        description = "Some of ${COMPLETION-CANDIDATES}. Default: all.")
    private List<String> methods = List.of();

    @Option(
        names = "--folds",
        paramLabel = "N",
        description = "Parts that the terms are dealt into. Default: ${DEFAULT-VALUE}.")
    private int folds = 2;

    @Option(
        names = "--seeds",
        paramLabel = "N",
        description = "Runs with other folds and draws. Default: ${DEFAULT-VALUE}.")
    private int seeds = 1;

    @Option(
        names = "--settings",
        paramLabel = "N",
        description =
            "Settings of each method to choose from, at most; fewer are faster. Default:"
                + " ${DEFAULT-VALUE}.")
    private int settings = 8;

    @Option(
        names = "--tokens",
        paramLabel = "N",
        description =
            "Tokens of text that perplexities are measured on. Default: ${DEFAULT-VALUE}.")
    private int tokens = 4096;

    @Option(
        names = "--out-dir",
        paramLabel = "DIR",
        required = true,
        description = "Where outcomes and edits are kept.")
    private Path directory = Path.of("");

    @Mixin private final OutputOptions output = new OutputOptions();

    private TableOf(Console console) {
      this.console = console;
    }

    @Override
    public Integer call() {
      if (seeds < 1) {
        throw new IllegalArgumentException("--seeds %d: at least 1 is needed.".formatted(seeds));
      }
      if (settings < 1) {
        throw new IllegalArgumentException(
            "--settings %d: at least 1 is needed.".formatted(settings));
      }
      output.requirePlaces(); // fails sooner than methods are tried
      AtomicFile.requireFolder(directory);
      List<Entrant> entrants =
          Roster.named(methods.isEmpty() ? List.copyOf(Roster.all().keySet()) : methods).stream()
              .map(entrant -> entrant.withAtMost(settings))
              .toList();
      AlignOptions.Material material = options.read();
      var heldOut = new AlignmentStudy.HeldOut(material.textName(), material.text(1), tokens);
      List<Part> parts = parts(material, domains(material)); // fails sooner than a model loads
      try (var model = LoadedModel.open(console, modelOptions)) {
        List<AlignmentStudy.Domain> all =
            parts.stream().map(part -> part.of(model, options, material, directory)).toList();
        AlignmentTable table;
        try (var progress =
            output.json().progress(console, "aligning", AlignmentStudy.size(all, entrants))) {
          table = AlignmentStudy.run(all, entrants, heldOut, directory, _ -> progress.advance(1));
        }
        ResultOutput.show(
            console,
            output,
            "Alignment",
            "Methods",
            "Bias before and after, beside what else changed.",
            table);
      }
      return Main.DONE;
    }

    private List<String> domains(AlignOptions.Material material) {
      if (!domains.isEmpty()) {
        return domains.stream().distinct().toList();
      }
      List<String> there = material.items().domains();
      List<String> both = there.stream().filter(material.words()::containsKey).toList();
      if (both.isEmpty()) {
        throw new IllegalArgumentException(
            "--words has words of %s, but --data has items of %s: no domain is in both."
                .formatted(String.join(", ", material.words().keySet()), String.join(", ", there)));
      }
      return both;
    }

    /// One fold of a domain.
    private record Part(String domain, long seed, Folds.Fold fold) {
      AlignmentStudy.Domain of(
          LoadedModel model, AlignOptions options, AlignOptions.Material material, Path directory) {
        Optional<Path> cache = Optional.of(directory.resolve("cache"));
        return new AlignmentStudy.Domain(
            options.fitting(model, material, domain, fold.fit(), seed, cache),
            fold.number(),
            fold.test());
      }
    }

    private List<Part> parts(AlignOptions.Material material, List<String> wanted) {
      var parts = new ArrayList<Part>();
      for (long seed = 1; seed <= seeds; seed++) {
        for (String domain : wanted) {
          for (Folds.Fold fold :
              Folds.of(material.items(domain), material.more(domain), folds, seed)) {
            parts.add(new Part(domain, seed, fold));
          }
        }
      }
      return parts;
    }
  }
}
