package dev.fathom.model;

/// `length` consecutive tokens of row `row`, the first at position `start`.
public record Segment(int row, int start, int length) {
  public Segment {
    if (row < 0 || start < 0 || length < 1) {
      throw new IllegalArgumentException(
          "a segment needs a row and a start from 0 and at least one token, found row %d, start %d, length %d"
              .formatted(row, start, length));
    }
  }

  public int end() {
    return start + length;
  }
}
