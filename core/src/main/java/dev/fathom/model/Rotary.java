package dev.fathom.model;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Rotary positions (Su et al. 2021): pairs of the first `2 · inverseFrequencies` channels of each
/// head are turned by `position · frequency`. Nothing here grows with the context length: cosines
/// and sines are made for the positions at hand.
public final class Rotary {
  private final float[] frequencies;
  private final boolean interleaved;
  private final double gain;
  private final @Nullable Long longContext;

  /// @param inverseFrequencies angle per position of each pair
  /// @param interleaved pairs are neighbours (GPT-J) instead of halves (all others)
  /// @param gain factor on cosines and sines (YaRN's and LongRoPE's attention factor), usually 1
  private Rotary(
      float[] inverseFrequencies,
      boolean interleaved,
      double gain,
      float @Nullable [] longFrequencies,
      @Nullable Long longContext) {
    this.frequencies = inverseFrequencies.clone();
    this.interleaved = interleaved;
    this.gain = gain;
    this.longFrequencies = longFrequencies == null ? null : longFrequencies.clone();
    this.longContext = longContext;
  }

  private final float @Nullable [] longFrequencies;

  public static Rotary of(float[] inverseFrequencies, boolean interleaved, double gain) {
    return new Rotary(inverseFrequencies, interleaved, gain, null, null);
  }

  /// LongRoPE (Ding et al. 2024): other frequencies for rows longer than `context`.
  public static Rotary longRope(float[] shortOnes, float[] longOnes, long context, double gain) {
    return new Rotary(shortOnes, false, gain, longOnes, context);
  }

  /// The longest row that is turned by the first frequencies; without others, any row is.
  long longContext() {
    return longContext == null ? Long.MAX_VALUE : longContext;
  }

  /// Channels of a head that are turned.
  public int width() {
    return 2 * frequencies.length;
  }

  /// `[tokens, 1, width]` each; the sine carries the sign of its half.
  record Table(Tensor cos, Tensor sin) {}

  /// Tables of all tokens. With LongRoPE each row chooses its frequencies by its own length, so
  /// that nothing in a batch changes its neighbours.
  Table table(Tensor positions, Layout layout, DType dtype) {
    if (longFrequencies == null || longContext == null) {
      return table(positions, frequencies, dtype);
    }
    var cos = new ArrayList<Tensor>();
    var sin = new ArrayList<Tensor>();
    int[] offsets = layout.offsets();
    for (int s = 0; s < layout.segments().size(); s++) {
      Segment segment = layout.segments().get(s);
      float[] used = segment.end() > longContext ? longFrequencies : frequencies;
      Table own = table(positions.narrow(0, offsets[s], segment.length()), used, dtype);
      cos.add(own.cos);
      sin.add(own.sin);
    }
    return new Table(Tensor.cat(cos, 0), Tensor.cat(sin, 0));
  }

  private Table table(Tensor positions, float[] used, DType dtype) {
    long pairs = used.length;
    DType wide = dtype == DType.F64 ? DType.F64 : DType.F32;
    Tensor angle =
        positions.to(wide).unsqueeze(1).mul(Tensor.of(used, 1, pairs).to(wide)); // [tokens, pairs]
    Tensor cos = angle.cos().mul(gain);
    Tensor sin = angle.sin().mul(gain);
    int axis = interleaved ? 2 : 1;
    Tensor cosines = Tensor.stack(List.of(cos, cos), axis);
    Tensor sines = Tensor.stack(List.of(sin.neg(), sin), axis);
    return new Table(
        cosines.reshape(-1, 1, 2 * pairs).to(dtype), sines.reshape(-1, 1, 2 * pairs).to(dtype));
  }

  /// Turns `x [tokens, heads, headWidth]`: `x ⊙ cos + swap(x) ⊙ sin`, where swap exchanges the
  /// members of each pair.
  Tensor turn(Tensor x, Table table) {
    long tokens = x.size(0);
    long heads = x.size(1);
    long rest = x.size(2) - width();
    Tensor turned = rest == 0 ? x : x.narrow(2, 0, width());
    Tensor swapped =
        interleaved
            ? turned.reshape(tokens, heads, width() / 2, 2).flip(3)
            : turned.reshape(tokens, heads, 2, width() / 2).flip(2);
    Tensor result =
        turned.mul(table.cos()).addcmul(swapped.view(tokens, heads, width()), table.sin());
    return rest == 0 ? result : Tensor.cat(List.of(result, x.narrow(2, width(), rest)), 2);
  }
}
