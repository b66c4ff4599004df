package dev.fathom.cli;

import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.edit.EditFile;
import dev.fathom.edit.PeftDirectory;
import dev.fathom.edit.Zeroing;
import dev.fathom.model.Kind;
import dev.fathom.model.SiteAddress;
import dev.fathom.model.Slice;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Edits made by hand, for experiments and teaching, and from and to LoRA adapters of PEFT.
@Command(
    name = "edit",
    description = "Makes edits by hand, and from and to LoRA adapters of PEFT.",
    footer = {
      "",
      "Examples:",
      "  fathom edit zero-neurons --neurons mlp_act.3.n17,mlp_act.5.n2 --save edit.safetensors",
      "  fathom edit zero-heads --heads z.2.h1 --save edit.safetensors",
      "  fathom edit import adapter -m DIR --save edit.safetensors",
      "  fathom edit export edit.safetensors -m DIR --out adapter",
      "  fathom explain --edit edit.safetensors \"The capital of Italy is\"",
    })
final class EditCommand {
  private EditCommand() {}

  /// The verb with its own verbs.
  static CommandLine tree(Console console) {
    return new CommandLine(new EditCommand())
        .addSubcommand(new Neurons(console))
        .addSubcommand(new Heads(console))
        .addSubcommand(new Import(console))
        .addSubcommand(new Export(console));
  }

  private static final class Saving {
    @Option(
        names = "--save",
        paramLabel = "FILE.safetensors",
        required = true,
        description = "The edit to write, for --edit and merge.")
    private Path file = Path.of("");
  }

  /// Makes the edit, writes it, and says what it is.
  private static int make(
      Console console,
      ModelOptions options,
      JsonOptions output,
      Path file,
      Kind kind,
      String units) {
    try (var model = LoadedModel.open(console, options)) {
      List<Slice> slices = SiteAddress.slices(units, model.transformer());
      for (Slice slice : slices) {
        if (slice.site().kind() != kind) {
          throw new IllegalArgumentException(
              "%s is not at %s: name units such as %s"
                  .formatted(
                      slice.site(), kind.text(), kind == Kind.Z ? "z.2.h1" : "mlp_act.3.n17"));
        }
      }
      Edit edit = Zeroing.of(model.transformer(), slices);
      EditFile.write(file, edit);
      show(console, output, edit.card().baseName(), List.of(edit), file);
    }
    return Main.DONE;
  }

  /// Says what edits change and where they are now.
  private static void show(
      Console console, JsonOptions output, String model, List<Edit> edits, Path out) {
    List<String> changes =
        edits.stream().flatMap(edit -> edit.changes().stream()).map(Change::summary).toList();
    if (output.showsText()) {
      changes.forEach(console.out()::println);
      console.out().println(out);
    }
    if (output.wantsJson()) {
      output.writeJson(
          console,
          Document.of("fathom.edit/1")
              .put("model", model)
              .put("changes", changes)
              .put("out", out.toString())
              .text());
    }
  }

  /// Takes neurons out.
  @Command(
      name = "zero-neurons",
      description = "Zeroes the value vectors of MLP neurons, so that they write nothing.",
      footer = {
        "",
        "Examples:",
        "  fathom edit zero-neurons --neurons mlp_act.3.n17,mlp_act.5.n2 --save edit.safetensors",
      })
  static final class Neurons implements Callable<Integer> {
    private final Console console;

    @Option(
        names = "--neurons",
        paramLabel = "SITES",
        required = true,
        description = "The neurons, such as mlp_act.3.n17,mlp_act.5.n2.")
    private String neurons = "";

    @Mixin private final Saving saving = new Saving();
    @Mixin private final ModelOptions modelOptions = new ModelOptions();
    @Mixin private final JsonOptions output = new JsonOptions();

    Neurons(Console console) {
      this.console = console;
    }

    @Override
    public Integer call() {
      return make(console, modelOptions, output, saving.file, Kind.MLP_ACT, neurons);
    }
  }

  /// Takes heads out.
  @Command(
      name = "zero-heads",
      description = "Zeroes what attention heads write.",
      footer = {
        "",
        "Examples:",
        "  fathom edit zero-heads --heads z.2.h1 --save edit.safetensors",
      })
  static final class Heads implements Callable<Integer> {
    private final Console console;

    @Option(
        names = "--heads",
        paramLabel = "SITES",
        required = true,
        description = "The heads, such as z.2.h1,z.3.h0.")
    private String heads = "";

    @Mixin private final Saving saving = new Saving();
    @Mixin private final ModelOptions modelOptions = new ModelOptions();
    @Mixin private final JsonOptions output = new JsonOptions();

    Heads(Console console) {
      this.console = console;
    }

    @Override
    public Integer call() {
      return make(console, modelOptions, output, saving.file, Kind.Z, heads);
    }
  }

  /// Reads a LoRA.
  @Command(
      name = "import",
      description = "Reads a LoRA adapter of the Python package PEFT and writes it as an edit.",
      footer = {
        "",
        "Examples:",
        "  fathom edit import adapter -m DIR --save edit.safetensors",
      })
  static final class Import implements Callable<Integer> {
    private final Console console;

    @Parameters(
        paramLabel = "PEFT_DIR",
        description = "The directory with adapter_config.json and adapter_model.safetensors.")
    private Path directory = Path.of("");

    @Mixin private final Saving saving = new Saving();
    @Mixin private final ModelOptions modelOptions = new ModelOptions();
    @Mixin private final JsonOptions output = new JsonOptions();

    Import(Console console) {
      this.console = console;
    }

    @Override
    public Integer call() {
      try (var model = LoadedModel.open(console, modelOptions)) {
        Edit edit = PeftDirectory.read(directory, model.transformer());
        EditFile.write(saving.file, edit);
        show(console, output, edit.card().baseName(), List.of(edit), saving.file);
      }
      return Main.DONE;
    }
  }

  /// Writes a LoRA.
  @Command(
      name = "export",
      description = {
        "Writes edits as one LoRA adapter, which the Python package PEFT loads.",
        "They must be low-rank steps: fathom merge writes any edit into a checkpoint.",
      },
      footer = {
        "",
        "Examples:",
        "  fathom edit export edit.safetensors -m DIR --out adapter",
        "  fathom edit export a.safetensors:0.5 b.safetensors -m DIR --out adapter",
      })
  static final class Export implements Callable<Integer> {
    private final Console console;

    @Parameters(
        arity = "1..*",
        paramLabel = "FILE[:SCALE]",
        description = "The edits, each as far as SCALE says, 1 if it says nothing.")
    private List<String> files = new ArrayList<>();

    @Option(
        names = {"-o", "--out"},
        paramLabel = "DIR",
        required = true,
        description = "The directory to write.")
    private Path out = Path.of("");

    @Mixin private final ModelOptions modelOptions = new ModelOptions();
    @Mixin private final JsonOptions output = new JsonOptions();

    Export(Console console) {
      this.console = console;
    }

    @Override
    public Integer call() {
      List<EditOptions.Wanted> wanted = EditOptions.read(files);
      try (var model = LoadedModel.open(console, modelOptions)) {
        List<Edit> edits = EditOptions.of(model.transformer(), wanted);
        PeftDirectory.write(edits, model.transformer(), out);
        show(console, output, model.transformer().card().name(), edits, out);
      }
      return Main.DONE;
    }
  }
}
