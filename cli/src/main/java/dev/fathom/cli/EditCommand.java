package dev.fathom.cli;

import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.edit.EditFile;
import dev.fathom.edit.Zeroing;
import dev.fathom.model.Kind;
import dev.fathom.model.SiteAddress;
import dev.fathom.model.Slice;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Edits made by hand, for experiments and teaching.
@Command(
    name = "edit",
    description = "Makes an edit of a model by hand: takes neurons or heads out.",
    footer = {
      "",
      "Examples:",
      "  fathom edit zero-neurons --neurons mlp_act.3.n17,mlp_act.5.n2 --save edit.safetensors",
      "  fathom edit zero-heads --heads z.2.h1 --save edit.safetensors",
      "  fathom explain --edit edit.safetensors \"The capital of Italy is\"",
    })
final class EditCommand {
  private EditCommand() {}

  /// The verb with its own verbs.
  static CommandLine tree(Console console) {
    return new CommandLine(new EditCommand())
        .addSubcommand(new Neurons(console))
        .addSubcommand(new Heads(console));
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
      List<String> changes = edit.changes().stream().map(Change::summary).toList();
      if (output.showsText()) {
        changes.forEach(console.out()::println);
        console.out().println(file);
      }
      if (output.wantsJson()) {
        output.writeJson(
            console,
            Document.of("fathom.edit/1")
                .put("model", edit.card().baseName())
                .put("changes", changes)
                .put("out", file.toString())
                .text());
      }
    }
    return Main.DONE;
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
}
