package dev.fathom.arch;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Checkpoint;
import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorLedger;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Supplier;
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
    return new Reading(checkpoint).read(new Weights.Source.Stored(checkpoint), dtype);
  }

  /// The model's structure without its weights: every tensor has its shape and takes no memory.
  ///
  /// @throws FathomException listing everything that is missing or not understood
  public static Transformer describe(Checkpoint checkpoint) {
    return new Reading(checkpoint).checked(new Weights.Source.Planned(), DType.F32);
  }

  /// A model over tensors in memory, which must outlive it: a function of its parameters. Where
  /// gradients are recorded, they reach the given tensors through everything the family does to
  /// them (parts of fused maps, transposition, conversion to `dtype`), so a training step builds
  /// the model anew from what the last one left.
  ///
  /// @param config as in config.json
  /// @param name what the model is called in results
  /// @param tensors by the names of a checkpoint
  /// @throws FathomException listing everything that is missing or not understood
  public static Transformer over(
      ObjectNode config, String name, SequencedMap<String, Tensor> tensors, DType dtype) {
    var infos = new LinkedHashMap<String, TensorInfo>();
    tensors.forEach((key, tensor) -> {
      List<Long> shape = Arrays.stream(tensor.shape()).boxed().toList();
      infos.put(key, new TensorInfo(key, TensorType.F32, shape, 0, tensor.bytes()));
    });
    return new Reading(config, name, infos, () -> "")
        .checked(new Weights.Source.Given(tensors), dtype);
  }

  /// Names and shapes of the tensors that make the model of this checkpoint, in the family's order:
  /// all but constants and copies of tied weights.
  public static SequencedMap<String, List<Long>> shapes(Checkpoint checkpoint) {
    return new Reading(checkpoint).wanted();
  }

  /// How the tensors of this checkpoint are spelt there, by the names its family gives them, which
  /// are those of [dev.fathom.model.Linear.Origin].
  public static Map<String, String> spellings(Checkpoint checkpoint) {
    return new Reading(checkpoint).spellings();
  }

  /// A copy of one tensor of a checkpoint in memory.
  public static Tensor read(Checkpoint checkpoint, String name, DType dtype) {
    TensorInfo info = checkpoint.tensors().get(name);
    if (info == null) {
      throw new FathomException("%s: has no tensor '%s'".formatted(checkpoint.path(), name));
    }
    return Weights.copy(checkpoint, info, dtype);
  }

  /// Names and shapes of the tensors a model of this configuration needs, in the family's order.
  public static SequencedMap<String, List<Long>> shapes(ObjectNode config) {
    var reading = new Reading(config, "this configuration", new LinkedHashMap<>(), () -> "");
    return reading.wanted();
  }

  /// One reading of a configuration and tensors by the family that knows them.
  private record Reading(
      ObjectNode config,
      String name,
      SequencedMap<String, TensorInfo> tensors,
      Supplier<String> sha256) {
    Reading(Checkpoint checkpoint) {
      this(checkpoint.config(), checkpoint.name(), checkpoint.tensors(), checkpoint::sha256);
    }

    Transformer read(Weights.Source source, DType dtype) {
      Family family = family(config, name);
      return read(family, weights(family, source, dtype), dtype);
    }

    Transformer checked(Weights.Source source, DType dtype) {
      Family family = family(config, name);
      Weights weights = weights(family, source, dtype);
      try {
        Transformer model = read(family, weights, dtype);
        weights.ledger().finish();
        return model;
      } catch (RuntimeException e) {
        weights.close();
        throw e;
      }
    }

    SequencedMap<String, List<Long>> wanted() {
      Family family = family(config, name);
      try (var weights = weights(family, new Weights.Source.Planned(), DType.F32)) {
        family.reader().read(new ConfigReader(config, family.modelType()), weights);
        return weights.ledger().wanted();
      }
    }

    Map<String, String> spellings() {
      Family family = family(config, name);
      try (var weights = weights(family, new Weights.Source.Planned(), DType.F32)) {
        family.reader().read(new ConfigReader(config, family.modelType()), weights);
        return weights.ledger().spellings();
      }
    }

    private Transformer read(Family family, Weights weights, DType dtype) {
      Family.Parts parts =
          family.reader().read(new ConfigReader(config, family.modelType()), weights);
      var card =
          new Transformer.Card(
              family.modelType(),
              name,
              sha256,
              parts.context(),
              weights.parameters(),
              dtype,
              parts.causal(),
              labels(config, parts));
      return new Transformer(card, parts.embedding(), parts.blocks(), parts.head(), weights);
    }

    private Weights weights(Family family, Weights.Source source, DType dtype) {
      String file = String.valueOf(Path.of(name).getFileName());
      return new Weights(source, new TensorLedger(tensors, family.modelType(), file), dtype);
    }
  }

  private static Family family(ObjectNode config, String name) {
    String type = config.path("model_type").asString("");
    Family family =
        Families.of(type)
            .orElseThrow(() ->
                new FathomException(
                    "%s: model_type is '%s', which is not one of the families Fathom reads: %s"
                        .formatted(
                            name,
                            type,
                            String.join(
                                ", ", Families.ALL.stream().map(Family::modelType).toList()))));
    for (JsonNode architecture : config.path("architectures")) {
      String found = architecture.asString("");
      if (!family.architectures().contains(found)) {
        throw new FathomException(
            "%s: architecture %s is not supported for %s, only %s"
                .formatted(name, found, type, String.join(", ", family.architectures())));
      }
    }
    return family;
  }

  private static List<String> labels(ObjectNode config, Family.Parts parts) {
    if (!(parts.head() instanceof dev.fathom.model.Head.Classifier)) {
      return List.of();
    }
    JsonNode names = config.path("id2label");
    var labels = new ArrayList<String>();
    for (long i = 0; i < parts.head().out().out(); i++) {
      labels.add(names.path(Long.toString(i)).asString("LABEL_" + i));
    }
    return labels;
  }
}
