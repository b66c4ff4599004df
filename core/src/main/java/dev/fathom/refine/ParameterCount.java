package dev.fathom.refine;

import dev.fathom.model.Transformer;
import java.util.List;

/// How many numbers a method learns, and how that compares (thesis, tables 5.1 and 5.2).
///
/// @param lora in low-rank steps
/// @param mod in the mixture: router and norms
/// @param model in the model itself
/// @param allLayers in the same steps on all layers; 0 where there are none
/// @param exceptLate in the same steps on all layers but the late ones; 0 where there are none
public record ParameterCount(long lora, long mod, long model, long allLayers, long exceptLate) {
  static ParameterCount of(Transformer model, Refinement.Config method) {
    Mod.Config mixed = method.mod().orElse(Mod.Config.lastLayer());
    int late = method.mod().isPresent() ? mixed.late() : method.watched();
    return new ParameterCount(
        count(Lora.shapes(model, method.loras()).values()),
        count(Mod.shapes(model, mixed).values()),
        model.card().parameters(),
        over(model, method, model.layers()),
        over(model, method, model.layers() - late));
  }

  private static long over(Transformer model, Refinement.Config method, int layers) {
    if (method.loras().size() != 1 || layers < 1) {
      return 0;
    }
    Lora everywhere = method.loras().getFirst().onLayers(0, layers);
    return count(Lora.shapes(model, List.of(everywhere)).values());
  }

  private static long count(Iterable<List<Long>> shapes) {
    long sum = 0;
    for (List<Long> shape : shapes) {
      sum += shape.stream().reduce(1L, Math::multiplyExact);
    }
    return sum;
  }

  /// All of them.
  public long learnt() {
    return lora + mod;
  }

  /// Of the model's own numbers.
  public double share() {
    return (double) learnt() / model;
  }

  /// What the mixture adds to steps on all but the late layers, as a share of those.
  public double modOverLora() {
    return exceptLate == 0 ? Double.NaN : (double) mod / exceptLate;
  }

  /// What steps on the late layers add to those on the others, as a share of those.
  public double lateOverLora() {
    return exceptLate == 0 ? Double.NaN : (double) (allLayers - exceptLate) / exceptLate;
  }
}
