package dev.fathom.view;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// An array with named axes, in row-major order (the last axis varies fastest). Values are copied
/// in and never handed out, so a grid is a value: equal by content and safe to share.
///
/// A grid is real (32-bit floats, which may be NaN for "not computed") or integer (64-bit; ids,
/// ranks and counts, saved as I64).
public final class Grid {
  private final List<Axis> axes;
  private final float[] reals;
  private final long[] integers;
  private final boolean integer;

  private Grid(List<Axis> axes, float[] reals, long[] integers, boolean integer) {
    this.axes = List.copyOf(axes);
    this.reals = reals;
    this.integers = integers;
    this.integer = integer;
    long size = 1;
    for (Axis axis : this.axes) {
      size = Math.multiplyExact(size, (long) axis.size());
    }
    int given = integer ? integers.length : reals.length;
    if (size != given) {
      throw new IllegalArgumentException(
          "a grid of shape %s needs %d values, found %d".formatted(describe(), size, given));
    }
  }

  /// A grid of 32-bit floats.
  public static Grid real(List<Axis> axes, float[] values) {
    return new Grid(axes, values.clone(), new long[0], false);
  }

  /// A grid of 64-bit integers.
  public static Grid integer(List<Axis> axes, long[] values) {
    return new Grid(axes, new float[0], values.clone(), true);
  }

  /// A real grid with one axis.
  public static Grid vector(Axis axis, float... values) {
    return real(List.of(axis), values);
  }

  public List<Axis> axes() {
    return axes;
  }

  public Axis axis(int index) {
    return axes.get(index);
  }

  /// Number of axes; 0 for a single number.
  public int rank() {
    return axes.size();
  }

  /// Sizes of the axes, a fresh array.
  public int[] shape() {
    return axes.stream().mapToInt(Axis::size).toArray();
  }

  /// Number of values.
  public int size() {
    return integer ? integers.length : reals.length;
  }

  /// Whether the values are 64-bit integers rather than floats.
  public boolean isInteger() {
    return integer;
  }

  /// The value at one index for each axis; integers beyond 2^53 are rounded.
  public double at(int... index) {
    int i = offset(index);
    return integer ? integers[i] : reals[i];
  }

  /// The exact integer at one index for each axis.
  ///
  /// @throws IllegalArgumentException if the grid is real
  public long integerAt(int... index) {
    requireInteger(true);
    return integers[offset(index)];
  }

  /// All values of a real grid, row-major, a fresh array.
  ///
  /// @throws IllegalArgumentException if the grid holds integers
  public float[] values() {
    requireInteger(false);
    return reals.clone();
  }

  /// All values of an integer grid, row-major, a fresh array.
  ///
  /// @throws IllegalArgumentException if the grid is real
  public long[] integers() {
    requireInteger(true);
    return integers.clone();
  }

  /// The part where one axis stands at `index`; that axis is gone from the result.
  public Grid select(int axis, int index) {
    Axis fixed = axes.get(axis);
    if (index < 0 || index >= fixed.size()) {
      throw new IndexOutOfBoundsException(
          "index %d on axis %s of size %d".formatted(index, fixed.name(), fixed.size()));
    }
    var rest = new ArrayList<>(axes);
    rest.remove(axis);
    int inner = axes.stream().skip(axis + 1L).mapToInt(Axis::size).reduce(1, (a, b) -> a * b);
    int outer = axes.stream().limit(axis).mapToInt(Axis::size).reduce(1, (a, b) -> a * b);
    float[] someReals = new float[integer ? 0 : outer * inner];
    long[] someIntegers = new long[integer ? outer * inner : 0];
    for (int o = 0; o < outer; o++) {
      int from = (o * fixed.size() + index) * inner;
      if (integer) {
        System.arraycopy(integers, from, someIntegers, o * inner, inner);
      } else {
        System.arraycopy(reals, from, someReals, o * inner, inner);
      }
    }
    return new Grid(rest, someReals, someIntegers, integer);
  }

  private int offset(int... index) {
    if (index.length != axes.size()) {
      throw new IllegalArgumentException(
          "a grid of shape %s takes %d indices, found %d"
              .formatted(describe(), axes.size(), index.length));
    }
    int at = 0;
    for (int i = 0; i < index.length; i++) {
      Axis axis = axes.get(i);
      if (index[i] < 0 || index[i] >= axis.size()) {
        throw new IndexOutOfBoundsException(
            "index %d on axis %s of size %d".formatted(index[i], axis.name(), axis.size()));
      }
      at = at * axis.size() + index[i];
    }
    return at;
  }

  private void requireInteger(boolean wanted) {
    if (integer != wanted) {
      throw new IllegalArgumentException(
          "this grid holds %s, not %s"
              .formatted(integer ? "integers" : "floats", wanted ? "integers" : "floats"));
    }
  }

  private String describe() {
    return axes.stream().map(a -> a.name() + " " + a.size()).toList().toString();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Grid that
        && integer == that.integer
        && axes.equals(that.axes)
        && Arrays.equals(reals, that.reals)
        && Arrays.equals(integers, that.integers);
  }

  @Override
  public int hashCode() {
    return 31 * axes.hashCode() + (integer ? Arrays.hashCode(integers) : Arrays.hashCode(reals));
  }

  @Override
  public String toString() {
    return "Grid" + describe() + (integer ? " of integers" : "");
  }
}
