package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.data.Instruction;
import dev.fathom.data.InstructionFile;
import dev.fathom.data.LeakCheck;
import dev.fathom.data.PromptTemplate;
import dev.fathom.evaluate.Provenances;
import dev.fathom.evaluate.reasoning.ReasoningTask;
import dev.fathom.evaluate.reasoning.TestSet;
import dev.fathom.model.Transformer;
import dev.fathom.refine.Distillation;
import dev.fathom.refine.InstructionRows;
import dev.fathom.refine.Lora;
import dev.fathom.refine.study.AccuracyStudy;
import dev.fathom.refine.study.GridStudy;
import dev.fathom.refine.study.LayerStudy;
import dev.fathom.refine.study.RoutingStudy;
import dev.fathom.refine.study.Study;
import dev.fathom.refine.study.Study.Run;
import dev.fathom.refine.study.Study.Variant;
import dev.fathom.refine.study.Variants;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.Callable;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Studies of refinement: variants that are trained and compared, and how fast one of them is.
@Command(
    name = "study",
    description = "Trains many refined variants of a model and compares them.",
    footer = {
      "",
      "DATA is a folder with the sets of LLM-Adapters (ARC-Easy/train.json and so on).",
      "A killed study goes on when the command is given again; studies in one folder",
      "share the trainings they have in common. fathom figures --studies draws them.",
      "",
      "Examples:",
      "  fathom study tables -m DIR --data DATA --tasks arc-e,obqa --out-dir studies",
      "  fathom study grid -m DIR --data DATA --rows 500 --late 4 --out-dir studies",
      "  fathom study acceleration -m DIR --run tuned --data DATA --out-dir studies",
    })
final class StudyCommand {
  private StudyCommand() {}

  /// The verb with one below it for each study.
  static CommandLine tree(Console console) {
    var study = new CommandLine(new StudyCommand());
    for (What what : What.values()) {
      var line = new CommandLine(new Trained(console, what));
      line.getCommandSpec().usageMessage().description(what.description).footer(what.footer());
      study.addSubcommand(what.name(), line);
    }
    return study.addSubcommand(new AccelerationCommand(console));
  }

  /// What is trained and compared.
  enum What {
    tables(
        "Compares LoRA below or everywhere, with and without the mixture.", "--tasks arc-e,obqa"),
    routing("Shows which layers a router comes to trust while it learns.", "--seeds 1"),
    grid("Compares mixtures of k layers of which K count.", "--rows 500 --late 4"),
    ablations("Compares the mixture with itself less one of its parts.", "--tasks arc-e,boolq"),
    layers("Tunes each late layer on its own, and watches all of them.", "--tasks aqua,arc-c");

    private final String description;
    private final String example;

    What(String description, String example) {
      this.description = description;
      this.example = example;
    }

    private String[] footer() {
      return new String[] {
        "",
        "Test items among the training items are left out. A killed study goes on when",
        "the command is given again; studies in one folder share the trainings they",
        "have in common.",
        "",
        "Examples:",
        "  fathom study %s -m DIR --data DATA --out-dir studies".formatted(name()),
        "  fathom study %s -m DIR --data DATA %s --out-dir studies".formatted(name(), example),
      };
    }
  }

  /// One of the studies that train.
  @Command
  static final class Trained implements Callable<Integer> {
    private final Console console;
    private final What what;

    @Mixin private final StudyOptions options = new StudyOptions();
    @Mixin private final RecipeOptions recipe = new RecipeOptions(1, 512);
    @Mixin private final ModelOptions modelOptions = new ModelOptions();
    @Mixin private final OutputOptions output = new OutputOptions();

    @Option(
        names = "--more-arithmetic",
        paramLabel = "FILE",
        description = "More items to learn from where the task is mawps.")
    private @Nullable Path arithmetic;

    @Option(
        names = "--seeds",
        paramLabel = "N",
        description = "Runs of each variant, with seeds 1 to N. Default: ${DEFAULT-VALUE}.")
    private int seeds = 3;

    @Option(
        names = "--rows",
        paramLabel = "N",
        description = "Rows that each run learns from. Default: ${DEFAULT-VALUE}.")
    private int rows = 1000;

    @Option(
        names = "--test-items",
        paramLabel = "N",
        description = "Test items, drawn with a fixed seed; 0 for losses alone. Default: all.")
    private @Nullable Integer testItems;

    @Option(
        names = "--answer-tokens",
        paramLabel = "N",
        description = "Most tokens of an answer. Default: ${DEFAULT-VALUE}.")
    private int answerTokens = 32;

    @Option(
        names = "--late",
        paramLabel = "K",
        description = "Late layers; the most of a grid. Default: ${DEFAULT-VALUE}.")
    private int late = 3;

    @Option(
        names = "--lora-rank",
        paramLabel = "R",
        description = "Rank of the low-rank steps. Default: ${DEFAULT-VALUE}.")
    private int rank = 32;

    @Option(
        names = "--lora-dropout",
        paramLabel = "P",
        description = "Share of their input left out at random. Default: ${DEFAULT-VALUE}.")
    private double dropout = 0.05;

    @Option(
        names = "--distill-share",
        paramLabel = "SHARE",
        description = "Share of label tokens with distillation. Default: ${DEFAULT-VALUE}.")
    private double share = 1;

    Trained(Console console, What what) {
      this.console = console;
      this.what = what;
    }

    @Override
    public Integer call() {
      if (seeds < 1 || rows < 1) {
        throw new IllegalArgumentException("--seeds and --rows are at least 1.");
      }
      recipe.check();
      List<ReasoningTask> tasks = options.tasks();
      try (var model = LoadedModel.open(console, modelOptions);
          var progress = Progress.start(console, "studying", 0)) {
        long began = System.nanoTime();
        Result result = study(model, tasks, progress, began);
        ResultOutput.show(
            console,
            output,
            "Study: " + what + " of " + model.transformer().card().name(),
            "Refinement: " + what,
            "Every number is a run kept below %s.".formatted(options.directory().getFileName()),
            result);
      }
      return Main.DONE;
    }

    private Result study(
        LoadedModel model, List<ReasoningTask> tasks, Progress progress, long began) {
      Transformer transformer = model.transformer();
      List<Variant> variants = variants(transformer);
      SequencedMap<String, List<Run>> runs = new LinkedHashMap<>();
      for (ReasoningTask task : tasks) {
        runs.put(task.name(), study(model, task).run(variants, progress::tell));
      }
      Provenance provenance = provenance(transformer, began);
      String first = tasks.getFirst().name();
      List<Run> own = runs.getOrDefault(first, List.of());
      boolean single = what == What.routing || what == What.grid || what == What.layers;
      if (single && tasks.size() > 1 && output.json().showsText()) {
        console
            .err()
            .println("note: shown is %s; fathom figures --studies draws all.".formatted(first));
      }
      return switch (what) {
        case tables, ablations -> new AccuracyStudy(provenance, variants.get(1).name(), runs);
        case routing -> new RoutingStudy(provenance, first, own);
        case grid -> new GridStudy(provenance, first, own);
        case layers ->
            new LayerStudy(provenance, first, own.getFirst(), own.subList(1, own.size()));
      };
    }

    private Lora lora(Transformer model) {
      return Lora.standard(model).withRank(rank, 2.0 * rank).withDropout(dropout);
    }

    private List<Variant> variants(Transformer model) {
      var all = new Variants(lora(model), late, Distillation.standard().withShare(share));
      return switch (what) {
        case tables -> all.tables();
        case routing -> all.routing();
        case grid -> all.grid();
        case ablations -> all.ablations();
        case layers -> all.layers();
      };
    }

    // ---------------------------------------------------------------- data

    private Study study(LoadedModel model, ReasoningTask task) {
      var template = PromptTemplate.of("clean", model.tokenizer());
      List<Instruction> instructions = training(task, options.data());
      InstructionRows how = recipe.rows(template, model.tokenizer());
      Study.Subject.Draw draw =
          seed -> how.draw(model.tokenizer(), instructions, rows, recipe.heldOut(), seed);
      boolean asks = what != What.routing && (testItems == null || testItems > 0);
      Optional<TestSet> test = asks ? Optional.of(test(task)) : Optional.empty();
      return Study.of(
          model.transformer(),
          model.tokenizer(),
          new Study.Subject(task.name(), draw, test),
          new Study.Settings(
              LongStream.rangeClosed(1, what == What.layers ? 1 : seeds).boxed().toList(),
              count -> recipe.training(count, modelOptions).evaluatingEvery(1000),
              template,
              StopTokens.of(model),
              32,
              answerTokens),
          options.directory());
    }

    private TestSet test(ReasoningTask task) {
      TestSet whole = task.read(options.data());
      return testItems == null ? whole : whole.sample(testItems, 1);
    }

    private List<Instruction> training(ReasoningTask task, Path folder) {
      var files = new ArrayList<Path>();
      Stream.of("train.json", "trainset.json")
          .map(file -> folder.resolve(task.folder()).resolve(file))
          .filter(Files::isRegularFile)
          .forEach(files::add);
      if (arithmetic != null && task.name().equals("mawps")) {
        files.add(arithmetic);
      }
      if (files.isEmpty()) {
        throw new FathomException(
            "%s has no train.json: there is nothing to learn %s from"
                .formatted(folder.resolve(task.folder()), task.title()));
      }
      var instructions = new ArrayList<Instruction>();
      files.forEach(file -> instructions.addAll(InstructionFile.forTraining(file)));
      var tests = new ArrayList<List<Instruction>>();
      for (ReasoningTask other : ReasoningTask.ALL) {
        if (Files.isRegularFile(other.file(folder))) {
          tests.add(InstructionFile.forTesting(other.file(folder)));
        }
      }
      List<Instruction> left = LeakCheck.without(instructions, tests);
      if (left.size() < instructions.size()) {
        console
            .err()
            .printf(
                Locale.ROOT,
                "note: %s: %d of %d items are test items too and are left out.%n",
                task.title(),
                instructions.size() - left.size(),
                instructions.size());
      }
      return left;
    }

    private Provenance provenance(Transformer model, long began) {
      return Provenances.of(
          model,
          (System.nanoTime() - began) / 1e9,
          "rows",
          Integer.toString(rows),
          "epochs",
          Double.toString(recipe.epochs()),
          "batch",
          Integer.toString(recipe.batch()),
          "learning rate",
          Double.toString(recipe.rate()),
          "LoRA",
          lora(model).summary(),
          "late layers",
          Integer.toString(late),
          "distillation on a share of",
          Double.toString(share),
          "seeds",
          Integer.toString(seeds));
    }
  }
}
