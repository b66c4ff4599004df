package dev.fathom.train;

import dev.fathom.arch.Models;
import dev.fathom.model.Block;
import dev.fathom.model.Head;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.HashSet;
import java.util.Set;
import java.util.SplittableRandom;
import tools.jackson.databind.node.ObjectNode;

/// A model's weights before any training, the same on every machine for a seed: matrices normal
/// with deviation `deviation`, those that write to the residual stream divided by √(2 layers)
/// (Radford et al. 2019, section 2.3), gains 1, biases 0.
public final class Initialization {
  private final Set<String> writers = new HashSet<>();
  private final double writing;
  private final double deviation;
  private final double gain;

  private Initialization(Transformer zeros, double deviation) {
    for (Block block : zeros.blocks()) {
      writers.add(block.attention().out().origin().tensor());
      writers.add(block.mlp().out().origin().tensor());
    }
    this.deviation = deviation;
    this.writing = deviation / Math.sqrt(2.0 * zeros.layers());
    this.gain = 1 - gainOfZero(zeros.head());
  }

  /// @param config as in config.json, of any family
  /// @param deviation usually 0.02
  public static Parameters random(ObjectNode config, long seed, double deviation) {
    var parameters = Parameters.zeros(Models.shapes(config), DType.F32);
    try (var scope = Scope.withoutGradients()) {
      Initialization rule;
      try (var zeros = Models.over(config, "new", parameters.tensors(), DType.F32)) {
        rule = new Initialization(zeros, deviation);
      }
      parameters
          .tensors()
          .forEach((name, part) -> rule.fill(name, part, new SplittableRandom(seed ^ hash(name))));
    }
    return parameters;
  }

  /// What a stored 0 means as a gain: 0, or 1 where gains are stored less one (Gemma).
  private static double gainOfZero(Head head) {
    return head instanceof Head.Unembedding(var norm, _, _, _) && norm != null
        ? norm.gain().select(0, 0).item()
        : 0;
  }

  private void fill(String name, Tensor part, SplittableRandom random) {
    if (part.dim() > 1) {
      double scale = writers.contains(name) ? writing : deviation;
      float[] values = new float[Math.toIntExact(part.elements())];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) (scale * random.nextGaussian());
      }
      part.copyInPlace(Tensor.of(values, part.shape()));
    } else if (!name.endsWith("bias")) {
      part.copyInPlace(Tensor.full(gain, part.dtype(), part.shape()));
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
