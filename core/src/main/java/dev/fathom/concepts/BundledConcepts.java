package dev.fathom.concepts;

import dev.fathom.data.Concept;
import dev.fathom.data.ConceptFile;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;

/// Concepts that are there without any file: 36 of 9 groups, each with 12 short scenarios of
/// everyday English. Love and what lies near it, hate and what lies near it, and seven groups that
/// have nothing to do with either.
///
/// No scenario names its concept, so that a direction is read from what texts are about. They are
/// few and plain: enough to try a method, too few to rank models.
public final class BundledConcepts {
  private static final String FILE = "concepts.jsonl";

  private BundledConcepts() {}

  /// All of them, members of a group beside each other.
  public static List<Concept> all() {
    try (var in = Objects.requireNonNull(BundledConcepts.class.getResourceAsStream(FILE), FILE);
        var reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      return ConceptFile.read(reader, Path.of(FILE));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
