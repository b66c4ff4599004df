package dev.fathom.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.fathom.data.Prompt;
import dev.fathom.explain.lens.Dola;
import dev.fathom.explain.lens.DolaResult;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generation;
import dev.fathom.model.Generator;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Streaming;
import dev.fathom.render.Terminal;
import dev.fathom.view.View;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Lets a model continue texts.
@Command(
    name = "generate",
    description = "Lets a model continue a text.",
    footer = {
      "",
      "Examples:",
      "  fathom generate -m model.gguf \"The Eiffel Tower is in\" -n 20",
      "  fathom generate -m DIR --chat \"Why is the sky blue?\" --temperature 0.7 --top-p 0.9",
      "  fathom generate -m DIR \"Once upon a time\" -n 5000 --ignore-eos --recent 512",
      "  fathom generate -m DIR --prompts prompts.jsonl --json texts.json",
      "  fathom generate -m DIR \"The capital of Peru is\" --dola low --repetition-penalty 1.2",
      "  fathom generate -m DIR --edit lora.safetensors --mod mod.safetensors --prompts q.jsonl",
    })
final class GenerateCommand implements Callable<Integer> {
  /// Prompts that are continued together.
  private static final int BATCH = 16;

  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final PromptOptions promptOptions = new PromptOptions();
  @Mixin private final DecodingOptions decodingOptions = new DecodingOptions();
  @Mixin private final DolaOptions dolaOptions = new DolaOptions();
  @Mixin private final MixtureOptions mixtureOptions = new MixtureOptions();
  @Mixin private final JsonOptions output = new JsonOptions();

  @Option(
      names = "--beams",
      paramLabel = "N",
      description = "Search for the likeliest text along N beams. Default: ${DEFAULT-VALUE}.")
  private int beams = 1;

  @Option(
      names = "--length-penalty",
      paramLabel = "X",
      description = "With --beams: above 0 favours longer texts. Default: ${DEFAULT-VALUE}.")
  private double lengthPenalty = 1;

  @Option(
      names = "--sinks",
      paramLabel = "N",
      description =
          "With --recent: also keep the first N tokens, where models park attention. Default: 4.")
  private @Nullable Integer sinks;

  @Option(
      names = "--recent",
      paramLabel = "N",
      description =
          "Remember only the last N tokens and the first few (--sinks): text of any length with"
              + " constant memory (StreamingLLM).")
  private @Nullable Integer recent;

  GenerateCommand(Console console) {
    this.console = console;
  }

  /// A prompt and what the user calls it.
  private record Named(String id, Prompt prompt) {}

  /// One text, as JSON has it.
  ///
  /// @param prematureLayers with `--dola`, what each token was contrasted with
  private record Text(
      String id,
      String prompt,
      List<Integer> promptIds,
      String text,
      List<Integer> ids,
      String stop,
      @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Integer> prematureLayers) {}

  /// The result, as JSON has it.
  private record Document(String model, List<Text> texts, double seconds, double tokensPerSecond) {}

  @Override
  public Integer call() {
    decodingOptions.decoding(Set.of()).withBeams(beams, lengthPenalty); // refuse early
    if (sinks != null && recent == null) {
      throw new IllegalArgumentException(
          "--sinks keeps first tokens beside the last ones: say with --recent how many of those.");
    }
    dolaOptions.check();
    mixtureOptions.check();
    if (mixtureOptions.given() && recent != null) {
      throw new IllegalArgumentException("Give either --mod or --recent, not both.");
    }
    var source = promptOptions.source(console);
    try (var model = LoadedModel.open(console, modelOptions);
        var tuned = mixtureOptions.open(model.transformer())) {
      Decoding decoding =
          decodingOptions.decoding(StopTokens.of(model)).withBeams(beams, lengthPenalty);
      Optional<Dola> dola = dolaOptions.of(model.transformer());
      if (dola.isPresent() && recent != null) {
        throw new IllegalArgumentException("Give either --dola or --recent, not both.");
      }
      if (dola.isPresent() && mixtureOptions.given()) {
        throw new IllegalArgumentException("Give either --dola or --mod, not both.");
      }
      LanguageModel speaker =
          recent != null
              ? Streaming.of(model.transformer(), sinks == null ? 4 : sinks, recent)
              : dola.isPresent() ? dola.get() : tuned.speaker();
      var generator = Generator.of(speaker, model.tokenizer());
      List<Named> prompts = prompts(model, source);
      long started = System.nanoTime();
      List<Generation> texts =
          source instanceof PromptOptions.Source.Text
              ? List.of(one(generator, prompts.getFirst().prompt, decoding))
              : many(generator, prompts, decoding);
      double seconds = (System.nanoTime() - started) / 1e9;
      long tokens = texts.stream().mapToLong(text -> text.tokens().size()).sum();
      List<DolaResult> contrasts =
          dola.isPresent() ? contrasts(dola.get(), model, texts) : List.of();
      if (output.showsText() && dolaOptions.shown()) {
        show(prompts, contrasts);
      }
      if (output.wantsJson()) {
        output.writeJson(
            console, json(speaker.card().name(), prompts, texts, contrasts, seconds, tokens));
      }
      if (output.showsText()) {
        console.err().println(speed(tokens, seconds));
      }
    }
    return Main.DONE;
  }

  static String speed(long tokens, double seconds) {
    return String.format(
        Locale.ROOT, "%d tokens in %.1f s, %.1f tokens/s", tokens, seconds, tokens / seconds);
  }

  private List<Named> prompts(LoadedModel model, PromptOptions.Source source) {
    return switch (source) {
      case PromptOptions.Source.Text(String text) -> List.of(new Named("1", prompt(model, text)));
      case PromptOptions.Source.Lines(Path file) -> lines(model, file);
    };
  }

  private Prompt prompt(LoadedModel model, String text) {
    return recent == null ? model.prompt(text, promptOptions) : model.text(text, promptOptions);
  }

  private List<Named> lines(LoadedModel model, Path file) {
    var prompts = new ArrayList<Named>();
    try (var reader = Files.newBufferedReader(file)) {
      int number = 0;
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        number++;
        if (!line.isBlank()) prompts.add(named(model, file, number, line));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    if (prompts.isEmpty()) throw new IllegalArgumentException(file + " has no prompts.");
    return prompts;
  }

  private Named named(LoadedModel model, Path file, int number, String line) {
    try {
      JsonNode node = JsonMapper.shared().readTree(line);
      if (!node.path("prompt").isString()) {
        throw new IllegalArgumentException(
            "%s line %d has no \"prompt\": each line is {\"id\": …, \"prompt\": \"…\"}."
                .formatted(file, number));
      }
      return new Named(
          node.path("id").asString(Integer.toString(number)),
          prompt(model, node.path("prompt").asString()));
    } catch (JacksonException e) {
      throw new IllegalArgumentException(
          "%s line %d is not JSON: %s".formatted(file, number, e.getOriginalMessage()), e);
    }
  }

  /// Shown as it comes.
  private Generation one(Generator generator, Prompt prompt, Decoding decoding) {
    boolean shows = output.showsText();
    Generator.Listener listener =
        (_, text) -> {
          if (shows) {
            console.out().print(text);
            console.out().flush();
          }
        };
    Generation result = generator.run(List.of(prompt.ids()), decoding, listener).getFirst();
    if (shows) console.out().println();
    return result;
  }

  /// Shown when each batch is done.
  private List<Generation> many(Generator generator, List<Named> prompts, Decoding decoding) {
    var texts = new ArrayList<Generation>();
    try (var progress = output.progress(console, "generating", prompts.size())) {
      for (int from = 0; from < prompts.size(); from += BATCH) {
        var batch = prompts.subList(from, Math.min(prompts.size(), from + BATCH));
        texts.addAll(
            generator.run(
                batch.stream().map(named -> named.prompt.ids()).toList(),
                decoding,
                Generator.Listener.NONE));
        progress.advance(batch.size());
      }
    }
    if (output.showsText()) {
      for (int i = 0; i < texts.size(); i++) {
        console.out().println("[" + prompts.get(i).id + "] " + texts.get(i).text());
      }
    }
    return texts;
  }

  /// What each text's tokens were contrasted with.
  private static List<DolaResult> contrasts(Dola dola, LoadedModel model, List<Generation> texts) {
    return texts.stream()
        .map(text -> {
          int[] ids =
              Stream.concat(text.prompt().stream(), text.tokens().stream())
                  .mapToInt(Integer::intValue)
                  .toArray();
          return dola.trace(
              model.tokenizer(), Prompt.ofIds(model.tokenizer(), ids), text.prompt().size());
        })
        .toList();
  }

  private void show(List<Named> prompts, List<DolaResult> contrasts) {
    for (int i = 0; i < contrasts.size(); i++) {
      if (contrasts.size() > 1) console.out().println("[" + prompts.get(i).id + "]");
      for (View view : contrasts.get(i).views()) {
        console.out().println(Terminal.render(view, TerminalStyles.of(console)));
      }
    }
  }

  private static List<Integer> layers(DolaResult contrast) {
    return Arrays.stream(contrast.layers().integers()).mapToObj(Math::toIntExact).toList();
  }

  private static String json(
      String model,
      List<Named> prompts,
      List<Generation> texts,
      List<DolaResult> contrasts,
      double seconds,
      long tokens) {
    var rows = new ArrayList<Text>();
    for (int i = 0; i < texts.size(); i++) {
      Generation text = texts.get(i);
      rows.add(
          new Text(
              prompts.get(i).id,
              prompts.get(i).prompt.text(),
              text.prompt(),
              text.text(),
              text.tokens(),
              text.stop().name().toLowerCase(Locale.ROOT),
              contrasts.isEmpty() ? List.of() : layers(contrasts.get(i))));
    }
    return JsonMapper.shared()
        .writerWithDefaultPrettyPrinter()
        .writeValueAsString(new Document(model, rows, seconds, tokens / seconds));
  }
}
