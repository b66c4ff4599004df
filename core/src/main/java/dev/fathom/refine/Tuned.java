package dev.fathom.refine;

import dev.fathom.FathomException;
import dev.fathom.edit.Edit;
import dev.fathom.edit.EditFile;
import dev.fathom.edit.Edits;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Transformer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// A model as it was tuned, ready to speak: with its edits applied and its mixture opened,
/// whichever there are. The model that it was made from stays as it is and must outlive it.
///
/// ```java
/// try (var tuned = Tuned.open(model, directory)) {
///   Generation next = Generator.of(tuned.speaker(), tokenizer).run(ids, Decoding.greedy(64));
/// }
/// ```
public final class Tuned implements AutoCloseable {
  private final Transformer base;
  private final Transformer transformer; // the base itself, where no edit is applied
  private final Optional<Mod> mod;
  private final Optional<MixtureModel> mixture;

  private Tuned(
      Transformer base,
      Transformer transformer,
      Optional<Mod> mod,
      Optional<MixtureModel> mixture) {
    this.base = base;
    this.transformer = transformer;
    this.mod = mod;
    this.mixture = mixture;
  }

  /// @param edits applied one after another; may be none
  /// @param mod a mixture's file, learnt on the model with these edits
  /// @throws FathomException if an edit or the mixture was made for another model, or the file is
  ///   no mixture
  public static Tuned of(Transformer model, List<Edit> edits, Optional<Path> mod) {
    Transformer edited = edits.isEmpty() ? model : Edits.apply(model, edits);
    try {
      Optional<Mod> opened = mod.map(file -> Mod.open(file, edited));
      return new Tuned(
          model, edited, opened, opened.map(mixture -> MixtureModel.of(edited, mixture)));
    } catch (RuntimeException | Error e) {
      if (edited != model) {
        edited.close();
      }
      throw e;
    }
  }

  /// @param model the one that was refined
  public static Tuned of(Transformer model, Refiner.Outcome outcome) {
    return of(model, outcome.lora().stream().toList(), outcome.mod());
  }

  /// What a run of a [Refiner] left in its directory.
  ///
  /// @param model the one that was refined
  /// @throws FathomException if the directory holds nothing that was learnt, or of another model
  public static Tuned open(Transformer model, Path directory) {
    Optional<Path> lora = file(directory, Refiner.LORA);
    Optional<Path> mod = file(directory, Refiner.MOD);
    if (lora.isEmpty() && mod.isEmpty()) {
      throw new FathomException(
          "%s: has neither %s nor %s; is it the directory of a run that ended?"
              .formatted(directory, Refiner.LORA, Refiner.MOD));
    }
    return of(model, lora.map(EditFile::read).stream().toList(), mod);
  }

  private static Optional<Path> file(Path directory, String name) {
    return Optional.of(directory.resolve(name)).filter(Files::isRegularFile);
  }

  /// The same with a mixture of which only the best `topK` layers count. To close either closes
  /// both.
  ///
  /// @throws IllegalArgumentException if there is no mixture, or not one of so many layers
  public Tuned withTopK(int topK) {
    MixtureModel whole =
        mixture.orElseThrow(() ->
            new IllegalArgumentException(
                transformer.card().name() + " has no mixture whose layers could be counted"));
    return new Tuned(base, transformer, mod, Optional.of(whole.withTopK(topK)));
  }

  /// What speaks: the mixture, or without one the edited model's last layer.
  public LanguageModel speaker() {
    return mixture.isPresent() ? mixture.get() : transformer;
  }

  /// The mixture that speaks, if one does.
  public Optional<MixtureModel> mixture() {
    return mixture;
  }

  /// The model with its edits, whose last layer alone would speak.
  public Transformer transformer() {
    return transformer;
  }

  @Override
  public void close() {
    mod.ifPresent(Mod::close);
    if (transformer != base) {
      transformer.close();
    }
  }
}
