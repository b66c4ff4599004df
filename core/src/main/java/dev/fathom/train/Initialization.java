package dev.fathom.train;

import dev.fathom.arch.Models;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.List;
import java.util.SplittableRandom;
import tools.jackson.databind.node.ObjectNode;

/// A model's weights before any training, the same on every machine for a seed: matrices normal
/// with deviation `deviation`, those that write to the residual stream divided by √(2 layers)
/// (Radford et al. 2019, section 2.3), gains 1, biases 0.
public final class Initialization {
  private static final List<String> WRITERS =
      List.of("o_proj", "down_proj", "c_proj", "out_proj", "fc_out", "fc2", "dense_4h_to_h");

  private Initialization() {}

  /// @param config as in config.json, of any family
  /// @param deviation usually 0.02
  public static Parameters random(ObjectNode config, long seed, double deviation) {
    var parameters = Parameters.zeros(Models.shapes(config), DType.F32);
    int layers = config.path("num_hidden_layers").asInt(config.path("n_layer").asInt(1));
    try (var scope = Scope.withoutGradients()) {
      parameters
          .tensors()
          .forEach((name, part) ->
              fill(name, part, new SplittableRandom(seed ^ hash(name)), deviation, layers));
    }
    return parameters;
  }

  private static void fill(
      String name, Tensor part, SplittableRandom random, double deviation, int layers) {
    if (part.dim() > 1) {
      boolean writes = WRITERS.stream().anyMatch(name::contains);
      double scale = writes ? deviation / Math.sqrt(2.0 * layers) : deviation;
      float[] values = new float[Math.toIntExact(part.elements())];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) (scale * random.nextGaussian());
      }
      part.copyInPlace(Tensor.of(values, part.shape()));
    } else if (!name.endsWith("bias")) {
      part.copyInPlace(Tensor.full(1, part.dtype(), part.shape()));
    }
  }

  /// A 64-bit FNV-1a hash, so that each tensor has numbers of its own.
  private static long hash(String name) {
    long hash = 0xcbf29ce484222325L;
    for (int i = 0; i < name.length(); i++) {
      hash = (hash ^ name.charAt(i)) * 0x100000001b3L;
    }
    return hash;
  }
}
