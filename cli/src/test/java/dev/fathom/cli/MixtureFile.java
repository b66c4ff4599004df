package dev.fathom.cli;

import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;

/// A mixture of a model's last three layers that nobody has trained.
final class MixtureFile {
  private MixtureFile() {}

  /// One of the bundled model.
  static String in(Path folder) {
    return in(folder, "tidepool");
  }

  static String in(Path folder, String name) {
    Path file = folder.resolve("mod.safetensors");
    try (var checkpoint = ModelLocation.of(name).open(FakeTerminal.piped().console());
        Transformer model = Models.load(checkpoint, DType.F32)) {
      Card card =
          Card.of("mod", "test", model.card().name(), model.card().sha256().get())
              .with("late", "3")
              .with("top_k", "3")
              .with("own_norms", "false")
              .with("train_final_norm", "false")
              .with("norm_router_input", "false")
              .with("uniform", "false");
      var router = TensorSpec.of("router.weight", TensorType.F32, model.dModel(), 3);
      float[] weights = new float[model.dModel() * 3];
      var random = new Random(5);
      for (int i = 0; i < weights.length; i++) {
        weights[i] = (float) random.nextGaussian();
      }
      try (var writer = SafetensorsWriter.create(file, List.of(router), card.toMetadata())) {
        writer.append("router.weight", weights);
        writer.commit();
      }
    }
    return file.toString();
  }
}
