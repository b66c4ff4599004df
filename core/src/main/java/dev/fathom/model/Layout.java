package dev.fathom.model;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/// Which row and position each packed token belongs to: the segments of all rows, one after
/// another. Nothing is padded, so nothing that is batched with a row can change it.
public record Layout(List<Segment> segments) {
  public Layout {
    segments = List.copyOf(segments);
    if (segments.isEmpty()) {
      throw new IllegalArgumentException("a layout needs at least one segment");
    }
  }

  /// One row of `length` tokens from position 0.
  public static Layout single(int length) {
    return new Layout(List.of(new Segment(0, 0, length)));
  }

  /// Whole rows of these lengths, each from position 0.
  public static Layout rows(int... lengths) {
    return new Layout(
        IntStream.range(0, lengths.length).mapToObj(r -> new Segment(r, 0, lengths[r])).toList());
  }

  /// Packed tokens in all.
  public int tokens() {
    int tokens = 0;
    for (Segment segment : segments) {
      tokens += segment.length();
    }
    return tokens;
  }

  /// The position of each packed token within its row.
  public long[] positions() {
    long[] positions = new long[tokens()];
    int t = 0;
    for (Segment segment : segments) {
      for (int i = 0; i < segment.length(); i++) {
        positions[t++] = segment.start() + i;
      }
    }
    return positions;
  }

  /// The packed index of the first token of each segment, and the number of tokens at the end.
  public int[] offsets() {
    int[] offsets = new int[segments.size() + 1];
    for (int s = 0; s < segments.size(); s++) {
      offsets[s + 1] = offsets[s] + segments.get(s).length();
    }
    return offsets;
  }

  /// The last token of every segment.
  public Layout last() {
    return new Layout(segments.stream().map(s -> new Segment(s.row(), s.end() - 1, 1)).toList());
  }

  /// Index of each segment's last packed token.
  public long[] lastTokens() {
    int[] offsets = offsets();
    long[] last = new long[segments.size()];
    for (int s = 0; s < last.length; s++) {
      last[s] = offsets[s + 1] - 1L;
    }
    return last;
  }

  /// The longest position any row reaches, plus one.
  public int context() {
    return segments.stream().mapToInt(Segment::end).max().orElseThrow();
  }

  /// Indices of segments that can be computed together (same start and length), in order of first
  /// appearance.
  static List<List<Integer>> alike(Layout queries, Layout keys) {
    var groups = new java.util.LinkedHashMap<List<Integer>, List<Integer>>();
    for (int s = 0; s < keys.segments.size(); s++) {
      Segment q = queries.segments.get(s);
      Segment k = keys.segments.get(s);
      groups
          .computeIfAbsent(
              List.of(q.start(), q.length(), k.start(), k.length()), _ -> new ArrayList<>())
          .add(s);
    }
    return List.copyOf(groups.values());
  }
}
