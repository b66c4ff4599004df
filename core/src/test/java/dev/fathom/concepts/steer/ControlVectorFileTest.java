package dev.fathom.concepts.steer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import dev.fathom.align.Fittings;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.GgufFile;
import dev.fathom.checkpoint.GgufValue;
import dev.fathom.checkpoint.GgufWriter;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.model.Kind;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ControlVectorFileTest {
  @TempDir private Path folder = Path.of("");

  private static SteeringVector vector(Transformer model, int... layers) {
    var directions = new TreeMap<Integer, Direction>();
    for (int layer : layers) {
      directions.put(layer, Steered.direction(model.dModel(), layer));
    }
    Card card =
        Card.of(SteeringVector.KIND, "test", model.card().name(), model.card().sha256().get());
    return new SteeringVector("joy", Kind.RESID_POST, directions, card);
  }

  /// A file as others write it.
  private Path file(String architecture, Map<String, float[]> tensors) {
    Path path = folder.resolve("other.gguf");
    var specs =
        tensors.entrySet().stream()
            .map(e -> TensorSpec.of(e.getKey(), TensorType.F32, e.getValue().length))
            .toList();
    var metadata = new LinkedHashMap<String, GgufValue>();
    metadata.put("general.architecture", GgufValue.string(architecture));
    metadata.put("controlvector.model_hint", GgufValue.string("llama"));
    metadata.put("controlvector.layer_count", GgufValue.uint32(tensors.size()));
    try (var writer = GgufWriter.create(path, specs, metadata);
        var scope = Scope.withoutGradients()) {
      tensors.forEach(
          (name, values) -> writer.append(name, Tensor.of(values, values.length).memory()));
      writer.commit();
    }
    return path;
  }

  @Test
  void whatIsWrittenIsRead() {
    try (var model = Fittings.load("llama", DType.F32)) {
      SteeringVector vector = vector(model, 1, 2);
      Path path = folder.resolve("joy.gguf");
      ControlVectorFile.write(path, vector, 4, "llama");
      SteeringVector read = ControlVectorFile.read(path, model);
      assertThat(read.name()).isEqualTo("joy");
      assertThat(read.site()).isEqualTo(Kind.RESID_POST);
      assertThat(read.layers()).containsExactly(1, 2);
      for (int layer : read.layers()) {
        assertThat(read.at(layer).step(1)).containsExactly(vector.at(layer).step(4), within(1e-6));
      }
      double[] steered = Steered.logits(SteeredModel.of(model, vector.added(4)), Steered.IDS);
      assertThat(Steered.logits(SteeredModel.of(model, read.added(1)), Steered.IDS))
          .containsExactly(steered, within(1e-4));
      try (var file = GgufFile.open(path)) {
        assertThat(file.metadata())
            .containsEntry("general.architecture", "controlvector")
            .containsEntry("controlvector.model_hint", "llama")
            .containsEntry("controlvector.layer_count", 2L);
        assertThat(file.tensors()).containsOnlyKeys("direction.1", "direction.2");
        assertThat(Objects.requireNonNull(file.tensors().get("direction.2")).shape())
            .containsExactly((long) model.dModel());
      }
      try (var other = Fittings.load("mistral", DType.F32)) {
        assertThatThrownBy(() -> ControlVectorFile.read(path, other))
            .isInstanceOf(FathomException.class)
            .hasMessageContaining("this steering was made from");
      }
    }
  }

  @Test
  void othersFilesAreReadWithTheirGapsAndZeros() {
    try (var model = Fittings.load("llama", DType.F32)) {
      float[] step = new float[model.dModel()];
      step[3] = -2;
      var tensors = new TreeMap<String, float[]>();
      tensors.put("direction.1", new float[model.dModel()]);
      tensors.put("direction.2", step);
      SteeringVector read = ControlVectorFile.read(file("controlvector", tensors), model);
      assertThat(read.layers()).containsExactly(2);
      assertThat(read.name()).isEqualTo("other");
      assertThat(read.at(2).spread()).isEqualTo(2);
      assertThat(read.at(2).step(1)[3]).isEqualTo(-2);
    }
  }

  @Test
  void hostileFilesAreRefused() {
    try (var model = Fittings.load("llama", DType.F32)) {
      float[] sound = new float[model.dModel()];
      sound[0] = 1;
      float[] broken = sound.clone();
      broken[5] = Float.NaN;
      refuses(model, file("llama", Map.of("direction.1", sound)), "expected a control vector");
      refuses(model, file("controlvector", Map.of()), "no direction but zeros");
      refuses(
          model,
          file("controlvector", Map.of("direction.1", new float[sound.length])),
          "no direction but zeros");
      refuses(
          model,
          file("controlvector", Map.of("direction.1", new float[] {1, 2})),
          "as wide as this model, found [2] F32");
      refuses(model, file("controlvector", Map.of("direction.0", sound)), "no block that can be");
      refuses(model, file("controlvector", Map.of("direction.400", sound)), "no block that can be");
      refuses(
          model,
          file("controlvector", Map.of("direction.1", sound, "direction.01", sound)),
          "has two directions");
      refuses(model, file("controlvector", Map.of("token_embd.weight", sound)), "direction.1, ");
      refuses(
          model,
          file("controlvector", Map.of("direction.1", broken)),
          "not all numbers: value 5 is NaN");
    }
  }

  private static void refuses(Transformer model, Path file, String sentence) {
    assertThatThrownBy(() -> ControlVectorFile.read(file, model))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining(sentence);
  }

  @Test
  void whatHasNoPlaceInSuchAFileIsNotWritten() {
    try (var model = Fittings.load("llama", DType.F32)) {
      Path path = folder.resolve("no.gguf");
      SteeringVector vector = vector(model, 0, 1);
      assertThatThrownBy(() -> ControlVectorFile.write(path, vector, 1, "llama"))
          .hasMessageContaining("leave layer 0 out");
      var elsewhere = new SteeringVector("joy", Kind.MLP_OUT, vector.directions(), vector.card());
      assertThatThrownBy(() -> ControlVectorFile.write(path, elsewhere, 1, "llama"))
          .hasMessageContaining("was read at mlp_out");
      assertThatThrownBy(() -> ControlVectorFile.write(path, vector.only(List.of(1)), 0, "llama"))
          .hasMessageContaining("does nothing");
      assertThat(path).doesNotExist();
    }
  }
}
