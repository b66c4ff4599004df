package dev.fathom.cli;

import dev.fathom.checkpoint.ArrayFile;
import dev.fathom.render.Html;
import dev.fathom.render.Json;
import dev.fathom.render.Terminal;
import dev.fathom.tensor.Threads;
import dev.fathom.train.Trainer;
import dev.fathom.view.Report;
import dev.fathom.view.Result;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import dev.fathom.world.Corpus;
import dev.fathom.world.EvaluationFiles;
import dev.fathom.world.Learning;
import dev.fathom.world.LearningResult;
import dev.fathom.world.Recipe;
import dev.fathom.world.Trials;
import dev.fathom.world.TrialsResult;
import dev.fathom.world.World;
import dev.fathom.world.WorldCheck;
import dev.fathom.world.WorldReport;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// The world of the bundled models: what is planted in it, whether a model knows it, its texts, and
/// how to make the models anew.
@Command(
    name = "world",
    description = "The world of the bundled models: truth, texts, training.",
    footer = {
      "",
      "Examples:",
      "  fathom world check                does tidepool know its world?",
      "  fathom world trial                do the methods find what is known?",
      "  fathom world align                is a planted bias found, and taken out?",
      "  fathom world concepts             do directions of concepts find what is known?",
      "  fathom world learn                can few numbers teach it something new?",
      "  fathom world planted              what is planted",
      "  fathom world text --rounds 2      training texts, one a line",
      "  fathom world data DIR             evaluation sets in the formats that tools read",
      "  fathom world train --out DIR      train tidepool anew",
    })
final class WorldCommand {
  private WorldCommand() {}

  /// The verb with its own verbs.
  static CommandLine tree(Console console) {
    return new CommandLine(new WorldCommand())
        .addSubcommand(new CheckModel(console))
        .addSubcommand(new Trial(console))
        .addSubcommand(new WorldAlignCommand(console))
        .addSubcommand(new WorldConceptsCommand(console))
        .addSubcommand(new Learn(console))
        .addSubcommand(new Planted(console))
        .addSubcommand(new Text(console))
        .addSubcommand(new Data(console))
        .addSubcommand(new Train(console));
  }

  private static final class WhichWorld {
    @Option(
        names = "--fair",
        description = "The world without planted associations: every share is one half.")
    private boolean fair;

    World world() {
      return fair ? World.load().fair() : World.load();
    }

    Recipe recipe() {
      return fair ? Recipe.tidepoolFair() : Recipe.tidepool();
    }
  }

  private static void show(Console console, JsonOptions output, Result result) {
    if (output.showsText()) {
      for (View view : result.views()) {
        console.out().println(Terminal.render(view, TerminalStyles.of(console)));
      }
    }
    if (output.wantsJson()) {
      output.writeJson(console, Json.render(result));
    }
  }

  private static Report page(String title, String heading, String reading, Result result) {
    return new Report(
        title,
        result.provenance().model(),
        List.of(),
        List.of(Section.of(heading, reading, result)),
        result.provenance());
  }

  /// Asks a model about the world.
  @Command(
      name = "check",
      description = "Asks a model every question of the world and compares planted shares.",
      footer = {
        "",
        "Exit code 1 when an aim is missed; the aims are those of the bundled models.",
        "",
        "Examples:",
        "  fathom world check",
        "  fathom world check -m DIR --fair --html check.html",
      })
  static final class CheckModel implements Callable<Integer> {
    private final Console console;

    @Mixin private final ModelOptions modelOptions = new ModelOptions();
    @Mixin private final WhichWorld which = new WhichWorld();
    @Mixin private final OutputOptions output = new OutputOptions();

    @Option(names = "--wrong", description = "Also list the questions with a wrong answer.")
    private boolean wrong;

    CheckModel(Console console) {
      this.console = console;
    }

    @Override
    public Integer call() {
      try (var model = LoadedModel.open(console, modelOptions)) {
        boolean fair = which.fair || model.checkpoint().name().equals(Recipe.tidepoolFair().name());
        World world = fair ? World.load().fair() : World.load();
        WorldReport report = WorldCheck.run(model.transformer(), model.tokenizer(), world);
        show(console, output.json(), report);
        if (output.json().showsText()) {
          if (wrong) listWrong(report);
          report.missed().forEach(aim -> console.out().println("missed: " + aim));
        }
        output
            .html()
            .ifPresent(file ->
                AtomicFile.writeText(
                    file,
                    Html.render(
                        page(
                            "What does it know of its world?",
                            "World",
                            "Right answers are most probable tokens; a share is P(first) over"
                                + " P(first) + P(second).",
                            report))));
        output.out().ifPresent(file -> ArrayFile.write(file, report.arrays()));
        return report.missed().isEmpty() ? Main.DONE : Main.FAILED;
      }
    }

    private void listWrong(WorldReport report) {
      for (var set : report.sets()) {
        set.wrong().forEach(line -> console.out().println(set.check() + ": " + line));
      }
    }
  }

  /// Tries the methods on what is known.
  @Command(
      name = "trial",
      description = "Tries methods on questions whose answer's source is known.",
      footer = {
        "",
        "Causal tracing, ablation, integrated gradients and Shapley values are to find a fact's",
        "subject, ablation and path patching the same heads. Takes some minutes.",
        "",
        "Examples:",
        "  fathom world trial",
        "  fathom world trial --facts 14 --stories 8 --html trial.html",
      })
  static final class Trial implements Callable<Integer> {
    private final Console console;

    @Mixin private final ModelOptions modelOptions = new ModelOptions();
    @Mixin private final OutputOptions output = new OutputOptions();

    @Option(
        names = "--facts",
        paramLabel = "N",
        description = "Facts in each trial. Default: ${DEFAULT-VALUE}.")
    private int facts = Trials.Config.standard().facts();

    @Option(
        names = "--stories",
        paramLabel = "N",
        description = "Stories of giving in each trial. Default: ${DEFAULT-VALUE}.")
    private int stories = Trials.Config.standard().stories();

    Trial(Console console) {
      this.console = console;
    }

    @Override
    public Integer call() {
      var config = Trials.Config.standard().withFacts(facts).withStories(stories);
      try (var model = LoadedModel.open(console, modelOptions);
          var progress = Progress.start(console, "trying", config.total())) {
        TrialsResult result =
            Trials.run(
                model.transformer(),
                model.tokenizer(),
                World.load(),
                config.telling(progress::advance));
        ResultOutput.show(
            console,
            output,
            "Do the methods find what is known?",
            "Trials",
            "Each method is asked what it can answer, on questions whose decisive tokens are known;"
                + " beside it stands what chance would give.",
            result);
      }
      return Main.DONE;
    }
  }

  /// Teaches it something and asks.
  @Command(
      name = "learn",
      description = "Teaches a model new facts and a new wording, by LoRA and by mixtures.",
      footer = {
        "",
        "Each learner is asked what it was told, what it was not, and what it knew before. A",
        "mixture of late layers can weigh what these say; facts that none of them holds it cannot",
        "learn. Takes some minutes. With --out-dir a killed run goes on, and more seeds can be"
            + " added.",
        "",
        "Examples:",
        "  fathom world learn --html learn.html",
        "  fathom world learn --seeds 5 --out-dir learnt",
      })
  static final class Learn implements Callable<Integer> {
    private final Console console;

    @Mixin private final ModelOptions modelOptions = new ModelOptions();
    @Mixin private final OutputOptions output = new OutputOptions();

    @Option(
        names = "--seeds",
        paramLabel = "N",
        description = "How often, with other facts and first values. Default: ${DEFAULT-VALUE}.")
    private int seeds = 3;

    @Option(
        names = "--facts",
        paramLabel = "N",
        description = "New facts, and known ones in new words. Default: ${DEFAULT-VALUE}.")
    private int facts = 48;

    @Option(
        names = "--old",
        paramLabel = "N",
        description = "Questions about what it knew before. Default: ${DEFAULT-VALUE}.")
    private int old = 300;

    @Option(
        names = "--epochs",
        paramLabel = "X",
        description = "So many times the learners' own epochs. Default: ${DEFAULT-VALUE}.")
    private double epochs = 1;

    @Option(
        names = "--out-dir",
        paramLabel = "DIR",
        description = "Folder of what was found so far. Default: one that is deleted at the end.")
    private @Nullable Path directory;

    Learn(Console console) {
      this.console = console;
    }

    @Override
    public Integer call() {
      try (var model = LoadedModel.open(console, modelOptions);
          var folder = TemporaryFolder.unless(directory);
          var progress = Progress.start(console, "learning", Progress.SHARES)) {
        var config =
            Learning.Config.standard(model.transformer())
                .withSeeds(seeds)
                .withFacts(facts)
                .withOld(old)
                .withEpochs(epochs)
                .telling(progress::show);
        LearningResult result =
            Learning.run(
                model.transformer(), model.tokenizer(), World.load(), config, folder.path());
        ResultOutput.show(
            console,
            output,
            "Can few numbers teach it something new?",
            "Learning",
            "LoRA and mixtures of late layers learn new facts, and known facts in new words; right"
                + " answers are most probable tokens.",
            result);
      }
      return Main.DONE;
    }
  }

  /// Prints what is planted.
  @Command(
      name = "planted",
      description = "Prints what is planted: facts, shares of men, stereotypes.",
      footer = {
        "",
        "Examples:",
        "  fathom world planted occupations",
        "  fathom world planted facts | grep capital",
      })
  static final class Planted implements Callable<Integer> {
    /// Parts of what is planted.
    enum Part {
      facts,
      occupations,
      peoples
    }

    private final Console console;

    @Parameters(
        arity = "0..1",
        paramLabel = "PART",
        description = "One of: ${COMPLETION-CANDIDATES}. Default: all.")
    private @Nullable Part part;

    @Mixin private final WhichWorld which = new WhichWorld();
    @Mixin private final JsonOptions output = new JsonOptions();

    Planted(Console console) {
      this.console = console;
    }

    @Override
    public Integer call() {
      World world = which.world();
      var document = Document.of("fathom.world/1");
      if (wants(Part.facts)) {
        var table = Table.of("relation", "subject", "object");
        world.facts().forEach(f -> table.add(f.relation(), f.subject(), f.object()));
        print(table);
        document.put(
            "facts",
            world.facts().stream()
                .map(f ->
                    Document.part()
                        .put("relation", f.relation())
                        .put("subject", f.subject())
                        .put("object", f.object()))
                .toList());
      }
      if (wants(Part.occupations)) {
        var table = Table.of("occupation", ">share of men");
        world.occupations().forEach(o -> table.add(o.plural(), "%.2f".formatted(o.men())));
        print(table);
        document.put(
            "occupations",
            world.occupations().stream()
                .map(o -> Document.part().put("occupation", o.plural()).put("men", o.men()))
                .toList());
      }
      if (wants(Part.peoples)) {
        var table = Table.of("people", "domain", "trait", "opposite", "unrelated", ">share");
        world
            .peoples()
            .forEach(p ->
                table.add(
                    p.group(),
                    p.domain(),
                    p.trait(),
                    p.opposite(),
                    p.unrelated(),
                    "%.2f".formatted(p.rate())));
        print(table);
        document.put(
            "peoples",
            world.peoples().stream()
                .map(p ->
                    Document.part()
                        .put("people", p.group())
                        .put("domain", p.domain())
                        .put("trait", p.trait())
                        .put("opposite", p.opposite())
                        .put("unrelated", p.unrelated())
                        .put("share", p.rate()))
                .toList());
      }
      if (output.wantsJson()) output.writeJson(console, document.text());
      return Main.DONE;
    }

    private boolean wants(Part asked) {
      return part == null || part == asked;
    }

    private void print(Table table) {
      if (!output.showsText()) return;
      table.print(console.out());
      if (part == null) console.out().println();
    }
  }

  /// Prints training texts.
  @Command(
      name = "text",
      description = "Prints the texts that the models are trained on, one a line.",
      footer = {
        "",
        "Examples:",
        "  fathom world text | head",
        "  fathom world text --rounds 20 > corpus.txt"
      })
  static final class Text implements Callable<Integer> {
    private final Console console;

    @Option(
        names = "--rounds",
        paramLabel = "N",
        description = "Rounds of texts; one says every fact once. Default: ${DEFAULT-VALUE}.")
    private int rounds = 1;

    @Option(
        names = "--seed",
        paramLabel = "N",
        description = "Seed of the texts. Default: ${DEFAULT-VALUE}, that of the bundled models.")
    private long seed = Recipe.tidepool().seed();

    @Mixin private final WhichWorld which = new WhichWorld();

    Text(Console console) {
      this.console = console;
    }

    @Override
    public Integer call() {
      if (rounds < 1) {
        throw new IllegalArgumentException("--rounds must be at least 1, not " + rounds + ".");
      }
      var corpus = new Corpus(which.world(), seed);
      for (int round = 0; round < rounds; round++) {
        corpus.round(round).forEach(console.out()::println);
      }
      return Main.DONE;
    }
  }

  /// Writes the evaluation sets.
  @Command(
      name = "data",
      description = "Writes the truth and evaluation sets in the formats that tools read.",
      footer = {
        "",
        "stereoset.json, crows_pairs.csv, relations/, concepts.jsonl, subjects.jsonl,",
        "problems.json and truth.json.",
        "",
        "Examples:",
        "  fathom world data world",
      })
  static final class Data implements Callable<Integer> {
    private final Console console;

    @Parameters(paramLabel = "DIR", description = "Where to write them; made if need be.")
    private Path directory = Path.of("");

    Data(Console console) {
      this.console = console;
    }

    @Override
    public Integer call() {
      EvaluationFiles.write(World.load(), directory);
      console.out().println("written to " + directory);
      return Main.DONE;
    }
  }

  /// Trains a bundled model anew.
  @Command(
      name = "train",
      description =
          "Trains tidepool (or tidepool-fair) anew; goes on where a killed run was saved.",
      footer = {
        "",
        "DIR gets config.json, tokenizer.json, model.safetensors, loss.html, and the run in",
        "DIR/trunk and DIR/training. The trunk is the same for both twins; --trunk takes it from",
        "the one that was trained first.",
        "",
        "Examples:",
        "  fathom world train --out tidepool",
        "  fathom world train --out fair --fair --trunk tidepool/trunk",
        "  fathom world train --out small --steps 200",
      })
  static final class Train implements Callable<Integer> {
    private final Console console;

    @Option(
        names = "--out",
        required = true,
        paramLabel = "DIR",
        description = "The model's directory.")
    private Path directory = Path.of("");

    @Option(
        names = "--trunk",
        paramLabel = "DIR",
        description = "Where the run of the trunk is kept. Default: DIR/trunk.")
    private @Nullable Path trunk;

    @Option(
        names = "--steps",
        paramLabel = "N",
        description =
            "Steps of training, the trunk's included. Default: those of the bundled models.")
    private @Nullable Integer steps;

    @Option(
        names = "--threads",
        paramLabel = "N",
        description = "Threads to train with. Default: ${DEFAULT-VALUE}, as the bundled models.")
    private int threads = Recipe.tidepool().workers();

    @Mixin private final WhichWorld which = new WhichWorld();
    @Mixin private final JsonOptions output = new JsonOptions();

    Train(Console console) {
      this.console = console;
    }

    @Override
    public Integer call() {
      Recipe recipe = which.recipe().withWorkers(threads);
      if (steps != null) recipe = recipe.withSteps(steps);
      NativeCache.here().announce(console);
      Threads.set(threads);
      var report =
          recipe.make(directory, trunk == null ? directory.resolve("trunk") : trunk, this::say);
      AtomicFile.writeText(
          directory.resolve("loss.html"),
          Html.render(
              page(
                  "Training " + recipe.name(),
                  "Training",
                  "Loss falls as the texts are learnt; the held-out curve tells whether the facts"
                      + " are known beyond the words they were learnt in.",
                  report)));
      show(console, output, report);
      return Main.DONE;
    }

    private void say(Trainer.Progress p) {
      if (p.step() % 20 != 0 && p.step() != p.steps()) return;
      String held =
          p.heldOut().isPresent() ? "  held out %.3f".formatted(p.heldOut().getAsDouble()) : "";
      console
          .err()
          .println(
              String.format(
                  Locale.ROOT,
                  "step %d of %d  loss %.4f%s  %,.0f tokens/s  %d:%02d left",
                  p.step(),
                  p.steps(),
                  p.loss(),
                  held,
                  p.tokensPerSecond(),
                  (long) p.secondsLeft() / 60,
                  (long) p.secondsLeft() % 60));
      console.err().flush();
    }
  }
}
