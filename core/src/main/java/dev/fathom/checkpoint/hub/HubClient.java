package dev.fathom.checkpoint.hub;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.ToLongFunction;

/// Brings models from the hub into the cache, and finds those already there.
public final class HubClient {
  private final HubSettings settings;
  private final Patience patience;
  private final HubCache cache;
  private final ToLongFunction<Path> freeBytes;

  public HubClient(HubSettings settings) {
    this(settings, Patience.usual(), new HubCache(settings.cache(), true), HubClient::usableSpace);
  }

  /// @param freeBytes free space where a path lies, in bytes; 0 or less where it is not known
  HubClient(
      HubSettings settings, Patience patience, HubCache cache, ToLongFunction<Path> freeBytes) {
    this.settings = settings;
    this.patience = patience;
    this.cache = cache;
    this.freeBytes = freeBytes;
  }

  /// Downloads what is missing and returns the directory of the snapshot. Files already in the
  /// cache are not fetched again, a file that was cut off goes on where it ended. Offline, or where
  /// the hub is out of reach, it is the cached snapshot.
  ///
  /// @return a directory of links (or files) named as in the repository
  /// @throws FathomException where the hub refuses or cannot be reached and nothing is cached, a
  ///   file is not what its checksum says, there is no room, or the thread was interrupted
  public Path pull(HubReference reference, HubFilter filter, HubProgress progress) {
    if (settings.offline()) {
      return cached(reference, filter).orElseThrow(() -> offlineMiss(reference, filter));
    }
    try (var http = new HubHttp(settings, patience)) {
      var remote = new RemoteRepository(http, settings, reference);
      HubListing listing;
      try {
        listing = remote.list();
      } catch (HubUnreachable e) {
        Path snapshot = cached(reference, filter).orElseThrow(() -> e);
        progress.notice("The hub is out of reach; using the cached snapshot of " + reference);
        return snapshot;
      }
      Path snapshot = cache.snapshot(reference, listing.commit());
      Set<String> present = cache.files(snapshot);
      List<String> wanted =
          switch (filter.choose(listing.sizes().keySet(), present)) {
            case HubFilter.Choice.Files files -> files.names();
            case HubFilter.Choice.Insufficient no ->
                throw new FathomException("%s %s".formatted(reference, no.why()));
          };
      fetchMissing(remote, reference, listing, wanted, progress);
      return snapshot;
    } catch (InterruptedException | ClosedByInterruptException e) {
      Thread.currentThread().interrupt();
      throw new FathomException(
          "The pull of %s was interrupted; pull it again to go on where it ended"
              .formatted(reference),
          e);
    } catch (IOException e) {
      throw new FathomException(
          "The hub cache %s cannot be written (%s: %s%s); make room or set HF_HOME to another disk"
              .formatted(
                  settings.cache(), e.getClass().getSimpleName(), e.getMessage(), spaceLeft()),
          e);
    }
  }

  private String spaceLeft() {
    long free = freeBytes.applyAsLong(settings.cache());
    return free > 0 ? "; %s free".formatted(RemoteRepository.size(free)) : "";
  }

  /// The snapshot of [HubFilter#model] if it is complete in the cache. No network.
  public Optional<Path> cached(HubReference reference) {
    return cached(reference, HubFilter.model());
  }

  /// The snapshot if all that the filter takes is in the cache, as of the last pull of that
  /// revision. No network.
  public Optional<Path> cached(HubReference reference, HubFilter filter) {
    Optional<String> commit = cache.commit(reference);
    if (commit.isEmpty()) {
      return Optional.empty();
    }
    Path snapshot = cache.snapshot(reference, commit.get());
    Set<String> present = cache.files(snapshot);
    return switch (filter.choose(expected(reference, commit.get(), present), present)) {
      case HubFilter.Choice.Files files when present.containsAll(files.names()) ->
          Optional.of(snapshot);
      case HubFilter.Choice.Files files -> Optional.empty();
      case HubFilter.Choice.Insufficient no -> Optional.empty();
    };
  }

  /// Python's listing says what a snapshot should hold; without it, weights come last in a pull, so
  /// where they are complete the rest is too.
  private Collection<String> expected(HubReference reference, String commit, Set<String> present) {
    Set<String> tree = cache.tree(reference, commit);
    return tree.isEmpty() ? present : tree;
  }

  private void fetchMissing(
      RemoteRepository remote,
      HubReference reference,
      HubListing listing,
      List<String> wanted,
      HubProgress progress)
      throws IOException, InterruptedException {
    Path snapshot = cache.snapshot(reference, listing.commit());
    List<String> missing =
        wanted.stream().filter(file -> !isComplete(snapshot, listing, file)).toList();
    double needed =
        missing.stream()
            .mapToDouble(file -> Math.max(0, listing.sizes().getOrDefault(file, 0L)))
            .sum();
    requireRoom(reference, (long) needed);
    if (!missing.isEmpty()) {
      cache.tag();
    }
    for (String file : wanted) {
      if (missing.contains(file)) {
        fetch(remote, reference, listing.commit(), file, progress);
      } else {
        long bytes = Files.size(snapshot.resolve(file));
        progress.update(file, bytes, bytes);
      }
    }
    try {
      cache.remember(reference, listing.commit());
    } catch (IOException e) {
      if (!missing.isEmpty()) {
        throw e;
      }
      // A complete cache may be read-only; it serves all the same.
    }
  }

  private static boolean isComplete(Path snapshot, HubListing listing, String file) {
    Path pointer = snapshot.resolve(file);
    long expected = listing.sizes().getOrDefault(file, HubListing.UNKNOWN);
    try {
      return Files.isRegularFile(pointer)
          && (expected == HubListing.UNKNOWN || Files.size(pointer) == expected);
    } catch (IOException e) {
      return false;
    }
  }

  private void requireRoom(HubReference reference, long needed) {
    long free = freeBytes.applyAsLong(settings.cache());
    if (free > 0 && needed > free) {
      throw new FathomException(
          "%s needs %s and %s has %s free; make room or set HF_HOME to another disk"
              .formatted(
                  reference,
                  RemoteRepository.size(needed),
                  settings.cache(),
                  RemoteRepository.size(free)));
    }
  }

  private void fetch(
      RemoteRepository remote,
      HubReference reference,
      String commit,
      String name,
      HubProgress progress)
      throws IOException, InterruptedException {
    RemoteFile file = remote.inspect(commit, name);
    Path blob = cache.blob(reference, file.id());
    Path partial = cache.incomplete(reference, file.id());
    Path lockFile = cache.lock(reference, file.id());
    BlobLock lock = BlobLock.acquire(lockFile, partial, patience);
    try (lock) {
      Path pointer = cache.snapshot(reference, commit).resolve(name);
      if (!hasSize(pointer, file.bytes())) {
        boolean fresh = !hasSize(blob, file.bytes());
        if (fresh) {
          Files.createDirectories(blob.getParent());
          remote.download(file, partial, progress);
          Files.move(partial, blob, StandardCopyOption.ATOMIC_MOVE);
        }
        cache.show(blob, pointer, fresh);
      }
    }
    progress.update(name, file.bytes(), file.bytes());
  }

  private static boolean hasSize(Path file, long bytes) throws IOException {
    return Files.isRegularFile(file) && Files.size(file) == bytes;
  }

  private FathomException offlineMiss(HubReference reference, HubFilter filter) {
    String what =
        cache
            .commit(reference)
            .map(commit -> cache.files(cache.snapshot(reference, commit)))
            .filter(files -> !files.isEmpty())
            .map(files ->
                switch (filter.choose(files, files)) {
                  case HubFilter.Choice.Files ignored -> "is not complete";
                  case HubFilter.Choice.Insufficient no -> no.why();
                })
            .orElse("is not there");
    return new FathomException(
        "%s %s in the cache %s, and HF_HUB_OFFLINE forbids to fetch it; unset that,"
                .formatted(reference, what, settings.cache())
            + " or copy %s from a machine that has it".formatted(reference.folder()));
  }

  private static long usableSpace(Path path) {
    Path existing = path.toAbsolutePath();
    while (!Files.exists(existing) && existing.getParent() != null) {
      existing = existing.getParent();
    }
    try {
      return Files.getFileStore(existing).getUsableSpace();
    } catch (IOException e) {
      return 0;
    }
  }
}
