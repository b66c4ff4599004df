package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.data.Instruction;
import dev.fathom.data.InstructionFile;
import dev.fathom.data.LeakCheck;
import dev.fathom.data.PromptTemplate;
import dev.fathom.evaluate.reasoning.ReasoningTask;
import dev.fathom.refine.InstructionRows;
import dev.fathom.refine.Refinement;
import dev.fathom.refine.RefinementReport;
import dev.fathom.refine.Refiner;
import dev.fathom.tensor.ProcessGroup;
import dev.fathom.train.LocalWorkers;
import dev.fathom.train.Peers;
import dev.fathom.train.Trainer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/// Tunes a model with few numbers.
@Command(
    name = "refine",
    description = "Tunes a model with few numbers: LoRA, mixed late layers, or both.",
    footer = {
      "",
      "The folder given by --out-dir keeps the run; a killed one goes on when the command is given",
      "again. At its end lora.safetensors is an edit (use it with --edit, or merge it) and",
      "mod.safetensors the mixture (--mod).",
      "",
      "DATA is a JSON array or JSON lines of objects with \"instruction\" and \"output\".",
      "",
      "Examples:",
      "  fathom refine -m DIR --data train.json --method lora --out-dir tuned",
      "  fathom refine -m DIR --data train.json --method lora+mod --late 3 --out-dir tuned --html run.html",
      "  fathom refine -m DIR --data train.json --method mod --late 4 --top-k 2 --out-dir mixed",
      "  fathom refine -m DIR --data train.json --method lora --workers 2 --out-dir tuned",
      "  fathom generate -m DIR --edit tuned/lora.safetensors \"Once upon a time\"",
    })
final class RefineCommand implements Callable<Integer> {
  private static final Duration PATIENCE = Duration.ofMinutes(10);

  private final Console console;

  @Spec private @Nullable CommandSpec spec;
  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final RefinementOptions method = new RefinementOptions();
  @Mixin private final RecipeOptions recipe = new RecipeOptions(2, 1024);
  @Mixin private final SeedOption seed = new SeedOption();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(
      names = "--data",
      required = true,
      split = ",",
      paramLabel = "FILE",
      description = "What to learn from; several with commas.")
  private List<Path> data = List.of();

  @Option(
      names = "--out-dir",
      required = true,
      paramLabel = "DIR",
      description = "Folder of the run and of what it learns.")
  private @Nullable Path directory;

  @Option(
      names = "--limit",
      paramLabel = "N",
      description = "Learn from N of the rows only, drawn with --seed.")
  private @Nullable Integer limit;

  @Option(
      names = "--template",
      paramLabel = "NAME",
      description =
          "What stands around instructions: clean, upstreamTrain, upstreamEval or chat. Default:"
              + " ${DEFAULT-VALUE}.")
  private String template = "clean";

  @Option(names = "--responses-only", description = "Learn responses, not the prompts before them.")
  private boolean responsesOnly;

  @Option(
      names = "--evaluate-every",
      paramLabel = "STEPS",
      description = "Steps between losses on held-out rows. Default: an eighth of the run.")
  private @Nullable Integer evaluateEvery;

  @Option(
      names = "--save-every",
      paramLabel = "STEPS",
      description = "Steps between saved states: what a kill can lose. Default: ${DEFAULT-VALUE}.")
  private int saveEvery = 50;

  @Option(
      names = "--tests",
      paramLabel = "DIR",
      description =
          "Folder of test sets that --data must have nothing of. Default: the folder above that of"
              + " the first file, where it holds any.")
  private @Nullable Path tests;

  /// What to do with items of test sets among the data.
  enum Leaks {
    refuse,
    drop,
    allow
  }

  @Option(
      names = "--leaks",
      paramLabel = "WHAT",
      description =
          "What to do with items of a test set among the data: ${COMPLETION-CANDIDATES}. Default:"
              + " ${DEFAULT-VALUE}.")
  private Leaks leaks = Leaks.refuse;

  @Option(
      names = "--workers",
      paramLabel = "N",
      description =
          "Processes that share each step, started on this machine. Default: ${DEFAULT-VALUE}.")
  private int workers = 1;

  @Option(
      names = "--rendezvous",
      paramLabel = "HOST:PORT",
      description =
          "Where processes on several machines meet: give it with --workers and --rank to each.")
  private @Nullable String rendezvous;

  @Option(names = "--rank", paramLabel = "R", description = "With --rendezvous: this one, from 0.")
  private @Nullable Integer rank;

  RefineCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    method.check();
    recipe.check();
    check();
    List<Instruction> instructions = checked(instructions());
    try (var model = LoadedModel.open(console, modelOptions)) {
      Refinement.Config refinement = method.config(model.transformer(), seed.seed());
      InstructionRows.Drawn rows = rows(model, instructions);
      Trainer.Config training = training(rows.learnt().size());
      var refiner = Refiner.of(model.transformer(), refinement, training);
      return together(refiner, rows, training.schedule().steps());
    }
  }

  private void check() {
    if (workers < 1 || (limit != null && limit < 1)) {
      throw new IllegalArgumentException("--workers and --limit are at least 1.");
    }
    if ((rendezvous == null) != (rank == null)) {
      throw new IllegalArgumentException(
          "--rendezvous and --rank belong together: give both, or neither.");
    }
    if (rank != null && (rank < 0 || rank >= workers)) {
      throw new IllegalArgumentException(
          "--rank is one of 0 to %d with --workers %d, not %d."
              .formatted(workers - 1, workers, rank));
    }
  }

  // ---------------------------------------------------------------- data

  private List<Instruction> instructions() {
    var instructions = new ArrayList<Instruction>();
    for (Path file : data) {
      InstructionFile.Training training = InstructionFile.training(file);
      instructions.addAll(training.items());
      if (!training.silent().isEmpty()) {
        console
            .err()
            .printf(
                Locale.ROOT,
                "note: %s: %d items have no output and are left out.%n",
                file,
                training.silent().size());
      }
    }
    return instructions;
  }

  /// The items that may be learnt.
  private List<Instruction> checked(List<Instruction> instructions) {
    var sets = new LinkedHashMap<String, List<Instruction>>();
    Path folder = tests != null ? tests : guessedTests();
    for (ReasoningTask task : ReasoningTask.ALL) {
      if (folder != null && Files.isRegularFile(task.file(folder))) {
        sets.put(task.title(), InstructionFile.forTesting(task.file(folder)));
      }
    }
    if (tests != null && sets.isEmpty()) {
      throw new FathomException(
          tests + ": holds no test set that is known, such as ARC-Easy/test.json");
    }
    for (LeakCheck.Leak leak : LeakCheck.of(instructions, sets)) {
      if (leak.leaked() > 0) {
        tell(leak);
      }
    }
    return leaks == Leaks.drop ? LeakCheck.without(instructions, sets.values()) : instructions;
  }

  private void tell(LeakCheck.Leak leak) {
    String example = leak.examples().getFirst().replaceAll("\\s+", " ");
    String sentence =
        "%d of the %d items of %s are among the data, such as \"%s\""
            .formatted(
                leak.leaked(),
                leak.items(),
                leak.set(),
                example.length() > 120 ? example.substring(0, 119) + "…" : example);
    switch (leaks) {
      case refuse ->
          throw new FathomException(
              sentence + "; leave them out with --leaks drop, or learn them with --leaks allow");
      case drop -> console.err().println("note: " + sentence + "; they are left out.");
      case allow -> console.err().println("note: " + sentence + ".");
    }
  }

  private @Nullable Path guessedTests() {
    Path parent = data.getFirst().toAbsolutePath().getParent();
    return parent == null ? null : parent.getParent();
  }

  private InstructionRows.Drawn rows(LoadedModel model, List<Instruction> instructions) {
    var whole = PromptTemplate.of(template, model.tokenizer());
    InstructionRows all = recipe.rows(whole, model.tokenizer());
    InstructionRows how = responsesOnly ? all.onResponses() : all;
    InstructionRows.Drawn drawn =
        how.draw(
            model.tokenizer(),
            instructions,
            limit == null ? Integer.MAX_VALUE : limit,
            recipe.heldOut(),
            seed.seed());
    if (drawn.fitting() < instructions.size()) {
      console
          .err()
          .printf(
              Locale.ROOT,
              "note: %d of %d items are left out: their prompts have %d tokens or more.%n",
              instructions.size() - drawn.fitting(),
              instructions.size(),
              recipe.maxTokens());
    }
    return drawn;
  }

  private Trainer.Config training(int rows) {
    Trainer.Config config = recipe.training(rows, modelOptions).savingEvery(saveEvery);
    return evaluateEvery == null ? config : config.evaluatingEvery(evaluateEvery);
  }

  // ---------------------------------------------------------------- running

  private int together(Refiner refiner, InstructionRows.Drawn rows, long steps) {
    if (workers == 1) {
      return run(refiner, rows, steps, true);
    }
    if (rendezvous != null && rank != null) {
      if (rank > 0) {
        LocalWorkers.endWithParent();
      }
      String[] place = place(rendezvous);
      try (var group =
          ProcessGroup.join(place[0], Integer.parseInt(place[1]), rank, workers, PATIENCE)) {
        return run(refiner.with(Peers.of(group)), rows, steps, rank == 0);
      }
    }
    List<String> arguments =
        spec == null ? List.of() : spec.root().commandLine().getParseResult().originalArgs();
    try (var copies = LocalWorkers.start(workers, Main.class, arguments);
        var group = copies.join(PATIENCE)) {
      return run(refiner.with(Peers.of(group)), rows, steps, true);
    }
  }

  private static String[] place(String rendezvous) {
    int colon = rendezvous.lastIndexOf(':');
    String port = rendezvous.substring(colon + 1);
    if (colon < 1 || !port.matches("[0-9]{1,5}")) {
      throw new IllegalArgumentException(
          "--rendezvous is HOST:PORT, such as 192.168.0.7:29500, not %s.".formatted(rendezvous));
    }
    return new String[] {rendezvous.substring(0, colon), port};
  }

  private int run(Refiner refiner, InstructionRows.Drawn rows, long steps, boolean first) {
    if (directory == null) {
      throw new IllegalStateException("--out-dir is required");
    }
    Refiner.Outcome outcome;
    try (var progress = first ? Progress.start(console, "learning", steps) : Progress.invisible()) {
      long[] told = {0};
      outcome =
          refiner.run(
              rows.learnt(),
              rows.heldOut(),
              directory,
              now -> {
                progress.say(living(now), now.step() - told[0]);
                told[0] = now.step();
              });
    }
    if (first) {
      show(refiner, outcome);
    }
    return Main.DONE;
  }

  private static String living(Trainer.Progress now) {
    return String.format(
        Locale.ROOT, "loss %.3f  %.0f tokens/s", now.loss(), now.tokensPerSecond());
  }

  private void show(Refiner refiner, Refiner.Outcome outcome) {
    RefinementReport report = refiner.report(outcome);
    ResultOutput.show(
        console,
        output,
        "Refined: " + report.provenance().model(),
        "Refinement",
        "Curves are means over three neighbouring steps. A late layer's own loss is that of its"
            + " stream read by the head, as the logit lens reads it.",
        report);
    if (output.json().showsText()) {
      outcome.lora().ifPresent(_ -> written(Refiner.LORA));
      outcome.mod().ifPresent(_ -> written(Refiner.MOD));
    }
  }

  private void written(String file) {
    if (directory != null) {
      console.err().println("written: " + directory.resolve(file));
    }
  }
}
