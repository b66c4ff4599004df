package dev.fathom.cli;

import dev.fathom.checkpoint.Checkpoint;
import dev.fathom.checkpoint.Conversion;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.text.Tokenizers;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Writes a model in another format.
@Command(
    name = "convert",
    description = "Writes a model as GGUF, or as a Hugging Face directory.",
    footer = {
      "",
      "Examples:",
      "  fathom convert model.gguf --out directory            f32 where it was quantised",
      "  fathom convert directory --to Q8_0 --out model.gguf",
    })
final class ConvertCommand implements Callable<Integer> {
  /// Number formats that can be written.
  enum Target {
    F32,
    F16,
    BF16,
    Q8_0
  }

  private final Console console;

  @Parameters(
      arity = "0..1",
      paramLabel = "MODEL",
      description = "A Hugging Face directory, a .gguf file, or hf:owner/name[@revision].")
  private @Nullable String source;

  @Option(
      names = {"-m", "--model"},
      paramLabel = "M",
      description = "The same as MODEL.")
  private @Nullable String model;

  @Option(
      names = "--to",
      paramLabel = "TYPE",
      description = {
        "Number format of the weights: ${COMPLETION-CANDIDATES}; Q8_0 only in GGUF.",
        "Default: the model's own, f32 for quantised ones.",
      })
  private @Nullable Target to;

  @Option(
      names = {"-o", "--out"},
      paramLabel = "PATH",
      required = true,
      description = "A name that ends in .gguf makes a GGUF file, any other a directory.")
  private Path out = Path.of("");

  @Mixin private final JsonOptions output = new JsonOptions();

  ConvertCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if ((source == null) == (model == null)) {
      throw new IllegalArgumentException(
          source == null ? "No model given: MODEL names it." : "Give MODEL or --model, not both.");
    }
    var from = ModelLocation.of(String.valueOf(source == null ? model : source)).resolve(console);
    boolean gguf = out.toString().toLowerCase(Locale.ROOT).endsWith(".gguf");
    if (!gguf && to == Target.Q8_0) {
      throw new IllegalArgumentException(
          "Q8_0 exists only in GGUF files: let --out end in .gguf, or choose F32, F16 or BF16.");
    }
    try (var checkpoint = Checkpoint.open(from);
        var progress = output.progress(console, "converting", written(checkpoint))) {
      var told = moving(progress);
      var type = Optional.ofNullable(to).map(target -> TensorType.valueOf(target.name()));
      if (gguf) {
        var chosen = type.orElseGet(() -> usual(checkpoint));
        Conversion.toGguf(checkpoint, out, chosen, Map.of(), told);
        if (checkpoint.vocabulary().isEmpty()) {
          note(
              console,
              "The .gguf file holds no vocabulary: only one that came from a .gguf file is kept.");
        }
      } else {
        Conversion.toSafetensors(checkpoint, out, type, told);
        writeTokenizer(console, checkpoint, out);
      }
    }
    if (output.showsText()) console.out().println(out);
    if (output.wantsJson()) {
      output.writeJson(
          console,
          Document.of("fathom.convert/1")
              .put("model", from.toString())
              .put("out", out.toString())
              .put("kind", gguf ? "gguf" : "safetensors")
              .put("type", Optional.ofNullable(to).map(Target::name))
              .text());
    }
    return Main.DONE;
  }

  /// Writes the tokenizer that lies inside a GGUF file as files of its own.
  static void writeTokenizer(Console console, Checkpoint checkpoint, Path directory) {
    if (checkpoint.vocabulary().isEmpty()) return;
    var files = Tokenizers.files(checkpoint.vocabulary().get());
    files.forEach((name, text) -> AtomicFile.writeText(directory.resolve(name), text));
    if (files.isEmpty()) {
      note(
          console,
          "No tokenizer was written: put the model's tokenizer.model or tokenizer.json beside it.");
    }
  }

  static void note(Console console, String sentence) {
    console.err().println("note: " + sentence);
    console.err().flush();
  }

  /// Moves a bar along as tensors are written.
  static Conversion.Progress moving(Progress bar) {
    return new Conversion.Progress() {
      private long before;

      @Override
      public void at(String tensor, long done, long total) {
        bar.advance(done - before);
        before = done;
      }
    };
  }

  static long written(Checkpoint checkpoint) {
    return checkpoint.tensors().values().stream().mapToLong(TensorInfo::bytes).sum();
  }

  /// The type that most of the weights have.
  private static TensorType usual(Checkpoint checkpoint) {
    return checkpoint.tensors().values().stream()
        .filter(info -> info.type() != TensorType.F64 && info.type().floating())
        .collect(
            Collectors.groupingBy(TensorInfo::type, Collectors.summingLong(TensorInfo::elements)))
        .entrySet()
        .stream()
        .max(Map.Entry.comparingByValue())
        .map(Map.Entry::getKey)
        .orElse(TensorType.F32);
  }
}
