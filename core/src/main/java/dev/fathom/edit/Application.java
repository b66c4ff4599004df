package dev.fathom.edit;

import dev.fathom.model.Linear.Origin;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// What changes do to a map, or to the part of a stored tensor that is one.
final class Application {
  /// Numbers that are computed together: what the caches hold.
  private static final long BLOCK_ELEMENTS = 1 << 18;

  private Application() {}

  /// @param weight `[out, in]`, the part of the stored tensor that `origin` says
  /// @return a new tensor, or `weight` itself where the change does not touch this part
  static Tensor weight(Tensor weight, Origin origin, Change.OfMap change, double scale) {
    return switch (change) {
      case Change.Rows rows -> rows(weight, origin, rows, scale);
      case Change.LowRank step -> step(weight, origin, step, scale);
      case Change.Bias _ -> weight;
    };
  }

  private static Tensor step(Tensor weight, Origin origin, Change.LowRank step, double scale) {
    long from = Math.max(step.from(), origin.from());
    long to = Math.min(step.from() + step.b().shape().getFirst(), origin.to());
    if (from >= to) {
      return weight;
    }
    Tensor a = step.a().tensor(DType.F64);
    Tensor b = step.b().tensor(DType.F64);
    Tensor next = weight.copy();
    long together = Math.max(1, BLOCK_ELEMENTS / a.size(1));
    for (long row = from; row < to; row += together) {
      long rows = Math.min(together, to - row);
      try (var scope = Scope.open()) {
        Tensor added = b.narrow(0, row - step.from(), rows).matmul(a).mul(scale * step.factor());
        Tensor part = next.narrow(0, row - origin.from(), rows);
        Tensor _ = part.copyInPlace(part.to(DType.F64).add(added));
      }
    }
    return next;
  }

  private static Tensor rows(Tensor weight, Origin origin, Change.Rows rows, double scale) {
    boolean outputs = rows.axis() == (origin.transposed() ? 1 : 0);
    int[] here =
        IntStream.range(0, rows.indices().size())
            .filter(i ->
                !outputs
                    || (rows.indices().get(i) >= origin.from()
                        && rows.indices().get(i) < origin.to()))
            .toArray();
    if (here.length == 0) {
      return weight;
    }
    long start = outputs ? origin.from() : 0;
    long[] at = IntStream.of(here).mapToLong(i -> rows.indices().get(i) - start).toArray();
    Tensor index = Tensor.of(at, at.length);
    Tensor given = rows.values().tensor(DType.F64).indexSelect(0, Tensor.of(here, here.length));
    int axis = outputs ? 0 : 1;
    Tensor wanted =
        outputs
            ? given // [rows, in]
            : given.narrow(1, origin.from(), origin.to() - origin.from()).transpose(0, 1);
    Tensor next = between(weight.indexSelect(axis, index), wanted, scale);
    return weight.indexCopy(axis, index, next.to(weight.dtype()).contiguous());
  }

  /// @param bias `[out]` of the part that `origin` says
  /// @return a new tensor, or `bias` itself where the change does not touch this part
  static @Nullable Tensor bias(
      @Nullable Tensor bias, DType dtype, Origin origin, Change.OfMap change, double scale) {
    if (!(change instanceof Change.Bias given)) {
      return bias;
    }
    long from = Math.max(given.from(), origin.from());
    long to = Math.min(given.from() + given.values().size(), origin.to());
    if (from >= to) {
      return bias;
    }
    Tensor next = bias == null ? Tensor.zeros(dtype, origin.to() - origin.from()) : bias.copy();
    Tensor wanted = given.values().tensor(DType.F64).narrow(0, from - given.from(), to - from);
    Tensor part = next.narrow(0, from - origin.from(), to - from);
    Tensor _ = part.copyInPlace(between(part, wanted, scale).to(next.dtype()));
    return next;
  }

  /// `old + scale · (wanted − old)`, exactly `wanted` at 1.
  private static Tensor between(Tensor old, Tensor wanted, double scale) {
    if (scale == 1) {
      return wanted;
    }
    Tensor wide = old.to(DType.F64);
    return wide.add(wanted.sub(wide).mul(scale));
  }
}
