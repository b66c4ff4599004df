package dev.fathom.model;

import dev.fathom.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Which keys and values a block's queries attend to. The pass hands over those of its own tokens;
/// the store answers with all that are to be seen.
public interface KvStore {
  /// Only the tokens of the pass itself, whose rows therefore start at position 0.
  KvStore NONE =
      (_, segments, k, v) -> {
        Segment first = segments.getFirst();
        if (first.start() > 0) {
          throw new IllegalArgumentException(
              "row %d starts at position %d, but this pass has no keys before it: give it the store of an earlier pass"
                  .formatted(first.row(), first.start()));
        }
        return new Keys(k, v);
      };

  /// @param segments segments of equal start and length
  /// @param k `[segments, kvHeads, length, width]`, rotated unless [#turnedAtUse]; `v` alike
  /// @return everything the queries of these segments may look at, from position 0 on
  Keys extend(int layer, List<Segment> segments, Tensor k, Tensor v);

  /// The same for one token of each of several rows, at any positions: what generation reads in
  /// every step. Positions behind a row's own token hold numbers that mean nothing.
  ///
  /// @param segments of length 1
  /// @param k `[segments, kvHeads, 1, width]`, rotated; `v` alike
  /// @param at positions of the tokens, I64 `[segments, 1, 1, 1]`
  /// @return `[segments, kvHeads, longest, width]`; null where the store cannot, and has not
  ///   changed
  default @Nullable Keys extendEach(
      int layer, List<Segment> segments, Tensor k, Tensor v, Tensor at) {
    return null;
  }

  /// Whether keys come and go before the rotation and are turned whenever they are used, each for
  /// its place among those returned: what a store needs that moves keys to other positions. The
  /// site `k_rot` does not exist then.
  default boolean turnedAtUse() {
    return false;
  }

  /// Keys and values `[segments, kvHeads, positions, width]`, the first at position 0.
  record Keys(Tensor k, Tensor v) {}
}
