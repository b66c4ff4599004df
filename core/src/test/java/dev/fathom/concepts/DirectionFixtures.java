package dev.fathom.concepts;

import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.concepts.Dictionary.Entry;
import dev.fathom.concepts.Dictionary.Measure;
import dev.fathom.model.Kind;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// Dictionaries on disk whose directions a test chooses.
public final class DirectionFixtures {
  /// The layer they have.
  public static final int LAYER = 3;

  private DirectionFixtures() {}

  /// Writes and opens one.
  ///
  /// @param model whose it is
  /// @param groups of each concept, empty for none
  /// @param rows `[concepts, width]`
  public static Dictionary write(
      Path folder, String model, List<String> names, List<String> groups, Tensor rows) {
    int count = names.size();
    int width = Math.toIntExact(rows.size(1));
    Card card = Card.of(Dictionary.KIND, "chosen", model, "sha of " + model);
    List<Entry> entries =
        IntStream.range(0, count)
            .mapToObj(i ->
                new Entry(names.get(i), Optional.of(groups.get(i)).filter(g -> !g.isEmpty()), 8, 2))
            .toList();
    try (var scope = Scope.withoutGradients()) {
      Files.createDirectories(folder);
      Files.writeString(
          folder.resolve(Dictionary.INDEX),
          Dictionary.index(Kind.RESID_POST, List.of(LAYER), entries).toString());
      try (var writer =
          SafetensorsWriter.create(
              Dictionary.layerFile(folder, LAYER, count),
              Dictionary.specs(count, width),
              card.toMetadata())) {
        writer.append(Dictionary.DIRECTION, rows.to(DType.F32).contiguous().memory());
        writer.append(Dictionary.MEAN, Tensor.zeros(DType.F32, count, width).memory());
        for (Measure measure : Measure.values()) {
          float[] values = new float[count];
          Arrays.fill(values, 0.75f);
          writer.append(measure.tensor(), Tensor.of(values, count).memory());
        }
        writer.commit();
      }
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
    return Dictionary.open(folder);
  }
}
