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
import dev.fathom.refine.Mod;
import dev.fathom.refine.Refinement;
import dev.fathom.refine.Refiner;
import dev.fathom.refine.study.AccuracyStudy;
import dev.fathom.refine.study.GridStudy;
import dev.fathom.refine.study.LayerStudy;
import dev.fathom.refine.study.RoutingStudy;
import dev.fathom.refine.study.Study;
import dev.fathom.refine.study.Study.Run;
import dev.fathom.refine.study.Study.Variant;
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
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Trains many variants of a model and compares them.
@Command(
    name = "study",
    description = "Trains many refined variants of a model and compares them.",
    footer = {
      "",
      "WHAT is one of:",
      "  tables     LoRA below the late layers or everywhere, with and without the mixture",
      "  routing    what the router comes to trust, with and without LoRA on the late layers",
      "  grid       k late layers by K routes that count, the mixture alone",
      "  ablations  the mixture without its norms, its distillation, its router",
      "  layers     each late layer tuned on its own, and watched while the last one is",
      "",
      "DATA is a folder with the sets of LLM-Adapters (ARC-Easy/train.json and so on). Test items",
      "among the training items are left out. A killed study goes on when the command is given again;",
      "studies in one folder share the trainings they have in common.",
      "",
      "Examples:",
      "  fathom study tables -m DIR --data DATA --tasks arc-e,obqa --out-dir studies --html tables.html",
      "  fathom study grid -m DIR --data DATA --tasks arc-e --rows 500 --late 4 --out-dir studies",
    })
final class StudyCommand implements Callable<Integer> {
  /// What is studied.
  enum What {
    tables,
    routing,
    grid,
    ablations,
    layers
  }

  private final Console console;

  @Parameters(arity = "1", paramLabel = "WHAT", description = "${COMPLETION-CANDIDATES}.")
  private @Nullable What what;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(
      names = "--data",
      required = true,
      paramLabel = "DIR",
      description = "Folder of the data sets.")
  private @Nullable Path data;

  @Option(
      names = "--tasks",
      split = ",",
      paramLabel = "TASK",
      description = "Sets to learn and be tested on. Default: arc-e.")
  private List<String> tasks = List.of("arc-e");

  @Option(
      names = "--more-arithmetic",
      paramLabel = "FILE",
      description = "More items to learn from where the task is mawps.")
  private @Nullable Path arithmetic;

  @Option(
      names = "--out-dir",
      required = true,
      paramLabel = "DIR",
      description = "Folder of all trainings and answers.")
  private @Nullable Path directory;

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
      names = "--epochs",
      paramLabel = "X",
      description = "Times each row is learnt. Default: ${DEFAULT-VALUE}.")
  private double epochs = 1;

  @Option(
      names = "--batch",
      paramLabel = "ROWS",
      description = "Rows of a step. Default: ${DEFAULT-VALUE}.")
  private int batch = 16;

  @Option(
      names = "--rate",
      paramLabel = "X",
      description = "Highest learning rate. Default: ${DEFAULT-VALUE}.")
  private double rate = 3e-4;

  @Option(
      names = "--max-tokens",
      paramLabel = "N",
      description = "Longer rows are cut. Default: ${DEFAULT-VALUE}.")
  private int maxTokens = 256;

  @Option(
      names = "--answer-tokens",
      paramLabel = "N",
      description = "Most tokens of an answer. Default: ${DEFAULT-VALUE}.")
  private int answerTokens = 32;

  @Option(
      names = "--held-out",
      paramLabel = "N",
      description = "Rows that are only evaluated. Default: ${DEFAULT-VALUE}.")
  private int heldOut = 32;

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

  StudyCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (what == null || data == null || directory == null || seeds < 1 || rows < 1) {
      throw new IllegalArgumentException("--seeds and --rows are at least 1.");
    }
    try (var model = LoadedModel.open(console, modelOptions);
        var progress = Progress.start(console, "studying", 0)) {
      long began = System.nanoTime();
      Result result = study(model, what, progress, began);
      ResultOutput.show(
          console,
          output,
          "Study: " + what + " of " + model.transformer().card().name(),
          "Refinement: " + what,
          "Every number is a run kept below %s.".formatted(directory.getFileName()),
          result);
    }
    return Main.DONE;
  }

  private Result study(LoadedModel model, What which, Progress progress, long began) {
    Transformer transformer = model.transformer();
    SequencedMap<String, List<Run>> runs = new LinkedHashMap<>();
    for (String task : tasks) {
      runs.put(task, study(model, task, which).run(variants(transformer, which), progress::tell));
    }
    Provenance provenance = provenance(transformer, began);
    String first = tasks.getFirst();
    List<Run> own = runs.getOrDefault(first, List.of());
    return switch (which) {
      case tables, ablations ->
          new AccuracyStudy(provenance, variants(transformer, which).get(1), runs);
      case routing -> new RoutingStudy(provenance, first, own);
      case grid -> new GridStudy(provenance, first, own);
      case layers -> new LayerStudy(provenance, first, own.getFirst(), own.subList(1, own.size()));
    };
  }

  // ---------------------------------------------------------------- variants

  private List<Variant> variants(Transformer model, What which) {
    return switch (which) {
      case tables -> Stream.concat(Stream.of(Variant.BASE), four(model).stream()).toList();
      case routing -> four(model).stream().filter(v -> v.name().endsWith("_mod")).toList();
      case grid -> grid();
      case ablations -> ablations(model);
      case layers -> layers(model);
    };
  }

  private Lora lora(Transformer model) {
    return Lora.standard(model).withRank(rank, 2.0 * rank).withDropout(dropout);
  }

  private Distillation distillation() {
    return Distillation.standard().withShare(share);
  }

  private List<Variant> four(Transformer model) {
    Lora all = lora(model);
    Lora below = all.onLayers(0, model.layers() - late);
    Mod.Config mod = Mod.Config.dense(late);
    return List.of(
        Variant.of("lora_below", "LoRA below", steps(below)),
        Variant.of("lora_below_mod", "LoRA below + mixture", mixed(List.of(below), mod)),
        Variant.of("lora_all", "LoRA everywhere", steps(all)),
        Variant.of("lora_all_mod", "LoRA everywhere + mixture", mixed(List.of(all), mod)));
  }

  private Refinement.Config steps(Lora lora) {
    return Refinement.Config.of(List.of(lora)).watching(late, 1.0 / 32);
  }

  private Refinement.Config mixed(List<Lora> loras, Mod.Config mod) {
    return Refinement.Config.of(loras, mod).with(distillation());
  }

  private List<Variant> grid() {
    var variants = new ArrayList<Variant>();
    for (int k = 1; k <= late; k++) {
      for (int top = 1; top <= k; top++) {
        variants.add(
            Variant.of(
                "mod_k%d_top%d".formatted(k, top),
                "k = %d, K = %d".formatted(k, top),
                mixed(List.of(), Mod.Config.dense(k).withTopK(top))));
      }
    }
    return variants;
  }

  private List<Variant> ablations(Transformer model) {
    Lora below = lora(model).onLayers(0, model.layers() - late);
    Mod.Config mod = Mod.Config.dense(late);
    List<Lora> loras = List.of(below);
    return List.of(
        Variant.BASE,
        Variant.of("lora_below_mod", "LoRA below + mixture", mixed(loras, mod)),
        Variant.of("no_norms", "without norms of its own", mixed(loras, mod.withOwnNorms(false))),
        Variant.of(
            "no_distillation", "without distillation", mixed(loras, mod).with(Distillation.none())),
        Variant.of("uniform", "without a router", mixed(loras, mod.withUniform(true))),
        Variant.of(
            "normed_router",
            "router reads a normed stream",
            mixed(loras, mod.withNormRouterInput(true))),
        Variant.of(
            "teacher_first",
            "KL the other way",
            mixed(loras, mod).with(distillation().with(Distillation.Divergence.TEACHER_FIRST))));
  }

  /// The run that watches, then one for each late layer.
  private List<Variant> layers(Transformer model) {
    var variants = new ArrayList<Variant>();
    variants.add(
        Variant.of(
            "implicit",
            "layer " + (model.layers() - 1),
            Refinement.Config.of(List.of(lora(model))).watching(late, 0.25)));
    for (int layer = model.layers() - late; layer < model.layers(); layer++) {
      variants.add(
          Variant.of(
                  "explicit_layer%d".formatted(layer),
                  "layer " + layer,
                  Refinement.Config.of(List.of(lora(model).onLayers(0, layer + 1))).watching(1, 0))
              .endingAfter(layer + 1));
    }
    return variants;
  }

  // ---------------------------------------------------------------- data

  private Study study(LoadedModel model, String name, What which) {
    if (data == null || directory == null) {
      throw new IllegalStateException("--data and --out-dir are required");
    }
    ReasoningTask task = ReasoningTask.named(name);
    var template = PromptTemplate.of("clean", model.tokenizer());
    List<Instruction> instructions = training(task, data);
    var how = InstructionRows.standard(template, model.tokenizer()).withMaxTokens(maxTokens);
    Study.Subject.Draw draw =
        seed -> how.draw(model.tokenizer(), instructions, rows, heldOut, seed);
    boolean asks = which != What.routing && (testItems == null || testItems > 0);
    Optional<TestSet> test = asks ? Optional.of(test(task, data)) : Optional.empty();
    return Study.of(
        model.transformer(),
        model.tokenizer(),
        new Study.Subject(name, draw, test),
        new Study.Settings(
            LongStream.rangeClosed(1, which == What.layers ? 1 : seeds).boxed().toList(),
            count ->
                Refiner.training(count, epochs, batch, rate)
                    .withPieces(512)
                    .withWorkers(
                        modelOptions.threads().orElse(Runtime.getRuntime().availableProcessors()))
                    .evaluatingEvery(1000),
            template,
            StopTokens.of(model),
            32,
            answerTokens),
        directory);
  }

  private TestSet test(ReasoningTask task, Path folder) {
    TestSet whole = task.read(folder);
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
        Double.toString(epochs),
        "batch",
        Integer.toString(batch),
        "learning rate",
        Double.toString(rate),
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
