package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import dev.fathom.Sha256;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/// Tensors that are computed once and kept in a safetensors file, called after a digest of whatever
/// decides their numbers; the whole digest is in its metadata as `fathom.kept`. History: version 1
/// is the first.
public final class KeptFile {
  private static final String VERSION = "1";
  private static final String KEY = "fathom.kept";

  private KeptFile() {}

  /// The open file; computed where it is not there yet, or is half a file.
  ///
  /// @param directory made if it is not there
  /// @param name what it holds, one word
  /// @param decides whatever the numbers depend on
  /// @param compute appends all tensors of `specs`, in their order
  /// @throws FathomException if the file cannot be written
  public static SafetensorsFile of(
      Path directory,
      String name,
      String decides,
      List<TensorSpec> specs,
      Consumer<WeightWriter> compute) {
    String key = Sha256.of(VERSION + "\n" + name + "\n" + decides);
    Path path = directory.resolve("%s-%.16s.safetensors".formatted(name, key));
    if (!holds(path, key, specs)) {
      try {
        Files.createDirectories(directory);
      } catch (IOException e) {
        throw new FathomException(directory + ": cannot be made (" + e.getMessage() + ")", e);
      }
      try (var writer = SafetensorsWriter.create(path, specs, Map.of(KEY, key))) {
        compute.accept(writer);
        writer.commit();
      }
    }
    return SafetensorsFile.open(path);
  }

  private static boolean holds(Path path, String key, List<TensorSpec> specs) {
    if (!Files.exists(path)) {
      return false;
    }
    try (var file = SafetensorsFile.open(path)) {
      return key.equals(file.metadata().get(KEY))
          && specs.stream()
              .allMatch(spec -> {
                TensorInfo info = file.tensors().get(spec.name());
                return info != null
                    && info.type() == spec.type()
                    && info.shape().equals(spec.shape());
              });
    } catch (FathomException e) {
      return false; // half a file, or another program's: it is made anew
    }
  }
}
