package dev.fathom.evaluate;

import dev.fathom.FathomException;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// What was found for each item of a long run (each prompt, fact or layer), in a directory, so that
/// a killed run goes on where it was: one line of JSON an item, and the settings that decided it.
///
/// ```java
/// try (var items = ItemDirectory.open(directory, settings)) {
///   for (Fact fact : facts) {
///     if (!items.has(fact.id())) {
///       items.append(fact.id(), item -> item.put("effect", effect(fact)));
///     }
///   }
///   items.forEach(item -> mean.add(item.get("effect").asDouble()));
/// }
/// ```
///
/// Make totals from [#forEach], not from what was just computed: then a run that was killed and one
/// that was not end with the same numbers. What is computed together (a batch) is computed together
/// again if one of its items is missing; an item that is there already is not replaced.
///
/// Only keys are held in memory. The files are described on this package's page. For one thread of
/// one process at a time.
public final class ItemDirectory implements AutoCloseable {
  private static final String SETTINGS = "settings.json";
  private static final String ITEMS = "items.jsonl";
  private static final String KEY = "key";

  private final Path directory;
  private final FileChannel lock;
  private final FileChannel file;
  private final Set<String> keys = new HashSet<>();

  private ItemDirectory(Path directory, FileChannel lock, FileChannel file) {
    this.directory = directory;
    this.lock = lock;
    this.file = file;
  }

  /// Begins a run in an empty or new directory, or goes on with one of the same settings.
  ///
  /// @param settings everything that decides what is found, by name: the model's fingerprint, the
  ///   data's, the method's parameters
  /// @throws FathomException if the directory holds a run with other settings, another process
  ///   works in it, or its files cannot be used
  @SuppressWarnings("MustBeClosedChecker") // the channels are closed with the directory
  public static ItemDirectory open(Path directory, SequencedMap<String, String> settings) {
    try {
      Files.createDirectories(directory);
      FileChannel lock = locked(directory);
      FileChannel file = null;
      try {
        settle(directory, settings);
        file =
            FileChannel.open(
                directory.resolve(ITEMS),
                StandardOpenOption.CREATE,
                StandardOpenOption.READ,
                StandardOpenOption.WRITE);
        var items = new ItemDirectory(directory, lock, file);
        items.takeUp();
        return items;
      } catch (IOException | RuntimeException e) {
        if (file != null) {
          file.close();
        }
        lock.close();
        throw e;
      }
    } catch (IOException | JacksonException e) {
      throw new FathomException(
          "%s: cannot be used as a directory of results (%s)".formatted(directory, e.getMessage()),
          e);
    }
  }

  @SuppressWarnings("MustBeClosedChecker") // closed with the directory
  private static FileChannel locked(Path directory) throws IOException {
    FileChannel channel =
        FileChannel.open(
            directory.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    FileLock held;
    try {
      held = channel.tryLock();
    } catch (OverlappingFileLockException e) {
      held = null;
    }
    if (held == null) {
      channel.close();
      throw new FathomException(directory + ": another run is writing to this directory");
    }
    return channel;
  }

  private static void settle(Path directory, SequencedMap<String, String> settings)
      throws IOException {
    Path path = directory.resolve(SETTINGS);
    if (Files.exists(path)) {
      requireSame(JsonMapper.shared().readTree(Files.readString(path)), settings, directory);
      return;
    }
    if (Files.exists(directory.resolve(ITEMS))) {
      throw new FathomException(
          "%s: holds results without their %s, so they cannot be continued; choose another directory"
              .formatted(directory, SETTINGS));
    }
    ObjectNode json = JsonMapper.shared().createObjectNode();
    settings.forEach(json::put);
    Path fresh = directory.resolve(SETTINGS + ".new");
    Files.writeString(fresh, json.toPrettyString() + "\n");
    Files.move(fresh, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  private static void requireSame(
      JsonNode found, SequencedMap<String, String> settings, Path directory) {
    var names = new LinkedHashSet<>(settings.keySet());
    names.addAll(found.propertyNames());
    for (String name : names) {
      String here = settings.getOrDefault(name, "nothing");
      String there = found.path(name).asString("nothing");
      if (!here.equals(there)) {
        throw new FathomException(
            ("%s: holds results with %s = %s, but this run has %s; go on with the same settings, or"
                    + " choose another directory")
                .formatted(directory, name, there, here));
      }
    }
  }

  /// Learns which items are there, and cuts off a line that was being written when the run died.
  private void takeUp() throws IOException {
    long end = 0;
    int number = 0;
    var reader = new LineReader(file);
    for (String line = reader.next(); line != null; line = reader.next()) {
      number++;
      keys.add(key(line, number));
      end = reader.position();
    }
    file.truncate(end);
    file.position(end);
  }

  private String key(String line, int number) {
    try {
      if (JsonMapper.shared().readTree(line) instanceof ObjectNode item
          && item.path(KEY).isString()) {
        return item.path(KEY).stringValue();
      }
    } catch (JacksonException e) {
      throw malformed(number, e);
    }
    throw malformed(number, null);
  }

  private FathomException malformed(int number, @Nullable Exception cause) {
    return malformed(directory, number, cause);
  }

  private static FathomException malformed(Path directory, int number, @Nullable Exception cause) {
    String message =
        "%s, line %d: not an item of a run; remove the line, or choose another directory"
            .formatted(directory.resolve(ITEMS), number);
    return cause == null ? new FathomException(message) : new FathomException(message, cause);
  }

  public Path path() {
    return directory;
  }

  /// Whether this item is done.
  public boolean has(String key) {
    return keys.contains(key);
  }

  /// How many items are done.
  public int size() {
    return keys.size();
  }

  /// Writes one item, at once and whole. An item that is there already stays as it is.
  ///
  /// @param fill puts what was found into an object that has the key already
  public void append(String key, Consumer<ObjectNode> fill) {
    if (!keys.add(key)) {
      return;
    }
    ObjectNode item = JsonMapper.shared().createObjectNode().put(KEY, key);
    fill.accept(item);
    ByteBuffer line = ByteBuffer.wrap((item + "\n").getBytes(StandardCharsets.UTF_8));
    try {
      while (line.hasRemaining()) {
        file.write(line);
      }
    } catch (IOException e) {
      throw new FathomException(
          directory.resolve(ITEMS) + ": cannot be written (" + e.getMessage() + ")", e);
    }
  }

  /// Hands on every item that is done, in the order in which they were written, one at a time.
  public void forEach(Consumer<JsonNode> each) {
    forEach(directory, each);
  }

  /// The same of a directory in which another process may be working; what is being written at the
  /// end is left out.
  ///
  /// @throws FathomException if it holds no run
  public static void forEach(Path directory, Consumer<JsonNode> each) {
    Path file = directory.resolve(ITEMS);
    try (var in = FileChannel.open(file, StandardOpenOption.READ)) {
      var reader = new LineReader(in);
      int number = 0;
      for (String line = reader.next(); line != null; line = reader.next()) {
        number++;
        JsonNode item;
        try {
          item = JsonMapper.shared().readTree(line);
        } catch (JacksonException e) {
          throw malformed(directory, number, e);
        }
        each.accept(item);
      }
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  /// The settings of the run in a directory.
  ///
  /// @throws FathomException if it holds no run
  public static SequencedMap<String, String> settings(Path directory) {
    Path file = directory.resolve(SETTINGS);
    try {
      var settings = new LinkedHashMap<String, String>();
      JsonMapper.shared()
          .readTree(Files.readString(file))
          .forEachEntry((name, value) -> settings.put(name, value.asString("")));
      return settings;
    } catch (JacksonException e) {
      throw new FathomException(file + ": not JSON: " + e.getOriginalMessage(), e);
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  private static FathomException unreadable(Path file, IOException e) {
    return new FathomException(
        Files.exists(file)
            ? "%s: cannot be read (%s)".formatted(file, e.getMessage())
            : "%s: there is no such file, so this is no directory of a run".formatted(file),
        e);
  }

  /// Ends writing; the directory stays.
  @Override
  public void close() {
    try (lock) {
      file.close();
    } catch (IOException e) {
      throw new FathomException(
          directory.resolve(ITEMS) + ": cannot be written (" + e.getMessage() + ")", e);
    }
  }

  /// Reads lines that are complete, and knows where each ends in the file.
  private static final class LineReader {
    private final InputStream in;
    private long position;

    LineReader(FileChannel file) {
      this.in = new BufferedInputStream(Channels.newInputStream(file), 1 << 16);
    }

    /// Bytes of all lines so far.
    long position() {
      return position;
    }

    /// The next line without its end; null where no complete one is left.
    @Nullable String next() throws IOException {
      var bytes = new ByteArrayOutputStream();
      for (int b = in.read(); b >= 0; b = in.read()) {
        if (b == '\n') {
          position += bytes.size() + 1L;
          return bytes.toString(StandardCharsets.UTF_8);
        }
        bytes.write(b);
      }
      return null;
    }
  }
}
