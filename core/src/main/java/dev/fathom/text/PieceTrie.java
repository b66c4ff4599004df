package dev.fathom.text;

import java.util.Arrays;

/// A map from strings to ids that can be walked char by char: all pieces that start at a place in a
/// text, or the longest one. One open-addressing table of (node, char) edges; no allocation when
/// looking up.
final class PieceTrie {
  static final int ROOT = 0;
  static final int NONE = -1;

  private long[] edges = new long[1 << 10]; // (node + 1) << 16 | char, 0 = free
  private int[] targets = new int[1 << 10];
  private int[] ids = new int[1 << 9]; // by node
  private int nodes = 1;

  PieceTrie() {
    ids[ROOT] = NONE;
  }

  /// Maps `piece` to `id` and returns the id it had before, or [#NONE].
  int put(String piece, int id) {
    int node = ROOT;
    for (int i = 0; i < piece.length(); i++) {
      node = child(node, piece.charAt(i));
    }
    int before = ids[node];
    ids[node] = id;
    return before;
  }

  boolean isEmpty() {
    return nodes == 1;
  }

  /// The node behind `node` along `c`, or [#NONE].
  int step(int node, char c) {
    long edge = edge(node, c);
    int mask = edges.length - 1;
    for (int slot = hash(edge) & mask; edges[slot] != 0; slot = (slot + 1) & mask) {
      if (edges[slot] == edge) {
        return targets[slot];
      }
    }
    return NONE;
  }

  /// The id of the string that leads to `node`, or [#NONE].
  int idAt(int node) {
    return ids[node];
  }

  /// The id of `text.substring(from, to)`, or [#NONE].
  int find(String text, int from, int to) {
    int node = ROOT;
    for (int i = from; i < to && node != NONE; i++) {
      node = step(node, text.charAt(i));
    }
    return node == NONE ? NONE : ids[node];
  }

  /// One past the last char of the longest string that starts at `from`, or `from` if none does.
  int longest(String text, int from, int to) {
    int end = from;
    int node = ROOT;
    for (int i = from; i < to; i++) {
      node = step(node, text.charAt(i));
      if (node == NONE) {
        break;
      }
      if (ids[node] != NONE) {
        end = i + 1;
      }
    }
    return end;
  }

  private int child(int node, char c) {
    int found = step(node, c);
    if (found != NONE) {
      return found;
    }
    if (nodes * 2 >= edges.length) {
      grow();
    }
    if (nodes == ids.length) {
      ids = Arrays.copyOf(ids, nodes * 2);
    }
    ids[nodes] = NONE;
    insert(edge(node, c), nodes);
    return nodes++;
  }

  private void grow() {
    long[] oldEdges = edges;
    int[] oldTargets = targets;
    edges = new long[oldEdges.length * 2];
    targets = new int[edges.length];
    for (int i = 0; i < oldEdges.length; i++) {
      if (oldEdges[i] != 0) {
        insert(oldEdges[i], oldTargets[i]);
      }
    }
  }

  private void insert(long edge, int target) {
    int mask = edges.length - 1;
    int slot = hash(edge) & mask;
    while (edges[slot] != 0) {
      slot = (slot + 1) & mask;
    }
    edges[slot] = edge;
    targets[slot] = target;
  }

  private static long edge(int node, char c) {
    return (node + 1L) << 16 | c;
  }

  private static int hash(long edge) {
    long mixed = edge * 0x9E3779B97F4A7C15L;
    return (int) (mixed >>> 32);
  }
}
