package dev.fathom.arch;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Checkpoint;
import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.checkpoint.TensorLedger;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// Loads a model of any family from a checkpoint on disk.
public final class Models {
  private Models() {}

  /// A family Fathom reads: `model_type` of its config.json and what people call it.
  public record Supported(String modelType, String title) {}

  public static List<Supported> families() {
    return Families.ALL.stream().map(f -> new Supported(f.modelType(), f.title())).toList();
  }

  /// Loads a directory with config.json and safetensors, or a .gguf file. Weights that already have
  /// this element type are mapped, not copied.
  ///
  /// @param dtype F32 or BF16 (F64 for oracles)
  /// @throws FathomException if the checkpoint is damaged, or holds anything its family does not
  ///   know
  public static Transformer load(Path path, DType dtype) {
    Checkpoint checkpoint = Checkpoint.open(path);
    try {
      return load(checkpoint, dtype);
    } catch (RuntimeException | Error e) {
      checkpoint.close();
      throw e;
    }
  }

  /// The same from an open checkpoint, which the model closes.
  public static Transformer load(Checkpoint checkpoint, DType dtype) {
    describe(checkpoint); // refuse what does not fit before reading any weight
    Family family = family(checkpoint);
    var weights = weights(checkpoint, family, dtype, false);
    Family.Parts parts = family.reader().read(config(checkpoint, family), weights);
    return transformer(checkpoint, family, dtype, weights, parts);
  }

  /// The model's structure without its weights: every tensor has its shape and takes no memory.
  ///
  /// @throws FathomException listing everything that is missing or not understood
  public static Transformer describe(Checkpoint checkpoint) {
    Family family = family(checkpoint);
    var weights = weights(checkpoint, family, DType.F32, true);
    Family.Parts parts = family.reader().read(config(checkpoint, family), weights);
    weights.ledger().finish();
    return transformer(checkpoint, family, DType.F32, weights, parts);
  }

  private static Transformer transformer(
      Checkpoint checkpoint, Family family, DType dtype, Weights weights, Family.Parts parts) {
    var card =
        new Transformer.Card(
            family.modelType(),
            checkpoint.path().toString(),
            checkpoint::sha256,
            parts.context(),
            weights.parameters(),
            dtype,
            parts.causal(),
            labels(checkpoint, parts));
    return new Transformer(card, parts.embedding(), parts.blocks(), parts.head(), weights);
  }

  private static Weights weights(
      Checkpoint checkpoint, Family family, DType dtype, boolean planning) {
    var ledger =
        new TensorLedger(
            checkpoint.tensors(),
            family.modelType(),
            String.valueOf(checkpoint.path().getFileName()));
    return new Weights(checkpoint, ledger, dtype, planning);
  }

  private static ConfigReader config(Checkpoint checkpoint, Family family) {
    return new ConfigReader(checkpoint.config(), family.modelType());
  }

  private static Family family(Checkpoint checkpoint) {
    ObjectNode config = checkpoint.config();
    String type = config.path("model_type").asString("");
    Family family =
        Families.of(type)
            .orElseThrow(() ->
                new FathomException(
                    "%s: model_type is '%s', which is not one of the families Fathom reads: %s"
                        .formatted(
                            checkpoint.path(),
                            type,
                            String.join(
                                ", ", Families.ALL.stream().map(Family::modelType).toList()))));
    for (JsonNode architecture : config.path("architectures")) {
      String name = architecture.asString("");
      if (!family.architectures().contains(name)) {
        throw new FathomException(
            "%s: architecture %s is not supported for %s, only %s"
                .formatted(
                    checkpoint.path(), name, type, String.join(", ", family.architectures())));
      }
    }
    return family;
  }

  private static List<String> labels(Checkpoint checkpoint, Family.Parts parts) {
    if (!(parts.head() instanceof dev.fathom.model.Head.Classifier)) {
      return List.of();
    }
    JsonNode names = checkpoint.config().path("id2label");
    var labels = new ArrayList<String>();
    for (long i = 0; i < parts.head().out().out(); i++) {
      labels.add(names.path(Long.toString(i)).asString("LABEL_" + i));
    }
    return labels;
  }
}
