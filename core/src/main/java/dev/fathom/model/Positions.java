package dev.fathom.model;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import java.util.List;

/// Absolute positions that are added to the token embedding.
public sealed interface Positions {
  /// I64 `[tokens] -> [tokens, dModel]`.
  Tensor of(Tensor positions, DType dtype);

  /// A learned table, `[positions, dModel]`, whose first row used is `offset` (OPT and RoBERTa: 2).
  record Learned(Tensor table, int offset) implements Positions {
    @Override
    public Tensor of(Tensor positions, DType dtype) {
      return table.indexSelect(0, positions.add(Tensor.of(new long[] {offset}, 1)));
    }
  }

  /// The fixed waves of the original transformer: sin in even channels, cos in odd ones,
  /// wavelengths from 2π to 10000 · 2π (Vaswani et al. 2017, section 3.5). `dModel` is even.
  record Sinusoidal(int dModel) implements Positions {
    public Sinusoidal {
      if (dModel % 2 != 0) {
        throw new IllegalArgumentException(
            "sinusoidal positions need an even width, found " + dModel);
      }
    }

    @Override
    public Tensor of(Tensor positions, DType dtype) {
      float[] frequencies = new float[dModel / 2];
      for (int i = 0; i < frequencies.length; i++) {
        frequencies[i] = (float) Math.pow(10000, -2.0 * i / dModel);
      }
      Tensor angle =
          positions
              .to(DType.F32)
              .unsqueeze(1)
              .mul(Tensor.of(frequencies, 1, frequencies.length)); // [tokens, dModel / 2]
      return Tensor.stack(List.of(angle.sin(), angle.cos()), 2).flatten(1, 2).to(dtype);
    }
  }
}
