package dev.fathom.checkpoint.hub;

import dev.fathom.FathomException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HexFormat;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The files of the cache; the page of this package shows where each of them lies.
///
/// @param root directory holding `models--owner--name`
/// @param links whether to try symbolic links
record HubCache(Path root, boolean links) {
  private static final int DEPTH = 4;
  private static final int MOST_FILES = 10_000;
  private static final int LARGEST_TREE = 32 << 20;
  private static final String TAG =
      """
      Signature: 8a477f597d28d172789f06886806bc55
      # This is a cache of model files; backups may leave it out.
      """;

  Path blob(HubReference reference, BlobId id) {
    return repository(reference).resolve("blobs").resolve(id.hex());
  }

  Path incomplete(HubReference reference, BlobId id) {
    return repository(reference).resolve("blobs").resolve(id.hex() + ".fathom.incomplete");
  }

  Path lock(HubReference reference, BlobId id) {
    return root.resolve(".locks").resolve(reference.folder()).resolve(id.hex() + ".lock");
  }

  Path snapshot(HubReference reference, String commit) {
    return repository(reference).resolve("snapshots").resolve(commit);
  }

  Path repository(HubReference reference) {
    return root.resolve(reference.folder());
  }

  /// The commit a revision meant when it was last pulled.
  Optional<String> commit(HubReference reference) {
    if (reference.pinned()) {
      return Optional.of(reference.revision());
    }
    try (InputStream in = Files.newInputStream(ref(reference))) {
      String text = new String(in.readNBytes(64), StandardCharsets.US_ASCII).strip();
      return HubReference.isCommit(text) ? Optional.of(text) : Optional.empty();
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  /// Records what a revision means now.
  void remember(HubReference reference, String commit) throws IOException {
    if (reference.pinned() || commit(reference).equals(Optional.of(commit))) {
      return;
    }
    Path ref = ref(reference);
    Files.createDirectories(ref.getParent());
    Path temporary = besides(ref);
    Files.writeString(temporary, commit, StandardCharsets.US_ASCII);
    Files.move(temporary, ref, StandardCopyOption.ATOMIC_MOVE);
  }

  /// Marks the cache for backup programs, as Python does.
  void tag() throws IOException {
    Files.createDirectories(root);
    Path file = root.resolve("CACHEDIR.TAG");
    if (!Files.exists(file)) {
      Files.writeString(file, TAG, StandardCharsets.US_ASCII);
    }
  }

  /// The files of a snapshot that are there, by path with `/`.
  Set<String> files(Path snapshot) {
    if (!Files.isDirectory(snapshot)) {
      return Set.of();
    }
    try (Stream<Path> walk = Files.walk(snapshot, DEPTH)) {
      return walk.limit(MOST_FILES)
          .filter(Files::isRegularFile)
          .map(file -> snapshot.relativize(file).toString().replace('\\', '/'))
          .collect(Collectors.toUnmodifiableSet());
    } catch (IOException e) {
      throw new FathomException("The cached snapshot %s cannot be read".formatted(snapshot), e);
    }
  }

  /// All paths of the commit if Python left its listing.
  Set<String> tree(HubReference reference, String commit) {
    Path file = repository(reference).resolve("trees").resolve(commit + ".json");
    try {
      return Files.exists(file) && Files.size(file) <= LARGEST_TREE
          ? HubListing.parseTree(Files.readAllBytes(file))
          : Set.of();
    } catch (IOException e) {
      return Set.of();
    }
  }

  /// Makes a blob appear in a snapshot: a relative link, or where there are no links the file
  /// itself, moved if it just arrived and copied if an older snapshot may need it. Whatever lay
  /// there (a link whose blob is gone) is replaced in one step.
  ///
  /// @param fresh whether the blob was downloaded for this
  void show(Path blob, Path pointer, boolean fresh) throws IOException {
    Path directory = pointer.resolveSibling("");
    Files.createDirectories(directory);
    Path temporary = besides(pointer);
    if (links && link(temporary, directory.relativize(blob))) {
      Files.move(temporary, pointer, StandardCopyOption.ATOMIC_MOVE);
    } else if (fresh) {
      Files.move(blob, pointer, StandardCopyOption.ATOMIC_MOVE);
    } else {
      Files.copy(blob, temporary);
      Files.move(temporary, pointer, StandardCopyOption.ATOMIC_MOVE);
    }
  }

  /// Windows allows links to few users, some file systems to none.
  private static boolean link(Path link, Path target) throws IOException {
    try {
      Files.createSymbolicLink(link, target);
      return true;
    } catch (FileAlreadyExistsException e) {
      throw e;
    } catch (UnsupportedOperationException | IOException e) {
      return false;
    }
  }

  private Path ref(HubReference reference) {
    return repository(reference).resolve("refs").resolve(reference.revision());
  }

  private static Path besides(Path file) {
    String mark = HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextInt());
    return file.resolveSibling(file.getFileName() + "." + mark + ".tmp");
  }
}
