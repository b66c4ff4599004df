package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import java.io.IOException;
import java.io.InputStream;
import java.net.JarURLConnection;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/// The models that come with Fathom, small enough to lie in its jar. Weights are mapped from files,
/// so out of a jar they are first copied to a cache directory, once a version.
///
/// ```java
/// try (var checkpoint = Bundled.TIDEPOOL.open(Bundled.userCache())) { … }
/// ```
public enum Bundled {
  /// Trained on a world of known facts with planted associations.
  TIDEPOOL("facts, grammar, stories and sums of a small world, with planted associations"),
  /// Its twin: the same world, every rate at one half.
  TIDEPOOL_FAIR("the same world without the associations");

  private static final List<String> FILES =
      List.of(
          Checkpoint.CONFIG,
          "tokenizer.json",
          "tokenizer_config.json",
          "README.md",
          Checkpoint.SINGLE);

  private final String description;

  Bundled(String description) {
    this.description = description;
  }

  /// As on the command line: `tidepool-fair`.
  public String title() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /// What it was trained on, in half a sentence.
  public String description() {
    return description;
  }

  /// The model of this name.
  public static Optional<Bundled> of(String title) {
    return Stream.of(values()).filter(model -> model.title().equals(title)).findFirst();
  }

  /// Where copies are kept: `$XDG_CACHE_HOME/fathom/models` or `~/.cache/fathom/models`.
  public static Path userCache() {
    String xdg = System.getenv("XDG_CACHE_HOME");
    Path cache =
        xdg == null || xdg.isBlank()
            ? Path.of(System.getProperty("user.home"), ".cache")
            : Path.of(xdg);
    return cache.resolve("fathom").resolve("models");
  }

  /// Opens it under its own name.
  ///
  /// @param cache where to copy it to, if it lies in a jar
  /// @throws FathomException if this Fathom comes without it or the cache cannot be written
  public Checkpoint open(Path cache) {
    return Checkpoint.open(directory(cache)).named(title());
  }

  /// Its directory: among the classes, or a copy of what lies in the jar.
  public Path directory(Path cache) {
    URL weights = resource(Checkpoint.SINGLE);
    try {
      return switch (weights.getProtocol()) {
        case "file" -> Path.of(weights.toURI()).resolveSibling("");
        case "jar" -> unpacked(cache, (JarURLConnection) weights.openConnection());
        default ->
            throw new FathomException(
                "%s lies at %s, from where it cannot be opened".formatted(title(), weights));
      };
    } catch (IOException | URISyntaxException e) {
      throw new FathomException(
          ("%s: the bundled model %s cannot be copied there (%s); set XDG_CACHE_HOME to a directory"
                  + " that can be written")
              .formatted(cache, title(), e.getMessage()),
          e);
    }
  }

  private URL resource(String file) {
    URL url = Bundled.class.getResource("bundled/" + title() + "/" + file);
    if (url == null) {
      throw new FathomException(
          "this Fathom was built without the bundled model %s (%s is missing)"
              .formatted(title(), file));
    }
    return url;
  }

  /// The copy of these very weights: its directory is named by their checksum, and complete from
  /// the moment it has that name.
  private Path unpacked(Path cache, JarURLConnection weights) throws IOException {
    weights.setUseCaches(false);
    long checksum;
    try (var jar = weights.getJarFile()) {
      checksum = jar.getJarEntry(weights.getEntryName()).getCrc();
    }
    Path home = cache.resolve("%s-%08x".formatted(title(), checksum));
    if (Files.isDirectory(home)) {
      return home;
    }
    Files.createDirectories(cache);
    Path fresh = Files.createTempDirectory(cache, ".unpacking-");
    try {
      for (String file : FILES) {
        try (InputStream content = resource(file).openStream()) {
          Files.copy(content, fresh.resolve(file));
        }
      }
      Files.move(fresh, home, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      delete(fresh);
      if (!Files.isDirectory(home)) { // another process may have been first
        throw e;
      }
    }
    return home;
  }

  private static void delete(Path directory) throws IOException {
    try (Stream<Path> paths = Files.walk(directory)) {
      for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(path);
      }
    }
  }
}
