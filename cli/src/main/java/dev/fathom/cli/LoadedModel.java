package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Checkpoint;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.edit.Edit;
import dev.fathom.edit.Edits;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Threads;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.Tokenizers;
import dev.fathom.text.Vocabulary;
import java.nio.file.Files;
import java.util.List;
import java.util.Optional;

/// The model that the user named, ready to compute: weights, and the tokenizer if it has one.
///
/// ```java
/// try (var model = LoadedModel.open(console, options)) {
///   Prompt prompt = model.prompt("Hello", promptOptions);
///   model.transformer().forward(...);
/// }
/// ```
final class LoadedModel implements AutoCloseable {
  private static final List<String> TOKENIZER_FILES =
      List.of("tokenizer.json", "tokenizer.model", "spiece.model");

  private final Console console;
  private final Checkpoint checkpoint;
  private final Transformer base;
  private final Transformer transformer; // the base itself, where no edit is applied
  private final Optional<Tokenizer> tokenizer;

  private LoadedModel(
      Console console,
      Checkpoint checkpoint,
      Transformer base,
      List<EditOptions.Wanted> wanted,
      Optional<Tokenizer> tokenizer) {
    this.console = console;
    this.checkpoint = checkpoint;
    this.base = base;
    List<Edit> edits = EditOptions.of(base, wanted);
    this.transformer = edits.isEmpty() ? base : Edits.apply(base, edits);
    this.tokenizer = tokenizer;
    say(Edits.notes(base, edits));
  }

  /// Finds, opens and loads the model, and applies its edits.
  ///
  /// @throws FathomException if there is no such model, it is not sound, or an edit was made from
  ///   another one
  static LoadedModel open(Console console, ModelOptions options) {
    return open(console, options, dtype(options.dtype()));
  }

  /// The same in another number format than the options say.
  static LoadedModel open(Console console, ModelOptions options, DType dtype) {
    List<EditOptions.Wanted> edits = options.edits().read(); // fails sooner than a model loads
    return open(console, options.model(), options.compute(), dtype, edits);
  }

  /// A model by its name.
  static LoadedModel open(Console console, String model, ComputeOptions options) {
    return open(console, model, options, dtype(options.dtype()), List.of());
  }

  private static LoadedModel open(
      Console console,
      String model,
      ComputeOptions options,
      DType dtype,
      List<EditOptions.Wanted> edits) {
    requireDevice(options.device());
    Checkpoint checkpoint = ModelLocation.of(model).open(console);
    try {
      Optional<Tokenizer> tokenizer = tokenizer(checkpoint);
      NativeCache.here().announce(console);
      Threads.set(options.threads().orElse(Runtime.getRuntime().availableProcessors()));
      return new LoadedModel(console, checkpoint, Models.load(checkpoint, dtype), edits, tokenizer);
    } catch (RuntimeException | Error e) {
      checkpoint.close();
      throw e;
    }
  }

  private static DType dtype(ComputeOptions.Dtype dtype) {
    return switch (dtype) {
      case f32 -> DType.F32;
      case bf16 -> DType.BF16;
    };
  }

  private static void requireDevice(String device) {
    if (!device.equals("cpu")) {
      throw new IllegalArgumentException(
          "--device %s: this build computes on cpu only.".formatted(device));
    }
  }

  /// The tokenizer that comes with a checkpoint: among the metadata of a GGUF file, else among the
  /// files beside the weights; empty if there is none.
  ///
  /// @throws FathomException if there is one that is not understood
  static Optional<Tokenizer> tokenizer(Checkpoint checkpoint) {
    Optional<Vocabulary> vocabulary = checkpoint.vocabulary();
    if (vocabulary.isPresent()) return vocabulary.map(Tokenizers::of);
    return checkpoint
        .directory()
        .filter(directory ->
            TOKENIZER_FILES.stream().anyMatch(file -> Files.isRegularFile(directory.resolve(file))))
        .map(Tokenizers::load);
  }

  /// The model with its edits.
  Transformer transformer() {
    return transformer;
  }

  /// The model without its edits.
  Transformer base() {
    return base;
  }

  /// The files the model was loaded from; closed with the model.
  Checkpoint checkpoint() {
    return checkpoint;
  }

  /// Whether the model can read text.
  boolean hasTokenizer() {
    return tokenizer.isPresent();
  }

  /// @throws FathomException if the model came without one
  Tokenizer tokenizer() {
    return tokenizer.orElseThrow(() ->
        new FathomException(
            checkpoint.path()
                + " has no tokenizer (tokenizer.json or tokenizer.model), so it cannot read text;"
                + " put one beside the weights, or give token ids where a command takes --ids."));
  }

  /// The prompt that `text` makes with these options; what was done to it is said on standard
  /// error.
  ///
  /// @throws IllegalArgumentException if it is empty or longer than the model's context
  Prompt prompt(String text, PromptOptions options) {
    return prompt(text, asSaid(options));
  }

  /// As [#prompt(String, PromptOptions)].
  Prompt prompt(String text, Prompt.Options options) {
    var prompt = Prompt.of(tokenizer(), text, options);
    say(prompt.notes());
    return prompt.requireFits(transformer.card().context(), 0);
  }

  /// The same of any length, for what reads on beyond the model's context.
  ///
  /// @throws IllegalArgumentException if it is empty
  Prompt text(String text, PromptOptions options) {
    var prompt = Prompt.of(tokenizer(), text, asSaid(options));
    say(prompt.notes());
    return prompt;
  }

  private Prompt.Options asSaid(PromptOptions options) {
    return new Prompt.Options(
        options.chat(), options.system(), options.bos(), transformer.card().causal());
  }

  /// What the user asks about after `prompt`; what was done to it is said on standard error.
  ///
  /// @throws IllegalArgumentException if it adds no token to the prompt
  Target target(Prompt prompt, String text) {
    var target =
        transformer.card().causal()
            ? Target.of(tokenizer(), prompt, text)
            : Target.atMask(tokenizer(), text);
    say(target.notes());
    return target;
  }

  /// Says notes on standard error.
  void say(List<String> notes) {
    notes.forEach(note -> console.err().println("note: " + note));
    console.err().flush();
  }

  /// Frees the weights; nothing of the model may be used afterwards.
  @Override
  public void close() {
    if (transformer != base) transformer.close();
    base.close();
  }
}
