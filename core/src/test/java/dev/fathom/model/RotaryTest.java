package dev.fathom.model;

import static dev.fathom.model.Sites.assertClose;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RotaryTest {
  private static Tensor random(int tokens) {
    return Tensor.of(new Random(tokens).doubles(tokens * 2L * 6, -1, 1).toArray(), tokens, 2, 6);
  }

  private static Tensor turned(Rotary rotary, Tensor x, Layout layout) {
    Tensor positions = Tensor.of(layout.positions(), layout.tokens());
    return rotary.turn(x, rotary.table(positions, layout, DType.F64));
  }

  /// Su et al. 2021, equation 34: each pair of channels is a complex number that is multiplied by
  /// e^(i position frequency).
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void eachPairIsTurnedByPositionTimesFrequency(boolean interleaved) {
    float[] frequencies = {0.5f, 0.125f};
    try (var _ = Scope.withoutGradients()) {
      Tensor x = random(5);
      double[] in = x.toDoubles();
      double[] expected = in.clone();
      for (int t = 0; t < 5; t++) {
        for (int h = 0; h < 2; h++) {
          for (int pair = 0; pair < 2; pair++) {
            int at = (t * 2 + h) * 6;
            int a = at + (interleaved ? 2 * pair : pair);
            int b = at + (interleaved ? 2 * pair + 1 : pair + 2);
            double angle = (double) t * frequencies[pair];
            expected[a] = 3 * (in[a] * Math.cos(angle) - in[b] * Math.sin(angle));
            expected[b] = 3 * (in[a] * Math.sin(angle) + in[b] * Math.cos(angle));
          }
        }
      }
      Tensor found = turned(Rotary.of(frequencies, interleaved, 3), x, Layout.single(5));
      assertClose("rotary", found.toDoubles(), expected, 1e-12);
    }
  }

  @Test
  void longFrequenciesOfOneRowDoNotReachItsNeighbours() {
    var rotary = Rotary.longRope(new float[] {0.5f, 0.25f}, new float[] {0.1f, 0.05f}, 4, 1.5);
    var shorts = Rotary.of(new float[] {0.5f, 0.25f}, false, 1.5);
    var longs = Rotary.of(new float[] {0.1f, 0.05f}, false, 1.5);
    try (var _ = Scope.withoutGradients()) {
      Tensor x = random(9);
      Tensor found = turned(rotary, x, Layout.rows(4, 5));
      assertClose(
          "short row", found.narrow(0, 0, 4), turned(shorts, x.narrow(0, 0, 4), Layout.single(4)));
      assertClose(
          "long row", found.narrow(0, 4, 5), turned(longs, x.narrow(0, 4, 5), Layout.single(5)));
    }
  }
}
