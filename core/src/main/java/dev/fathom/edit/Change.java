package dev.fathom.edit;

import dev.fathom.model.Linear;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;

/// One thing that an [Edit] changes.
public sealed interface Change {
  /// What it is, in a few words.
  String summary();

  /// A change of one linear map of the model, hence of weights: it can be merged into them.
  sealed interface OfMap extends Change {
    /// The name that the map's weight has in a checkpoint, as transformers spells it.
    String tensor();
  }

  /// Rows or columns of a stored matrix are other ones: `W[index] = values` along `axis`.
  ///
  /// Axes are those of the tensor in the checkpoint: usually `[out, in]`, so that a neuron's value
  /// vector is a column (axis 1) of the down-projection; GPT-2 stores `[in, out]` and there it is a
  /// row. Fused tensors (q, k, v in one) are addressed as a whole.
  ///
  /// @param axis 0 for rows, 1 for columns
  /// @param indices which ones, each once
  /// @param values `[indices, length of the other axis]`
  record Rows(String tensor, int axis, List<Integer> indices, Values values) implements OfMap {
    public Rows {
      indices = List.copyOf(indices);
      if (axis != 0 && axis != 1) {
        throw new IllegalArgumentException("a matrix has axes 0 and 1, found " + axis);
      }
      if (values.shape().size() != 2 || values.shape().getFirst() != indices.size()) {
        throw new IllegalArgumentException(
            "%d rows need values [%d, length], found %s"
                .formatted(indices.size(), indices.size(), values.shape()));
      }
      if (new HashSet<>(indices).size() != indices.size()
          || indices.stream().anyMatch(index -> index < 0)) {
        throw new IllegalArgumentException("indices are numbers from 0, each once: " + indices);
      }
    }

    /// Other weights for some outputs of a map.
    ///
    /// @param outputs indices of the map's own outputs
    /// @param values `[outputs, in]`
    public static Rows outputs(Linear linear, List<Integer> outputs, Tensor values) {
      values.requireShape("rows", outputs.size(), linear.in());
      requireBelow(outputs, linear.out(), "outputs", linear);
      int from = Math.toIntExact(linear.origin().from());
      return new Rows(
          linear.origin().tensor(),
          linear.origin().transposed() ? 1 : 0,
          outputs.stream().map(output -> output + from).toList(),
          Values.of(values));
    }

    /// Other weights for some inputs of a map: of a down-projection, other value vectors for some
    /// neurons.
    ///
    /// @param inputs indices of the map's inputs
    /// @param values `[inputs, out]`
    public static Rows inputs(Linear linear, List<Integer> inputs, Tensor values) {
      values.requireShape("columns", inputs.size(), linear.out());
      requireBelow(inputs, linear.in(), "inputs", linear);
      Linear.Origin origin = linear.origin();
      if (origin.from() != 0) {
        throw new IllegalArgumentException(
            "%s holds several maps in one: change its columns as a whole"
                .formatted(origin.tensor()));
      }
      return new Rows(origin.tensor(), origin.transposed() ? 0 : 1, inputs, Values.of(values));
    }

    private static void requireBelow(List<Integer> indices, long end, String what, Linear linear) {
      for (int index : indices) {
        if (index < 0 || index >= end) {
          throw new IllegalArgumentException(
              "%s has %s 0 to %d, not %d"
                  .formatted(linear.origin().tensor(), what, end - 1, index));
        }
      }
    }

    @Override
    public String summary() {
      return String.format(
          Locale.ROOT,
          "%d %s%s of %s",
          indices.size(),
          axis == 0 ? "row" : "column",
          indices.size() == 1 ? "" : "s",
          tensor);
    }
  }

  /// The bias of a map is another one, or there is one where there was none: `b[from…] = values`.
  /// Where a part is not given, it stays as it was, 0 if there was no bias.
  ///
  /// @param tensor the name of the map's *weight*
  /// @param from the first output, counted in the stored (perhaps fused) tensor
  /// @param values `[outputs]`
  record Bias(String tensor, int from, Values values) implements OfMap {
    public Bias {
      if (from < 0 || values.shape().size() != 1) {
        throw new IllegalArgumentException(
            "a bias is a vector from output 0 or later, found %s from %d"
                .formatted(values.shape(), from));
      }
    }

    /// The whole bias of a map.
    ///
    /// @param values `[out]`
    public static Bias of(Linear linear, Tensor values) {
      values.requireShape("a bias", linear.out());
      return new Bias(
          linear.origin().tensor(), Math.toIntExact(linear.origin().from()), Values.of(values));
    }

    @Override
    public String summary() {
      return "bias of " + tensor + (from == 0 ? "" : " from output " + from);
    }
  }

  /// A low-rank step: `W[from…] += factor · B A` (LoRA: Hu et al. 2022, section 4.1, where the
  /// factor is α/r). Axes are those of the map, whatever way its weight is stored.
  ///
  /// @param from the first output, counted in the stored (perhaps fused) tensor
  /// @param a `[rank, in]`
  /// @param b `[outputs, rank]`
  record LowRank(String tensor, int from, Values a, Values b, double factor) implements OfMap {
    public LowRank {
      if (from < 0 || a.shape().size() != 2 || b.shape().size() != 2) {
        throw new IllegalArgumentException(
            "a low-rank step is two matrices from output 0 or later, found %s and %s from %d"
                .formatted(a.shape(), b.shape(), from));
      }
      if (!a.shape().getFirst().equals(b.shape().getLast())) {
        throw new IllegalArgumentException(
            "B is [outputs, rank] and A [rank, in], found %s and %s"
                .formatted(b.shape(), a.shape()));
      }
      if (!Double.isFinite(factor)) {
        throw new IllegalArgumentException("the factor is a number, found " + factor);
      }
    }

    /// A step of a whole map.
    ///
    /// @param a `[rank, in]`
    /// @param b `[out, rank]`
    public static LowRank of(Linear linear, Tensor a, Tensor b, double factor) {
      a.requireShape("A", a.size(0), linear.in());
      b.requireShape("B", linear.out(), a.size(0));
      return new LowRank(
          linear.origin().tensor(),
          Math.toIntExact(linear.origin().from()),
          Values.of(a),
          Values.of(b),
          factor);
    }

    public long rank() {
      return a.shape().getFirst();
    }

    @Override
    public String summary() {
      return "rank %d of %s%s".formatted(rank(), tensor, from == 0 ? "" : " from output " + from);
    }
  }

  /// All integers of an array, as a list.
  static List<Integer> indices(int... indices) {
    return Arrays.stream(indices).boxed().toList();
  }
}
