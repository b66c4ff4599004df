package dev.fathom.checkpoint;

import dev.fathom.view.Grid;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/// Writes the arrays of a result as a safetensors file: reals as F32, integers as I64, under their
/// own names.
public final class ArrayFile {
  private ArrayFile() {}

  /// @throws dev.fathom.FathomException if the file cannot be written; nothing is left then
  public static void write(Path path, SequencedMap<String, Grid> arrays) {
    List<TensorSpec> specs =
        arrays.entrySet().stream().map(e -> spec(e.getKey(), e.getValue())).toList();
    try (var writer = SafetensorsWriter.create(path, specs, Map.of("format", "pt"))) {
      arrays.forEach((name, grid) -> {
        if (grid.isInteger()) {
          writer.append(name, MemorySegment.ofArray(grid.integers()));
        } else {
          writer.append(name, grid.values());
        }
      });
      writer.commit();
    }
  }

  private static TensorSpec spec(String name, Grid grid) {
    long[] shape = Arrays.stream(grid.shape()).asLongStream().toArray();
    return TensorSpec.of(name, grid.isInteger() ? TensorType.I64 : TensorType.F32, shape);
  }
}
