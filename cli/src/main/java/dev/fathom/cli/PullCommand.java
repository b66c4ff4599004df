package dev.fathom.cli;

import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Downloads a model from the hub.
@Command(
    name = "pull",
    description = "Brings a model from the hub into the cache that Python shares.",
    footer = {
      "",
      "Prints the directory of the snapshot. Goes on where an earlier pull ended.",
      "HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_OFFLINE count as they do in Python.",
      "",
      "Examples:",
      "  fathom pull hf:HuggingFaceTB/SmolLM2-135M-Instruct",
      "  fathom pull hf:owner/name@v1.0 --gguf Q4_K_M",
    })
final class PullCommand implements Callable<Integer> {
  private final Console console;

  @Parameters(paramLabel = "MODEL", description = "hf:owner/name, or hf:owner/name@revision.")
  private String model = "";

  @Option(
      names = "--gguf",
      paramLabel = "FILE",
      description = "Take this GGUF file, by its name or quantization, such as Q4_K_M.")
  private @Nullable String gguf;

  @Mixin private final JsonOptions output = new JsonOptions();

  PullCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    var wanted = gguf == null ? model : model + ":" + gguf;
    if (!(ModelLocation.of(wanted) instanceof ModelLocation.Hub hub)) {
      throw new IllegalArgumentException(
          "'%s' is no model on the hub: expected hf:owner/name or hf:owner/name@revision."
              .formatted(model));
    }
    var directory = ModelLocation.pull(console, ModelLocation.client(console), hub);
    if (output.showsText()) console.out().println(directory);
    if (output.wantsJson()) {
      output.writeJson(
          console,
          Document.of("fathom.pull/1")
              .put("model", hub.reference().toString())
              .put("directory", directory.toString())
              .text());
    }
    return Main.DONE;
  }
}
