package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/// What the tests of this package ask again and again.
final class Sites {
  private Sites() {}

  /// Every site a model has.
  static List<Site> of(Transformer model) {
    var sites = new ArrayList<Site>();
    for (Kind kind : Kind.values()) {
      for (int layer = 0; layer < (kind.layered() ? model.layers() : 1); layer++) {
        Site site = Site.of(kind, layer);
        if (model.refusal(site).isEmpty()) {
          sites.add(site);
        }
      }
    }
    return sites;
  }

  /// Equal up to rounding: 1e-9 in F64, 1e-4 in F32, relative to the largest value.
  static void assertClose(String what, Tensor found, Tensor expected) {
    assertThat(found.shape()).as(what).containsExactly(expected.shape());
    assertClose(
        what, found.toDoubles(), expected.toDoubles(), expected.dtype() == DType.F64 ? 1e-9 : 1e-4);
  }

  static void assertClose(String what, double[] found, double[] expected, double tolerance) {
    double size = 1;
    for (double e : expected) {
      size = Math.max(size, Double.isInfinite(e) ? 0 : Math.abs(e));
    }
    for (int i = 0; i < expected.length; i++) {
      boolean close =
          found[i] == expected[i] || Math.abs(found[i] - expected[i]) <= tolerance * size;
      assertThat(close)
          .as("%s: entry %d is %s, expected %s", what, i, found[i], expected[i])
          .isTrue();
    }
  }

  /// Another value of the same shape: scaled and shifted unevenly, masked scores left masked.
  static Tensor disturbed(Tensor x) {
    long n = x.elements();
    Tensor bumps = Tensor.range(0, n).to(x.dtype()).mul(1.7).sin().mul(0.5).view(x.shape());
    return x.mul(1.3).add(bumps);
  }

  static double largestGap(Tensor a, Tensor b) {
    return a.sub(b).abs().max().item();
  }
}
