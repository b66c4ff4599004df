package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Checkpoint;
import dev.fathom.checkpoint.GgufFile;
import dev.fathom.checkpoint.GgufVocabulary;
import dev.fathom.text.Encoding;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.TokenDisplay;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.Tokenizers;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Shows the tokens of a text.
@Command(
    name = "tokenize",
    description = "Shows the tokens of a text: ids, pieces, offsets.",
    footer = {
      "",
      "Examples:",
      "  fathom tokenize --model M \"The Eiffel Tower\"",
      "  fathom tokenize --tokenizer tokenizer.model \"The Eiffel Tower\" --json -",
      "  fathom tokenize --model M - < text.txt     a last line break is not counted",
    })
final class TokenizeCommand implements Callable<Integer> {
  private final Console console;

  @Parameters(paramLabel = "TEXT", description = "The text; - reads it from standard input.")
  private String text = "";

  @Option(
      names = {"-m", "--model"},
      paramLabel = "M",
      description = "A Hugging Face directory, a .gguf file, or hf:owner/name[@revision].")
  private @Nullable String model;

  @Option(
      names = "--tokenizer",
      paramLabel = "PATH",
      description = "A tokenizer.json or tokenizer.model, or a directory with one.")
  private @Nullable Path tokenizer;

  @Option(
      names = "--no-special",
      description = "Add no special tokens. Default: those that the tokenizer's own files ask for.")
  private boolean plain;

  @Mixin private final JsonOptions output = new JsonOptions();

  TokenizeCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws IOException {
    var with = load();
    var read = text.equals("-") ? standardInput() : text;
    var tokens = with.encode(read, plain ? SpecialTokens.NONE : SpecialTokens.AS_CONFIGURED);
    if (output.showsText()) show(with, tokens);
    if (output.wantsJson()) output.writeJson(console, json(with, read, tokens));
    return Main.DONE;
  }

  private Tokenizer load() {
    if (model != null && tokenizer != null) {
      throw new IllegalArgumentException("Give --model or --tokenizer, not both.");
    }
    var location = ModelLocation.of(model == null ? ModelLocation.DEFAULT : model);
    Path path = tokenizer != null ? tokenizer : location.resolve(console);
    if (!Files.exists(path)) throw new FathomException(path + ": there is no such file.");
    if (Files.isRegularFile(path) && GgufFile.looksLike(path)) return ofGguf(path);
    if (tokenizer != null) return Tokenizers.load(path);
    try (var checkpoint = Checkpoint.open(path)) {
      return LoadedModel.tokenizer(checkpoint)
          .orElseThrow(() ->
              new FathomException(
                  path + " has no tokenizer: expected a tokenizer.json or a tokenizer.model."));
    }
  }

  /// Only the vocabulary is read: the model may be one that cannot be loaded.
  private static Tokenizer ofGguf(Path path) {
    try (var file = GgufFile.open(path)) {
      return GgufVocabulary.read(file.fields())
          .map(Tokenizers::of)
          .orElseThrow(() -> new FathomException(path + " holds no vocabulary."));
    }
  }

  private String standardInput() throws IOException {
    var all = new StringWriter();
    console.in().transferTo(all);
    var read = all.toString();
    int end = read.length();
    if (read.endsWith("\r\n")) end -= 2;
    else if (read.endsWith("\n")) end -= 1;
    return read.substring(0, end);
  }

  private void show(Tokenizer with, Encoding tokens) {
    var table = Table.of(">#", ">id", "piece", "text", ">from", ">to");
    for (int i = 0; i < tokens.size(); i++) {
      table.add(
          i,
          tokens.id(i),
          tokens.pieces().get(i),
          "'" + TokenDisplay.of(with, tokens.id(i)) + "'",
          tokens.start(i),
          tokens.end(i));
    }
    table.print(console.out());
    console.out().printf("%d token%s%n", tokens.size(), tokens.size() == 1 ? "" : "s");
  }

  private static String json(Tokenizer with, String text, Encoding tokens) {
    var each = IntStream.range(0, tokens.size());
    return Document.of("fathom.tokenize/1")
        .put("text", text)
        .put("ids", Arrays.stream(tokens.ids()).boxed().toList())
        .put("pieces", tokens.pieces())
        .put("offsets", each.mapToObj(i -> List.of(tokens.start(i), tokens.end(i))).toList())
        .put("tokens", Arrays.stream(tokens.ids()).mapToObj(with::display).toList())
        .text();
  }
}
