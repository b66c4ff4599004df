package dev.fathom.cli;

import dev.fathom.edit.Edit;
import dev.fathom.edit.EditFile;
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
              + " Several are applied in order.")
  private List<String> edits = new ArrayList<>();

  boolean isEmpty() {
    return edits.isEmpty();
  }

  /// Reads the files.
  ///
  /// @throws dev.fathom.FathomException if one cannot be read or is not an edit
  List<Edit> read() {
    return edits.stream().map(EditOptions::read).toList();
  }

  private static Edit read(String text) {
    int colon = text.lastIndexOf(':');
    if (colon > 0 && !Files.exists(Path.of(text))) {
      Optional<Double> scale = number(text.substring(colon + 1));
      if (scale.isPresent()) {
        return EditFile.read(Path.of(text.substring(0, colon))).at(scale.get());
      }
    }
    return EditFile.read(Path.of(text));
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
