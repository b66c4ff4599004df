package dev.fathom.align.baseline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;

class RandomDirectionsTest {
  @Test
  void theyHaveTheShapesAndAreOrthonormal() {
    try (var scope = Scope.withoutGradients()) {
      List<Tensor> bases =
          List.of(
              Tensor.zeros(DType.F64, 3, 16),
              Tensor.zeros(DType.F32, 1, 16),
              Tensor.zeros(DType.F64, 0, 16),
              Tensor.zeros(DType.F64, 16, 16));
      List<Tensor> drawn = RandomDirections.like(bases, 5);
      assertThat(drawn).hasSameSizeAs(bases);
      for (int i = 0; i < bases.size(); i++) {
        assertThat(drawn.get(i).shape()).isEqualTo(bases.get(i).shape());
        assertThat(drawn.get(i).dtype()).isEqualTo(bases.get(i).dtype());
        if (drawn.get(i).size(0) > 0) {
          Projections.assertOrthonormal(drawn.get(i).to(DType.F64));
        }
      }
    }
  }

  @Test
  void aSeedGivesTheSameAndAnotherOthers() {
    try (var scope = Scope.withoutGradients()) {
      List<Tensor> bases = List.of(Tensor.zeros(DType.F64, 2, 8), Tensor.zeros(DType.F64, 2, 8));
      double[] first = RandomDirections.like(bases, 1).getFirst().toDoubles();
      assertThat(RandomDirections.like(bases, 1).getFirst().toDoubles()).isEqualTo(first);
      assertThat(RandomDirections.like(bases, 2).getFirst().toDoubles()).isNotEqualTo(first);
      assertThat(RandomDirections.like(bases, 1).getLast().toDoubles()).isNotEqualTo(first);
    }
  }

  /// Squared entries of a direction drawn without preference are 1 / width on average everywhere.
  @Test
  void noAxisIsPreferred() {
    try (var scope = Scope.withoutGradients()) {
      int width = 5;
      double[] squares = new double[width];
      int draws = 4000;
      for (int seed = 0; seed < draws; seed++) {
        try (var inner = Scope.open()) {
          Tensor drawn =
              RandomDirections.like(List.of(Tensor.zeros(DType.F64, 2, width)), seed).getFirst();
          double[] second = drawn.select(0, 1).toDoubles();
          for (int i = 0; i < width; i++) {
            squares[i] += second[i] * second[i] / draws;
          }
        }
      }
      for (double square : squares) {
        assertThat(square).isCloseTo(0.2, within(0.015));
      }
    }
  }

  @Test
  void moreThanDimensionsAreRefused() {
    try (var scope = Scope.withoutGradients()) {
      assertThatThrownBy(() -> RandomDirections.like(List.of(Tensor.zeros(DType.F64, 5, 4)), 0))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("no 5 orthogonal directions in 4 dimensions");
    }
  }
}
