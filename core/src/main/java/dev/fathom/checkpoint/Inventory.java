package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Stream;

/// What lies in weight files, whatever they belong to: names, types and sizes as stored, and the
/// values one by one. A model is opened with [Checkpoint] instead.
///
/// ```java
/// try (var inventory = Inventory.open(Path.of("model.gguf"))) {
///   inventory.extract("token_embd.weight", Path.of("embedding.safetensors"));
/// }
/// ```
public final class Inventory implements AutoCloseable {
  private static final String INDEX_ENDING = ".index.json";

  private final Path path;
  private final List<WeightFile> files;
  private final SequencedMap<String, Entry> entries = new LinkedHashMap<>();

  /// A tensor and the file that it lies in.
  public record Entry(TensorInfo info, WeightFile file) {}

  private Inventory(Path path, List<WeightFile> files) {
    this.path = path;
    this.files = List.copyOf(files);
    for (WeightFile file : files) {
      for (TensorInfo info : file.tensors().values()) {
        if (entries.putIfAbsent(info.name(), new Entry(info, file)) != null) {
          throw new FathomException(
              "%s: tensor '%s' lies in several files.".formatted(path, info.name()));
        }
      }
    }
  }

  /// Opens a safetensors file, a GGUF file, an index of shards (`….index.json`), or a directory
  /// with any of these.
  ///
  /// @throws FathomException if there is none, or one is not sound
  public static Inventory open(Path path) {
    if (!Files.exists(path)) {
      throw new FathomException(path + ": there is no such file.");
    }
    List<Path> parts = parts(path);
    var files = new ArrayList<WeightFile>();
    try {
      for (Path part : parts) {
        files.add(GgufFile.looksLike(part) ? GgufFile.open(part) : SafetensorsFile.open(part));
      }
      return new Inventory(path, files);
    } catch (Throwable e) {
      files.forEach(WeightFile::close);
      throw e;
    }
  }

  private static List<Path> parts(Path path) {
    if (Files.isDirectory(path)) {
      return inDirectory(path);
    }
    String name = String.valueOf(path.getFileName());
    if (name.endsWith(INDEX_ENDING)) {
      return shards(path);
    }
    if (name.endsWith(".bin") || name.endsWith(".pt") || name.endsWith(".pth")) {
      throw new FathomException(
          path + ": a Python pickle, which is a program; convert it to safetensors first.");
    }
    return List.of(path);
  }

  private static List<Path> shards(Path index) {
    Path directory = index.toAbsolutePath().getParent();
    return ShardIndex.read(index).files().values().stream()
        .distinct()
        .sorted()
        .map(file -> directory == null ? Path.of(file) : directory.resolve(file))
        .toList();
  }

  private static List<Path> inDirectory(Path directory) {
    Path index = directory.resolve(ShardIndex.NAME);
    Path single = directory.resolve(Checkpoint.SINGLE);
    if (Files.exists(single)) {
      return List.of(single);
    }
    if (Files.exists(index)) {
      return shards(index);
    }
    for (String ending : List.of(".safetensors", ".gguf")) {
      List<Path> found = list(directory, ending);
      if (found.size() == 1) {
        return found;
      }
      if (!found.isEmpty()) {
        throw new FathomException(
            "%s: holds %d %s files; name the one to open."
                .formatted(directory, found.size(), ending));
      }
    }
    throw new FathomException(directory + ": no .safetensors and no .gguf file in it.");
  }

  private static List<Path> list(Path directory, String ending) {
    try (Stream<Path> entries = Files.list(directory)) {
      return entries.filter(file -> file.toString().endsWith(ending)).sorted().toList();
    } catch (IOException e) {
      throw new FathomException(directory + " cannot be read: " + e.getMessage(), e);
    }
  }

  /// What was opened.
  public Path path() {
    return path;
  }

  /// The files, in the order of their names.
  public List<WeightFile> files() {
    return files;
  }

  /// `gguf` or `safetensors`.
  public String format() {
    return files.getFirst() instanceof GgufFile ? "gguf" : "safetensors";
  }

  /// All tensors by name, in the order of the files.
  public SequencedMap<String, Entry> tensors() {
    return Collections.unmodifiableSequencedMap(entries);
  }

  /// The metadata of all files; of several, the first that has a key counts.
  public Map<String, Object> metadata() {
    var metadata = new LinkedHashMap<String, Object>();
    files.forEach(file -> file.metadata().forEach(metadata::putIfAbsent));
    return Collections.unmodifiableMap(metadata);
  }

  /// Writes one tensor, under its own name, as F32 to a safetensors file.
  ///
  /// @throws IllegalArgumentException if there is no tensor of this name
  /// @throws FathomException if the file cannot be written
  public void extract(String name, Path target) {
    Entry entry = entries.get(name);
    if (entry == null) {
      throw new IllegalArgumentException(
          "%s has no tensor '%s'%s".formatted(path, name, Suggestion.of(name, entries.keySet())));
    }
    TensorInfo info = entry.info();
    var spec = new TensorSpec(name, TensorType.F32, info.shape());
    try (var arena = Arena.ofShared();
        var writer = SafetensorsWriter.create(target, List.of(spec), Map.of("format", "pt"))) {
      MemorySegment values = arena.allocate(Math.max(spec.bytes(), 1), 64);
      Dequantizer.toF32(info.type(), entry.file().bytes(name), info.elements(), values);
      writer.append(name, values.asSlice(0, spec.bytes()));
      writer.commit();
    }
  }

  @Override
  public void close() {
    files.forEach(WeightFile::close);
  }
}
