package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.data.Prompt;
import dev.fathom.data.PromptFile;
import dev.fathom.data.Target;
import dev.fathom.data.TokenSpan;
import dev.fathom.explain.Predictions;
import dev.fathom.explain.Question;
import dev.fathom.explain.causal.PromptSet;
import dev.fathom.explain.lens.LensStatistics;
import dev.fathom.explain.lens.LogitLens;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// One prompt, what is asked about it, and where it is read.
final class ReadingOptions {
  @Mixin private final PromptOptions prompt = new PromptOptions();

  @Option(
      names = {"-t", "--target"},
      paramLabel = "TEXT",
      description =
          "The next token to follow (a class of a classifier). Default: the model's own first choice.")
  private @Nullable String target;

  PromptOptions promptOptions() {
    return prompt;
  }

  /// The one prompt the user gave.
  ///
  /// @throws IllegalArgumentException if there is none, or a file of them
  Prompt prompt(LoadedModel model, Console console) {
    return switch (prompt.source(console)) {
      case PromptOptions.Source.Text(String text) -> model.prompt(text, prompt);
      case PromptOptions.Source.Lines(var file) ->
          throw new IllegalArgumentException(
              "This command reads one prompt; --prompts " + file + " is for others, such as lens.");
    };
  }

  /// The lens settings that these options mean for a prompt: decoders are read after the last
  /// token, masked models at their mask, classifiers at the first token.
  LogitLens.Config lens(LoadedModel model, Prompt prompt) {
    var config =
        LogitLens.Config.standard()
            .at(this.prompt.position().orElseGet(() -> usual(model, prompt)));
    return target == null ? config : config.withTarget(targetId(model, prompt, target));
  }

  /// What these options ask about a prompt; without a target, about the model's own first choice.
  Question question(LoadedModel model, Prompt prompt) {
    int at = position(model, prompt);
    int id =
        target == null
            ? Predictions.best(model.transformer(), prompt.ids(), at)
            : targetId(model, prompt, target);
    return Question.of(prompt, id).at(at);
  }

  /// The target's tokens after its first; none of classes and of masked models.
  List<Integer> furtherTokens(LoadedModel model, Prompt prompt) {
    var card = model.transformer().card();
    if (target == null || !card.causal() || !card.labels().isEmpty()) {
      return List.of();
    }
    List<Integer> ids = Target.of(model.tokenizer(), prompt, target).ids();
    return ids.subList(1, ids.size());
  }

  /// Where these options read a prompt, from 0.
  ///
  /// @throws IllegalArgumentException if it has no such token
  int position(LoadedModel model, Prompt prompt) {
    int position = this.prompt.position().orElseGet(() -> usual(model, prompt));
    int at = position < 0 ? prompt.length() + position : position;
    if (at < 0 || at >= prompt.length()) {
      throw new IllegalArgumentException(
          "Position %d is not in the prompt, which has tokens 0 to %d."
              .formatted(position, prompt.length() - 1));
    }
    return at;
  }

  /// What these options ask about a line of a file of prompts. Its own target comes before that of
  /// the command line; what was done to texts is not said, there are too many.
  ///
  /// @throws FathomException if the line's prompt is empty or too long, or the target is none
  LensStatistics.Item item(LoadedModel model, Path file, PromptFile.Line line) {
    try {
      var card = model.transformer().card();
      var options = new Prompt.Options(prompt.chat(), prompt.system(), prompt.bos(), card.causal());
      Prompt read =
          Prompt.of(model.tokenizer(), line.prompt(), options).requireFits(card.context(), 0);
      Optional<String> asked = line.target().or(() -> Optional.ofNullable(target));
      return new LensStatistics.Item(
          line.id().map(id -> line.number() + ":" + id).orElse(Integer.toString(line.number())),
          read,
          asked.isEmpty()
              ? OptionalInt.empty()
              : OptionalInt.of(silentTargetId(model, read, asked.get())),
          position(model, read));
    } catch (IllegalArgumentException e) {
      throw new FathomException(
          "%s, line %d: %s".formatted(file, line.number(), e.getMessage()), e);
    }
  }

  /// As [#item] for methods that average over prompts, with the line's foil and subject.
  ///
  /// @param foil of the command line, for lines without one
  /// @throws FathomException if the line's prompt is empty or too long, its target or foil is none,
  ///   or its subject is not in it
  PromptSet.Item setItem(
      LoadedModel model, Path file, PromptFile.Line line, Optional<String> foil) {
    var read = item(model, file, line);
    try {
      Optional<String> other = line.foil().or(() -> foil);
      return new PromptSet.Item(
          read.key(),
          read.prompt(),
          read.target(),
          other.isEmpty()
              ? OptionalInt.empty()
              : OptionalInt.of(silentTargetId(model, read.prompt(), other.get())),
          read.position(),
          line.subject().map(subject -> TokenSpan.of(read.prompt(), subject)));
    } catch (IllegalArgumentException e) {
      throw new FathomException(
          "%s, line %d: %s".formatted(file, line.number(), e.getMessage()), e);
    }
  }

  private static int silentTargetId(LoadedModel model, Prompt prompt, String target) {
    var card = model.transformer().card();
    if (!card.labels().isEmpty()) {
      return label(card.labels(), target);
    }
    return card.causal()
        ? Target.of(model.tokenizer(), prompt, target).id()
        : Target.atMask(model.tokenizer(), target).id();
  }

  /// Everything here that decides what is found for a file of prompts, by name.
  void describe(Map<String, String> settings) {
    settings.put("chat", Boolean.toString(prompt.chat()));
    settings.put("system", prompt.system().orElse(""));
    settings.put("bos", prompt.bos().map(String::valueOf).orElse("as configured"));
    settings.put(
        "position",
        prompt.position().isEmpty() ? "usual" : Integer.toString(prompt.position().getAsInt()));
    settings.put("target", target == null ? "" : target);
  }

  /// An output of the model by its text: a token that could follow the prompt, or a class.
  static int targetId(LoadedModel model, Prompt prompt, String target) {
    List<String> labels = model.transformer().card().labels();
    if (labels.isEmpty()) {
      return model.target(prompt, target).id();
    }
    return label(labels, target);
  }

  private static int label(List<String> labels, String target) {
    int label = labels.indexOf(target.strip());
    if (label < 0) {
      throw new IllegalArgumentException(
          "The target '%s' is not a class of this model, which has %s."
              .formatted(target, String.join(", ", labels)));
    }
    return label;
  }

  private static int usual(LoadedModel model, Prompt prompt) {
    var card = model.transformer().card();
    if (card.causal()) {
      return -1;
    }
    if (!card.labels().isEmpty()) {
      return 0;
    }
    OptionalInt mask = model.tokenizer().specials().mask();
    int[] ids = prompt.ids();
    return IntStream.range(0, ids.length)
        .filter(i -> mask.isPresent() && ids[i] == mask.getAsInt())
        .findFirst()
        .orElseThrow(() ->
            new IllegalArgumentException(
                "This is a masked model: put %s where it should fill in a word, or say --position."
                    .formatted(
                        mask.isPresent()
                            ? model.tokenizer().piece(mask.getAsInt())
                            : "its mask token")));
  }
}
