package dev.fathom.refine;

import dev.fathom.model.Linear;
import dev.fathom.model.Linears;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.train.Tape;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A frozen model with low-rank steps beside some of its maps: `y = W x + f · B (A x)`. The model
/// is shared, the steps are tensors that somebody learns.
final class AdaptedMaps {
  private AdaptedMaps() {}

  /// What is left out of the steps' inputs at random.
  ///
  /// @param seed tells this pass from others: the same seed leaves out the same
  record Dropout(long seed) {
    /// Ones and zeros over `1 − p`, shaped as x.
    Tensor mask(double p, int map, Tensor x) {
      long own = seed * 0x9E3779B97F4A7C15L + map;
      return Tensor.bernoulli(1 - p, own, x.shape()).mulInPlace(1 / (1 - p));
    }
  }

  /// @param tensors by the names of [Lora#shapes]
  /// @param tape for training; without one gradients are the library's, or not wanted
  /// @param dropout null outside training
  static Transformer of(
      Transformer model,
      List<Lora> loras,
      Map<String, Tensor> tensors,
      @Nullable Tape tape,
      @Nullable Dropout dropout) {
    var steps = new IdentityHashMap<Linear, Step>();
    int number = 0;
    for (Lora.Adapted adapted : Lora.adapted(model, loras)) {
      steps.put(
          adapted.place().linear(),
          new Step(
              number++,
              Objects.requireNonNull(tensors.get(adapted.name() + Lora.A)),
              Objects.requireNonNull(tensors.get(adapted.name() + Lora.B)),
              adapted.lora(),
              dropout));
    }
    Linear head = model.head().out();
    return Linears.replaced(
        model,
        model.card(),
        linear -> {
          Step step = steps.get(linear);
          return tape != null && linear != head
              ? linear.with((map, x) -> taped(map, x, step, tape))
              : step == null ? linear : linear.with(step::of);
        },
        () -> {});
  }

  /// What is beside one map.
  ///
  /// @param number which of the adapted maps it is
  /// @param a `[r, in]`
  /// @param b `[out, r]`
  private record Step(int number, Tensor a, Tensor b, Lora lora, @Nullable Dropout dropout) {
    /// With the library's graph: the oracle of [#taped].
    Tensor of(Linear linear, Tensor x) {
      Tensor y = linear.plain(x);
      return y.add(step(dropped(x).linear(a, null)).to(y.dtype()));
    }

    /// x as the step reads it, in the step's own type.
    Tensor dropped(Tensor x) {
      Tensor wide = x.to(a.dtype());
      return dropout == null || lora.dropout() == 0
          ? wide
          : wide.mul(dropout.mask(lora.dropout(), number, x).to(a.dtype()));
    }

    boolean drops() {
      return dropout != null && lora.dropout() > 0;
    }

    /// `h [n, r] -> [n, out]`.
    Tensor step(Tensor h) {
      return h.linear(b, null).mul(lora.factor());
    }
  }

  /// A map whose gradient is worked out by hand: `∂x = ∂y W + (f ∂y B) A`, `∂B = f ∂yᵀ h`, `∂A = (f
  /// ∂y B)ᵀ x` with `h = A x`.
  private static Tensor taped(Linear linear, Tensor x, @Nullable Step step, Tape tape) {
    if (!tape.isRecording()) {
      return step == null ? linear.plain(x) : step.of(linear, x);
    }
    try (var scope = Scope.withoutGradients()) {
      Tensor input = x.detach();
      Tensor y = linear.plain(input);
      if (step == null) {
        return scope.escape(
            tape.cut(x, y, (gradient, wanted) -> wanted ? linear.weight().back(gradient) : null));
      }
      Tensor read = step.drops() ? step.dropped(input) : input;
      Tensor h = read.to(step.a.dtype()).linear(step.a, null); // [n, r]
      y = added(y, h, step.b.transpose(0, 1), step.lora.factor());
      Learning learning = new Learning(linear, step, read.keep(), h.keep());
      return scope.escape(tape.cut(x, y, learning));
    }
  }

  /// The way back through a map with a step, which frees what it kept.
  ///
  /// @param read what the step read, in the type it came in
  private record Learning(Linear linear, Step step, Tensor read, Tensor h) implements Tape.Back {
    @Override
    public @Nullable Tensor of(Tensor gradient, boolean wanted) {
      Tensor wide = gradient.to(step.a.dtype());
      double factor = step.lora.factor();
      Tensor dh = wide.matmul(step.b.detach().mul(factor)); // [n, r]
      var _ = gathered(step.b).addMatmulInPlace(wide.transpose(0, 1), h, factor);
      var _ = gathered(step.a).addMatmulInPlace(dh.transpose(0, 1), read.to(dh.dtype()), 1);
      if (!wanted) {
        return null;
      }
      Tensor whole = linear.weight().back(gradient);
      if (step.dropout == null || step.lora.dropout() == 0) {
        return added(whole, dh, step.a.detach(), 1);
      }
      Tensor through = dh.matmul(step.a.detach());
      Tensor mask = step.dropout.mask(step.lora.dropout(), step.number, through);
      return whole.add(through.mul(mask.to(through.dtype())).to(whole.dtype()));
    }

    @Override
    public void drop() {
      read.free();
      h.free();
    }

    private static Tensor gathered(Tensor leaf) {
      return Objects.requireNonNull(leaf.gradient(), "leaves gather gradients");
    }
  }

  /// `y + factor · a b`, in place where types allow.
  private static Tensor added(Tensor y, Tensor a, Tensor b, double factor) {
    return y.dtype() == a.dtype()
        ? y.addMatmulInPlace(a, b, factor)
        : y.add(a.matmul(b).mul(factor).to(y.dtype()));
  }
}
