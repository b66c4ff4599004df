package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.checkpoint.Checkpoint;
import dev.fathom.checkpoint.hub.HubClient;
import dev.fathom.checkpoint.hub.HubFilter;
import dev.fathom.checkpoint.hub.HubProgress;
import dev.fathom.checkpoint.hub.HubReference;
import dev.fathom.checkpoint.hub.HubSettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/// Where a model is, as a user writes it.
sealed interface ModelLocation {
  /// The model that is meant when none is named.
  String DEFAULT = Bundled.TIDEPOOL.title();

  /// A model that comes with Fathom.
  record Own(Bundled model) implements ModelLocation {}

  /// A directory or file on this machine.
  record Local(Path path) implements ModelLocation {}

  /// A repository on the hub.
  ///
  /// @param gguf which of its GGUF files, by name or quantization; empty for safetensors
  record Hub(HubReference reference, Optional<String> gguf) implements ModelLocation {
    HubFilter filter() {
      return gguf.map(HubFilter::gguf).orElse(HubFilter.model());
    }
  }

  /// Reads the name of a bundled model (`./tidepool` is a directory of that name), a path,
  /// `hf:owner/name`, `hf:owner/name@revision`, or either of these with `:` and the name or
  /// quantization of a GGUF file behind it (`hf:owner/name:Q4_K_M`).
  ///
  /// @throws IllegalArgumentException if it starts like a hub reference and is none
  static ModelLocation of(String text) {
    var own = Bundled.of(text);
    if (own.isPresent()) return new Own(own.get());
    if (!text.startsWith(HubReference.PREFIX)) return new Local(Path.of(text));
    int colon = text.indexOf(':', HubReference.PREFIX.length());
    if (colon < 0) return new Hub(HubReference.parse(text), Optional.empty());
    return new Hub(
        HubReference.parse(text.substring(0, colon)), Optional.of(text.substring(colon + 1)));
  }

  /// The directory or file to open. A model on the hub that is complete in the cache is taken from
  /// there without asking; otherwise it is pulled.
  ///
  /// @throws FathomException if it is not there or cannot be pulled
  default Path resolve(Console console) {
    return switch (this) {
      case Own(Bundled model) -> model.directory(Bundled.userCache());
      case Local(Path path) -> path;
      case Hub hub -> {
        var client = client(console);
        yield opened(
            hub,
            client
                .cached(hub.reference(), hub.filter())
                .orElseGet(() -> pull(console, client, hub)));
      }
    };
  }

  /// Opens it, under its own name where it has one.
  default Checkpoint open(Console console) {
    return this instanceof Own(Bundled model)
        ? model.open(Bundled.userCache())
        : Checkpoint.open(resolve(console));
  }

  /// The hub client that the environment describes.
  static HubClient client(Console console) {
    return new HubClient(
        HubSettings.fromEnvironment(
            console.environment(), Path.of(System.getProperty("user.home"))));
  }

  /// Downloads what is missing, with a progress bar, and returns the snapshot's directory.
  static Path pull(Console console, HubClient client, Hub hub) {
    try (var progress = new PullProgress(console)) {
      return client.pull(hub.reference(), hub.filter(), progress);
    }
  }

  /// The snapshot itself, or the chosen GGUF file in it.
  private static Path opened(Hub hub, Path snapshot) {
    if (hub.gguf().isEmpty()) return snapshot;
    String choice = hub.gguf().get().toLowerCase(Locale.ROOT);
    try (var files = Files.walk(snapshot)) {
      List<Path> matching =
          files
              .filter(file -> file.toString().toLowerCase(Locale.ROOT).endsWith(".gguf"))
              .filter(file -> names(snapshot.relativize(file), choice))
              .sorted()
              .toList();
      if (matching.isEmpty()) {
        throw new FathomException(
            "%s has no GGUF file '%s'.".formatted(hub.reference(), hub.gguf().get()));
      }
      return matching.getFirst();
    } catch (IOException e) {
      throw new FathomException(snapshot + " cannot be read: " + e.getMessage(), e);
    }
  }

  private static boolean names(Path file, String choice) {
    String name = file.toString().replace('\\', '/').toLowerCase(Locale.ROOT);
    String stem = name.substring(0, name.length() - ".gguf".length());
    return name.equals(choice) || stem.endsWith(choice) || stem.contains(choice + "-00001-of-");
  }

  /// A progress bar for each file in turn.
  final class PullProgress implements HubProgress, AutoCloseable {
    private final Console console;
    private Progress bar = Progress.invisible();
    private String file = "";
    private long shown;

    PullProgress(Console console) {
      this.console = console;
    }

    @Override
    public void update(String name, long bytes, long total) {
      if (!name.equals(file)) {
        bar.close();
        file = name;
        shown = 0;
        bar = Progress.start(console, "pulling " + name, Math.max(0, total));
      }
      bar.advance(bytes - shown);
      shown = bytes;
    }

    @Override
    public void notice(String sentence) {
      console.err().println("note: " + sentence);
      console.err().flush();
    }

    @Override
    public void close() {
      bar.close();
    }
  }
}
