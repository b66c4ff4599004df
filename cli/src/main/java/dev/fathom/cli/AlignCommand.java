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
      "measures every method on items about terms that it was not fitted on.",
      "",
      "Examples:",
      "  fathom align -m DIR --data dev.json --words words.json --domain gender \\",
      "    --method pairs --save edit.safetensors",
      "  fathom align table -m DIR --data dev.json --words words.json --out-dir runs",
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
      description = "Which of the method's settings, from 1. Default: ${DEFAULT-VALUE}.")
  private int setting = 1;

  @Option(
      names = "--save",
      paramLabel = "FILE.safetensors",
      description = "The edit to write, for --edit and merge.")
  private @Nullable Path save;

  @Mixin private final SeedOption seed = new SeedOption();
  @Mixin private final JsonOptions json = new JsonOptions();

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

  /// The verb with its own verb.
  static CommandLine tree(Console console) {
    return new CommandLine(new AlignCommand(console)).addSubcommand(new TableOf(console));
  }

  @Override
  public Integer call() {
    if (domain == null || method == null || save == null) {
      throw new IllegalArgumentException(
          "Say with --domain which kind of bias, with --method how, and with --save where the edit"
              + " goes; or compare methods with fathom align table.");
    }
    Entrant entrant = Roster.named(List.of(method)).getFirst();
    if (setting < 1 || setting > entrant.settings().size()) {
      throw new IllegalArgumentException(
          "%s has settings 1 to %d, not %d.".formatted(method, entrant.settings().size(), setting));
    }
    Method chosen = entrant.settings().get(setting - 1);
    AlignOptions.Material material = options.read();
    var items = new ArrayList<StereoSetItem>(material.items(domain));
    items.addAll(material.more(domain));
    try (var model = LoadedModel.open(console, modelOptions)) {
      Fitting fitting =
          options.fitting(model, material, domain, items, seed.seed(), Optional.empty());
      if (!(chosen.fit(fitting) instanceof Remedy.OfWeights(Edit edit))) {
        throw new IllegalArgumentException(
            method + " is done while the model computes, so there is no edit to save.");
      }
      EditFile.write(save, edit);
      if (json.showsText()) {
        console.out().println(chosen.name() + " " + chosen.settings());
        edit.changes().stream().map(Change::summary).forEach(console.out()::println);
        console.out().println(save);
      }
    }
    return Main.DONE;
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
        "Example:",
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
      if (seeds < 1 || tokens < 2) {
        throw new IllegalArgumentException(
            "At least 1 seed and 2 tokens are needed, found %d and %d.".formatted(seeds, tokens));
      }
      List<Entrant> entrants =
          Roster.named(methods.isEmpty() ? List.copyOf(Roster.all().keySet()) : methods);
      AlignOptions.Material material = options.read();
      List<String> wanted =
          domains.isEmpty()
              ? material.items().domains().stream().filter(material.words()::containsKey).toList()
              : domains;
      if (wanted.isEmpty()) {
        throw new IllegalArgumentException(
            "--words has no words of any domain of --data (%s)."
                .formatted(String.join(", ", material.items().domains())));
      }
      try (var model = LoadedModel.open(console, modelOptions)) {
        List<AlignmentStudy.Domain> all = domains(model, material, wanted);
        AlignmentTable table;
        try (var progress =
            output.json().progress(console, "aligning", AlignmentStudy.size(all, entrants))) {
          table =
              AlignmentStudy.run(
                  all, entrants, material.text(1), tokens, directory, _ -> progress.advance(1));
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

    private List<AlignmentStudy.Domain> domains(
        LoadedModel model, AlignOptions.Material material, List<String> wanted) {
      var all = new ArrayList<AlignmentStudy.Domain>();
      for (long seed = 1; seed <= seeds; seed++) {
        for (String domain : wanted) {
          for (Folds.Fold fold : Folds.of(material.items(domain), folds, seed)) {
            var fit = new ArrayList<>(fold.fit());
            fit.addAll(material.more(domain));
            all.add(
                new AlignmentStudy.Domain(
                    options.fitting(
                        model,
                        material,
                        domain,
                        fit,
                        seed,
                        Optional.of(directory.resolve("cache"))),
                    fold.number(),
                    fold.test()));
          }
        }
      }
      return all;
    }
  }
}
