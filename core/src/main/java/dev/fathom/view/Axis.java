package dev.fathom.view;

import java.util.List;

/// One named dimension of a [Grid], such as `layer` or `position`. An axis either has one label for
/// each index (tokens, head names) or none, and then an index is its own label.
///
/// @param name what the indices count, in the singular: `layer`, `position`, `head`
/// @param size number of indices, may be 0
/// @param labels `size` labels, or an empty list
public record Axis(String name, int size, List<String> labels) {
  public Axis {
    labels = List.copyOf(labels);
    if (size < 0) {
      throw new IllegalArgumentException("axis " + name + " has a negative size, " + size);
    }
    if (!labels.isEmpty() && labels.size() != size) {
      throw new IllegalArgumentException(
          "axis %s needs %d labels, found %d".formatted(name, size, labels.size()));
    }
  }

  /// An axis with one label for each index.
  public static Axis of(String name, List<String> labels) {
    return new Axis(name, labels.size(), labels);
  }

  /// An axis whose labels are its indices, from 0.
  public static Axis index(String name, int size) {
    return new Axis(name, size, List.of());
  }

  /// What to write at an index: its label, or the index itself.
  public String label(int index) {
    return labels.isEmpty() ? Integer.toString(index) : labels.get(index);
  }
}
