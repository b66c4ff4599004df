package dev.fathom.concepts;

import dev.fathom.align.Basis;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.concepts.Dictionary.Entry;
import dev.fathom.concepts.Dictionary.Measure;
import dev.fathom.model.Kind;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// A small dictionary on disk, of directions drawn at random and at right angles.
public final class ConceptFixtures {
  public static final List<String> NAMES = List.of("joy", "anger", "calm");

  /// The spread of every direction.
  public static final double SPREAD = 0.5;

  private ConceptFixtures() {}

  /// Writes one of layers 0 to 2, of which layer 1 is read best; *calm* has no direction at layer
  /// 2.
  public static Dictionary write(Path folder, Transformer model) {
    int width = model.dModel();
    List<Integer> layers = List.of(0, 1, 2);
    Card card =
        Card.of(Dictionary.KIND, "random", model.card().name(), model.card().sha256().get());
    try (var scope = Scope.withoutGradients()) {
      Files.createDirectories(folder);
      var entries = NAMES.stream().map(name -> new Entry(name, Optional.empty(), 4, 2)).toList();
      Files.writeString(
          folder.resolve(Dictionary.INDEX),
          Dictionary.index(Kind.RESID_POST, layers, entries).toString());
      for (int layer : layers) {
        Tensor rows = Basis.random(NAMES.size(), width, layer).matrix();
        if (layer == 2) {
          rows = Tensor.cat(List.of(rows.narrow(0, 0, 2), Tensor.zeros(DType.F64, 1, width)), 0);
        }
        var specs = Dictionary.specs(NAMES.size(), width);
        try (var writer =
            SafetensorsWriter.create(
                Dictionary.layerFile(folder, layer, NAMES.size()), specs, card.toMetadata())) {
          writer.append(Dictionary.DIRECTION, rows.to(DType.F32).contiguous().memory());
          writer.append(Dictionary.MEAN, Tensor.full(0.1, DType.F32, NAMES.size(), width).memory());
          for (Measure measure : Measure.values()) {
            float[] values = new float[NAMES.size()];
            Arrays.fill(
                values,
                switch (measure) {
                  case AUC -> layer == 1 ? 0.9f : 0.7f;
                  case SPREAD -> (float) SPREAD;
                  default -> 0.5f;
                });
            writer.append(measure.tensor(), Tensor.of(values, values.length).memory());
          }
          writer.commit();
        }
      }
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
    return Dictionary.open(folder);
  }
}
