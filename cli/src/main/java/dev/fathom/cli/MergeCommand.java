package dev.fathom.cli;

import dev.fathom.arch.Models;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.edit.Edit;
import dev.fathom.edit.Merge;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Writes a model with edits as an ordinary checkpoint.
@Command(
    name = "merge",
    description = "Writes a model with edits as a Hugging Face directory.",
    footer = {
      "",
      "Examples:",
      "  fathom merge -m DIR --edit fair.safetensors --out merged",
      "  fathom merge -m model.gguf --edit a.safetensors:0.5 --edit b.safetensors --out merged",
      "  fathom merge -m DIR --edit adapter --out merged    (a LoRA of PEFT)",
    })
final class MergeCommand implements Callable<Integer> {
  /// Number formats that can be written.
  enum Target {
    F32,
    F16,
    BF16
  }

  private final Console console;

  @Option(
      names = {"-m", "--model"},
      paramLabel = "M",
      description =
          "A bundled model, a Hugging Face directory, a .gguf file, or hf:owner/name[@revision]."
              + " Default: ${DEFAULT-VALUE}.")
  private String model = ModelLocation.DEFAULT;

  @Mixin private final EditOptions edits = new EditOptions();

  @Option(
      names = "--to",
      paramLabel = "TYPE",
      description = {
        "Number format of the weights: ${COMPLETION-CANDIDATES}.",
        "Default: the model's own, f32 for quantised ones.",
      })
  private @Nullable Target to;

  @Option(
      names = {"-o", "--out"},
      paramLabel = "DIR",
      required = true,
      description = "The directory to write.")
  private Path out = Path.of("");

  @Mixin private final JsonOptions output = new JsonOptions();

  MergeCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (edits.isEmpty()) {
      throw new IllegalArgumentException(
          "No edit given: --edit names one; fathom convert writes a model as it is.");
    }
    List<Edit> wanted = wanted();
    try (var checkpoint = ModelLocation.of(model).open(console);
        var bar = output.progress(console, "merging", ConvertCommand.written(checkpoint))) {
      var type = Optional.ofNullable(to).map(target -> TensorType.valueOf(target.name()));
      Merge.run(checkpoint, wanted, out, type, ConvertCommand.moving(bar))
          .forEach(note -> ConvertCommand.note(console, note));
      ConvertCommand.writeTokenizer(console, checkpoint, out);
      if (output.wantsJson()) {
        output.writeJson(
            console,
            Document.of("fathom.merge/1")
                .put("model", checkpoint.name())
                .put("edits", wanted.stream().map(Edit::title).toList())
                .put("out", out.toString())
                .text());
      }
    }
    if (output.showsText()) console.out().println(out);
    return Main.DONE;
  }

  private List<Edit> wanted() {
    List<EditOptions.Wanted> wanted = edits.read();
    boolean ready = wanted.stream().allMatch(EditOptions.Ready.class::isInstance);
    try (var checkpoint = ModelLocation.of(model).open(console);
        var base = ready ? Models.describe(checkpoint) : loaded()) {
      return EditOptions.of(base, wanted);
    }
  }

  private Transformer loaded() {
    return Models.load(ModelLocation.of(model).open(console), DType.F32);
  }
}
