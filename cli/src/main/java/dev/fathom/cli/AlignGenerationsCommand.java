package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.align.study.Generations;
import dev.fathom.align.study.Generations.Speaker;
import dev.fathom.align.study.GenerationsResult;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// What a model says before and after an edit.
@Command(
    name = "generations",
    description = "Shows what a model says before and after an edit.",
    footer = {
      "",
      "Prompts are continued with the likeliest tokens, by the model as it is, with",
      "the edit, and by a further model, such as one tuned to chat. Default: three",
      "prompts that elicit a stereotype each.",
      "",
      "Examples:",
      "  fathom align generations -m DIR --edit edit.safetensors",
      "  fathom align generations -m DIR --edit edit.safetensors --prompts p.txt \\",
      "    -n 40 --html page.html",
      "  fathom align generations -m DIR --edit edit.safetensors --beside CHAT --chat",
    })
final class AlignGenerationsCommand implements Callable<Integer> {
  private static final String EXPLANATION =
      "The same prompts, continued with the likeliest tokens before and after.";

  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();

  @Option(names = "--prompts", paramLabel = "FILE", description = "Other prompts, one a line.")
  private @Nullable Path prompts;

  @Option(
      names = "--beside",
      paramLabel = "M",
      description = "A further model to show, such as one tuned to chat; without edits.")
  private @Nullable String beside;

  @Option(names = "--chat", description = "Put the prompts of --beside through its chat template.")
  private boolean chat;

  @Option(
      names = {"-n", "--max-tokens"},
      paramLabel = "N",
      description = "Most tokens to generate. Default: ${DEFAULT-VALUE}.")
  private int maxTokens = 30;

  @Mixin private final OutputOptions output = new OutputOptions();

  AlignGenerationsCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (modelOptions.edits().isEmpty() && beside == null) {
      throw new IllegalArgumentException(
          "Nothing to compare with: give --edit, or a further model with --beside.");
    }
    if (chat && beside == null) {
      throw new IllegalArgumentException(
          "--chat is for a further model: say with --beside which one.");
    }
    if (maxTokens < 1) {
      throw new IllegalArgumentException(
          "--max-tokens %d: at least 1 is needed.".formatted(maxTokens));
    }
    output.requirePlaces();
    List<String> asked = prompts == null ? Generations.THESIS : lines(prompts);
    try (var model = LoadedModel.open(console, modelOptions)) {
      var speakers = new ArrayList<Speaker>();
      speakers.add(
          new Speaker("base", model.base(), model.tokenizer(), false, StopTokens.of(model)));
      if (!modelOptions.edits().isEmpty()) {
        speakers.add(
            new Speaker(
                "edited", model.transformer(), model.tokenizer(), false, StopTokens.of(model)));
      }
      show(beside == null ? Generations.run(speakers, asked, maxTokens) : with(speakers, asked));
    }
    return Main.DONE;
  }

  private GenerationsResult with(List<Speaker> speakers, List<String> asked) {
    String name = beside == null ? ModelLocation.DEFAULT : beside;
    try (var further = LoadedModel.open(console, name, modelOptions.compute())) {
      var all = new ArrayList<>(speakers);
      all.add(
          new Speaker(
              chat ? "beside, chat" : "beside",
              further.transformer(),
              further.tokenizer(),
              chat,
              StopTokens.of(further)));
      return Generations.run(all, asked, maxTokens);
    }
  }

  private static List<String> lines(Path file) {
    List<String> lines = InputFiles.lines(file);
    if (lines.isEmpty()) {
      throw new FathomException(file + ": no prompts in it; one a line is expected");
    }
    return lines;
  }

  private void show(GenerationsResult result) {
    ResultOutput.show(console, output, "Before and after", "Continuations", EXPLANATION, result);
  }
}
