package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.edit.Edit;
import dev.fathom.edit.EditFile;
import dev.fathom.edit.PeftDirectory;
import dev.fathom.model.Transformer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Option;

/// Which edits a model is used with.
final class EditOptions {
  @Option(
      names = "--edit",
      paramLabel = "FILE[:SCALE]",
      description =
          "Apply this edit to the model, as far as SCALE says: 0 not at all, 1 (default) as it is."
              + " A directory is a LoRA adapter of PEFT. Several are applied in order.")
  private List<String> edits = new ArrayList<>();

  /// An edit, once the model is there that it belongs to.
  sealed interface Wanted {
    /// @throws FathomException if it is an adapter that is not sound or does not fit
    Edit of(Transformer base);
  }

  /// One that was read from its file.
  record Ready(Edit edit) implements Wanted {
    @Override
    public Edit of(Transformer base) {
      return edit;
    }
  }

  /// A directory with a LoRA, which is read with the model's weights at hand.
  record Adapter(Path directory, double scale) implements Wanted {
    @Override
    public Edit of(Transformer base) {
      return PeftDirectory.read(directory, base).at(scale);
    }
  }

  boolean isEmpty() {
    return edits.isEmpty();
  }

  /// Reads what can be read without the model.
  ///
  /// @throws FathomException if a file cannot be read or is not an edit
  List<Wanted> read() {
    return read(edits);
  }

  /// The same of arguments.
  static List<Wanted> read(List<String> edits) {
    return edits.stream().map(EditOptions::read).toList();
  }

  /// The edits of a model.
  static List<Edit> of(Transformer base, List<Wanted> wanted) {
    return wanted.stream().map(edit -> edit.of(base)).toList();
  }

  private static Wanted read(String text) {
    int colon = text.lastIndexOf(':');
    if (colon > 0 && !Files.exists(Path.of(text))) {
      Optional<Double> scale = number(text.substring(colon + 1));
      if (scale.isPresent()) {
        return read(Path.of(text.substring(0, colon)), scale.get());
      }
    }
    return read(Path.of(text), 1);
  }

  private static Wanted read(Path path, double scale) {
    if (Files.isDirectory(path)) {
      if (!PeftDirectory.is(path)) {
        throw new FathomException(path + ": is a directory, and no adapter of PEFT is in it");
      }
      return new Adapter(path, scale);
    }
    return new Ready(EditFile.read(path).at(scale));
  }

  private static Optional<Double> number(String text) {
    try {
      double scale = Double.parseDouble(text);
      return Double.isFinite(scale) ? Optional.of(scale) : Optional.empty();
    } catch (NumberFormatException e) {
      return Optional.empty();
    }
  }
}
