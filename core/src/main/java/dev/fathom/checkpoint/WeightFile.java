package dev.fathom.checkpoint;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Map;

/// One weight file, mapped into memory: names, shapes and raw bytes, exactly as stored.
///
/// Everything about the header has been checked when a `WeightFile` exists: each tensor lies inside
/// the file, has the size that its shape and type ask for, and shares no byte with another.
/// Segments are read-only views of the mapping; they die with [#close()]. Safe for use by several
/// threads.
public sealed interface WeightFile extends AutoCloseable permits SafetensorsFile, GgufFile {
  /// The file.
  Path path();

  /// The tensors by name, in the order in which the header lists them.
  Map<String, TensorInfo> tensors();

  /// The tensor called `name`.
  ///
  /// @throws IllegalArgumentException if the file has no tensor of this name
  default TensorInfo tensor(String name) {
    TensorInfo info = tensors().get(name);
    if (info == null) {
      throw new IllegalArgumentException(
          "%s has no tensor '%s'%s"
              .formatted(path(), name, Suggestion.of(name, tensors().keySet())));
    }
    return info;
  }

  /// What the file says beside its tensors. Safetensors: strings. GGUF: see [GgufValue#value()].
  Map<String, Object> metadata();

  /// The bytes of a tensor, mapped and read-only.
  ///
  /// @throws IllegalArgumentException if the file has no tensor of this name
  MemorySegment bytes(String name);

  /// Unmaps the file. Segments handed out before cannot be read any more.
  @Override
  void close();

  /// The safetensors or GGUF file at `path`, told apart by its first bytes.
  ///
  /// @throws dev.fathom.FathomException if the file cannot be read or is neither
  static WeightFile open(Path path) {
    return GgufFile.looksLike(path) ? GgufFile.open(path) : SafetensorsFile.open(path);
  }
}
