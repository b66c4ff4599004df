package dev.fathom.concepts.steer;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.GgufFile;
import dev.fathom.checkpoint.GgufValue;
import dev.fathom.checkpoint.GgufWriter;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.model.Kind;
import dev.fathom.model.Transformer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Control vectors as llama.cpp keeps them (`--control-vector FILE`, `--control-vector-scaled
/// FILE:SCALE`).
///
/// ## File
///
/// A GGUF file without weights. `general.architecture` is `controlvector`;
/// `controlvector.model_hint` names the family, and `controlvector.layer_count` says how many
/// directions there are: llama.cpp reads neither. Tensors `direction.N`, F32 `[width]`: SCALE times
/// it is added to the stream that leaves block N, blocks counted from 0, at every token: to
/// `resid_post.N`. llama.cpp refuses `direction.0`, so that what leaves the first block cannot be
/// steered, and takes a layer without a tensor as not steered.
///
/// Fathom writes its [Card] beside them, and refuses a file whose card is of other weights. A file
/// without one is taken for any model that is as wide and deep. A direction's length is its spread
/// then: a strength of 1 is llama.cpp's scale 1.
public final class ControlVectorFile {
  private static final String ARCHITECTURE = "controlvector";
  private static final String ARCHITECTURE_KEY = "general.architecture";
  private static final String HINT_KEY = ARCHITECTURE + ".model_hint";
  private static final String COUNT_KEY = ARCHITECTURE + ".layer_count";
  private static final Pattern NAME = Pattern.compile("direction\\.(\\d{1,6})");
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private ControlVectorFile() {}

  /// Why such a file has no place for steps of a strength, a sentence: another site than the stream
  /// after a block, the first block, or no step at all. Empty where it has.
  public static Optional<String> refusal(SteeringVector vector, double strength) {
    if (vector.site() != Kind.RESID_POST) {
      return Optional.of(
          "a control vector is added to the stream after a block, resid_post; '%s' was read at %s"
              .formatted(vector.name(), vector.site().text()));
    }
    if (vector.directions().containsKey(0)) {
      return Optional.of(
          "a control vector steers what leaves blocks 1 and later, not 0: leave layer 0 out, such as by --layers 1-%d"
              .formatted(Math.max(1, vector.directions().lastKey())));
    }
    return strength == 0 || !Double.isFinite(strength)
        ? Optional.of("a control vector of strength %s does nothing".formatted(strength))
        : Optional.empty();
  }

  /// Writes steps of a strength, whole or not at all; llama.cpp makes them at scale 1.
  ///
  /// @param family as llama.cpp calls it, for people
  /// @throws IllegalArgumentException if it has no place for them, as [#refusal] says
  /// @throws FathomException if the file cannot be written
  public static void write(Path path, SteeringVector vector, double strength, String family) {
    refusal(vector, strength)
        .ifPresent(reason -> {
          throw new IllegalArgumentException(reason);
        });
    Map<String, GgufValue> metadata = new LinkedHashMap<>();
    metadata.put(ARCHITECTURE_KEY, GgufValue.string(ARCHITECTURE));
    metadata.put("general.type", GgufValue.string(ARCHITECTURE));
    metadata.put(HINT_KEY, GgufValue.string(family));
    metadata.put(COUNT_KEY, GgufValue.uint32(vector.directions().size()));
    vector
        .card()
        .with("name", vector.name())
        .with("strength", Double.toString(strength))
        .toMetadata()
        .forEach((key, value) -> metadata.put(key, GgufValue.string(value)));
    var specs = new ArrayList<TensorSpec>();
    vector
        .directions()
        .forEach((layer, direction) ->
            specs.add(TensorSpec.of("direction." + layer, TensorType.F32, direction.width())));
    try (var writer = GgufWriter.create(path, specs, metadata)) {
      vector
          .directions()
          .forEach((layer, direction) ->
              writer.append("direction." + layer, bytes(direction.step(strength))));
      writer.commit();
    }
  }

  private static MemorySegment bytes(double[] values) {
    MemorySegment bytes = MemorySegment.ofArray(new byte[Math.multiplyExact(4, values.length)]);
    for (int i = 0; i < values.length; i++) {
      bytes.setAtIndex(FLOAT, i, (float) values[i]);
    }
    return bytes;
  }

  /// Reads a control vector for a model. It is named as its card says, or as the file is.
  ///
  /// @throws FathomException if the file is no control vector, or one of another model, width or
  ///   depth, or has values that are no numbers
  public static SteeringVector read(Path path, Transformer model) {
    try (var file = GgufFile.open(path)) {
      String architecture = String.valueOf(file.metadata().get(ARCHITECTURE_KEY));
      if (!architecture.equals(ARCHITECTURE)) {
        throw new FathomException(
            "%s: expected a control vector (%s: %s), found %s"
                .formatted(path, ARCHITECTURE_KEY, ARCHITECTURE, architecture));
      }
      var directions = new TreeMap<Integer, Direction>();
      for (TensorInfo info : file.tensors().values()) {
        int layer = layer(path, info, model);
        double[] step = step(path, info, file.bytes(info.name()));
        if (isSomething(step) && directions.put(layer, Direction.of(step)) != null) {
          throw new FathomException("%s: layer %d has two directions".formatted(path, layer));
        }
      }
      if (directions.isEmpty()) {
        throw new FathomException(
            "%s: it has no direction but zeros: there is nothing to steer along".formatted(path));
      }
      return vector(path, file, directions, model);
    }
  }

  private static SteeringVector vector(
      Path path, GgufFile file, TreeMap<Integer, Direction> directions, Transformer model) {
    if (Card.isIn(file.metadata())) {
      Card card =
          Card.fromMetadata(file.metadata(), path)
              .requireKind(SteeringVector.KIND, path)
              .requireBase(model.card().name(), model.card().sha256().get(), path);
      String name = card.parameters().getOrDefault("name", name(path));
      return new SteeringVector(name, Kind.RESID_POST, directions, card);
    }
    Card card =
        Card.of(
                SteeringVector.KIND,
                "control vector",
                model.card().name(),
                model.card().sha256().get())
            .with("model_hint", String.valueOf(file.metadata().getOrDefault(HINT_KEY, "none")))
            .withData(String.valueOf(path.getFileName()));
    return new SteeringVector(name(path), Kind.RESID_POST, directions, card);
  }

  private static String name(Path path) {
    return String.valueOf(path.getFileName()).replaceFirst("\\.gguf$", "");
  }

  private static int layer(Path path, TensorInfo info, Transformer model) {
    Matcher matcher = NAME.matcher(info.name());
    if (!matcher.matches()) {
      throw new FathomException(
          "%s: expected tensors direction.1, direction.2 and so on, found '%s'"
              .formatted(path, info.name()));
    }
    int layer = Integer.parseInt(matcher.group(1));
    if (layer == 0 || layer >= model.layers()) {
      throw new FathomException(
          "%s: '%s' is of no block that can be steered: this model has blocks 1 to %d after its first"
              .formatted(path, info.name(), model.layers() - 1));
    }
    if (info.type() != TensorType.F32 || !info.shape().equals(List.of((long) model.dModel()))) {
      throw new FathomException(
          "%s: expected '%s' of %d numbers in F32, as wide as this model, found %s %s"
              .formatted(path, info.name(), model.dModel(), info.shape(), info.type()));
    }
    return layer;
  }

  private static double[] step(Path path, TensorInfo info, MemorySegment bytes) {
    double[] step = new double[Math.toIntExact(bytes.byteSize() / 4)];
    for (int i = 0; i < step.length; i++) {
      step[i] = bytes.getAtIndex(FLOAT, i);
      if (!Double.isFinite(step[i])) {
        throw new FathomException(
            "%s: '%s' is not all numbers: value %d is %s".formatted(path, info.name(), i, step[i]));
      }
    }
    return step;
  }

  private static boolean isSomething(double[] step) {
    for (double x : step) {
      if (x != 0) {
        return true;
      }
    }
    return false;
  }
}
