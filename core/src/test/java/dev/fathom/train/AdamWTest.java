package dev.fathom.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import org.junit.jupiter.api.Test;

class AdamWTest {
  @Test
  void stepsFollowTheFormula() {
    var shapes = new LinkedHashMap<String, List<Long>>();
    shapes.put("gain", List.of(2L));
    shapes.put("matrix", List.of(1L, 3L));
    var config = new AdamW.Config(0.8, 0.9, 1e-6, 0.5);
    try (var parameters = Parameters.zeros(shapes, DType.F64);
        var optimiser = new AdamW(parameters, config);
        var scope = Scope.withoutGradients()) {
      double[] x = {1, -2, 3, 0.5, 0.25}; // the matrix first, then the gain
      double[] m = new double[5];
      double[] v = new double[5];
      parameters.flat().copyInPlace(Tensor.of(x.clone(), 5));
      for (int t = 1; t <= 4; t++) {
        double[] g = {0.1 * t, -0.3, 0.2 / t, 1, -0.01};
        double rate = 0.1 / t;
        optimiser.step(Tensor.of(g.clone(), 5), t, rate);
        for (int i = 0; i < 5; i++) {
          m[i] = 0.8 * m[i] + 0.2 * g[i];
          v[i] = 0.9 * v[i] + 0.1 * g[i] * g[i];
          double decayed = i < 3 ? x[i] * (1 - rate * 0.5) : x[i];
          double mHat = m[i] / (1 - Math.pow(0.8, t));
          double vHat = v[i] / (1 - Math.pow(0.9, t));
          x[i] = decayed - rate * mHat / (Math.sqrt(vHat) + 1e-6);
        }
        assertThat(parameters.flat().toDoubles()).containsExactly(x, within(1e-12));
      }
    }
  }

  @Test
  void theScheduleRisesThenFallsToItsFloor() {
    var cosine = new Schedule(2, 4, 24, Schedule.Shape.COSINE, 0.1);
    assertThat(cosine.rate(1)).isEqualTo(0.5);
    assertThat(cosine.rate(4)).isEqualTo(2);
    assertThat(cosine.rate(14)).isCloseTo(2 * (0.1 + 0.9 / 2), within(1e-12));
    assertThat(cosine.rate(24)).isCloseTo(0.2, within(1e-12));
    var linear = new Schedule(2, 0, 10, Schedule.Shape.LINEAR, 0);
    assertThat(linear.rate(5)).isCloseTo(1, within(1e-12));
    assertThat(new Schedule(2, 0, 10, Schedule.Shape.CONSTANT, 0).rate(10)).isEqualTo(2);
    assertThatThrownBy(() -> new Schedule(2, 11, 10, Schedule.Shape.LINEAR, 0))
        .hasMessageContaining("no more warm-up than that");
  }
}
