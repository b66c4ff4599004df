package dev.fathom.view;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

class GridTest {
  private static final Axis LAYER = Axis.index("layer", 2);
  private static final Axis POSITION = Axis.of("position", List.of("a", "b", "c"));

  private static Grid grid() {
    return Grid.real(List.of(LAYER, POSITION), new float[] {0, 1, 2, 10, 11, 12});
  }

  @Test
  void theLastAxisVariesFastest() {
    assertThat(grid().at(0, 2)).isEqualTo(2);
    assertThat(grid().at(1, 0)).isEqualTo(10);
    assertThat(grid().shape()).containsExactly(2, 3);
    assertThat(grid().axis(1).label(2)).isEqualTo("c");
    assertThat(grid().axis(0).label(1)).isEqualTo("1");
  }

  @Test
  void valuesAreCopiedInAndOut() {
    float[] values = {1, 2};
    Grid grid = Grid.vector(Axis.index("x", 2), values);
    values[0] = 99;
    grid.values()[1] = 99;
    grid.shape()[0] = 99;
    assertThat(grid.values()).containsExactly(1, 2);
    assertThat(grid.shape()).containsExactly(2);

    long[] ids = {7, 8};
    Grid integers = Grid.integer(List.of(Axis.index("x", 2)), ids);
    ids[0] = 99;
    integers.integers()[1] = 99;
    assertThat(integers.integers()).containsExactly(7, 8);
  }

  @Test
  void gridsAreEqualByContentWithNanEqualToItself() {
    Grid a = Grid.vector(Axis.index("x", 2), 1, Float.NaN);
    assertThat(a).isEqualTo(Grid.vector(Axis.index("x", 2), 1, Float.NaN));
    assertThat(a).hasSameHashCodeAs(Grid.vector(Axis.index("x", 2), 1, Float.NaN));
    assertThat(a).isNotEqualTo(Grid.vector(Axis.index("y", 2), 1, Float.NaN));
    assertThat(a).isNotEqualTo(Grid.vector(Axis.index("x", 2), 1, 2));
    assertThat(Grid.vector(Axis.index("x", 1), 1))
        .isNotEqualTo(Grid.integer(List.of(Axis.index("x", 1)), new long[] {1}));
  }

  @Test
  void integersKeepAllTheirDigits() {
    long large = (1L << 53) + 1;
    Grid grid = Grid.integer(List.of(Axis.index("x", 1)), new long[] {large});
    assertThat(grid.integerAt(0)).isEqualTo(large);
    assertThat(grid.isInteger()).isTrue();
    assertThatThrownBy(grid::values).hasMessageContaining("holds integers");
    assertThatThrownBy(() -> grid().integerAt(0, 0)).hasMessageContaining("holds floats");
  }

  @Test
  void selectingAnIndexDropsItsAxis() {
    assertThat(grid().select(0, 1)).isEqualTo(Grid.vector(POSITION, 10, 11, 12));
    assertThat(grid().select(1, 2)).isEqualTo(Grid.vector(LAYER, 2, 12));
    assertThat(grid().select(1, 2).select(0, 0).at()).isEqualTo(2);
  }

  @Test
  void gridsMayBeEmptyOrASingleNumber() {
    Grid empty = Grid.real(List.of(Axis.index("layer", 0), POSITION), new float[0]);
    assertThat(empty.size()).isZero();
    assertThat(Grid.real(List.of(), new float[] {3}).at()).isEqualTo(3);
  }

  @Test
  void aShapeThatDoesNotFitIsRefusedWithItsNumbers() {
    assertThatThrownBy(() -> Grid.real(List.of(LAYER, POSITION), new float[5]))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("needs 6 values, found 5");
    assertThatThrownBy(() -> grid().at(1)).hasMessageContaining("takes 2 indices, found 1");
    assertThatThrownBy(() -> grid().at(0, 3))
        .isInstanceOf(IndexOutOfBoundsException.class)
        .hasMessageContaining("index 3 on axis position of size 3");
    assertThatThrownBy(() -> new Axis("x", 2, List.of("only one")))
        .hasMessageContaining("needs 2 labels, found 1");
  }
}
