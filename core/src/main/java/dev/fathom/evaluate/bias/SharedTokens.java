package dev.fathom.evaluate.bias;

import java.util.ArrayList;
import java.util.List;

/// The tokens that two sentences have in common, in order: the longest stretch that both have, the
/// first of equally long ones, and so on to its left and right (Ratcliff and Metzener 1988), as the
/// script of CrowS-Pairs finds them.
final class SharedTokens {
  private final int[] first;
  private final int[] second;
  private final List<Place> places = new ArrayList<>();

  private SharedTokens(int[] first, int[] second) {
    this.first = first;
    this.second = second;
  }

  /// Where a shared token stands.
  record Place(int first, int second) {}

  static List<Place> of(int[] first, int[] second) {
    var shared = new SharedTokens(first, second);
    shared.find(0, first.length, 0, second.length);
    return shared.places;
  }

  private void find(int from, int to, int from2, int to2) {
    int longest = 0;
    int at = 0;
    int at2 = 0;
    for (int i = from; i < to; i++) {
      for (int j = from2; j < to2; j++) {
        int length = 0;
        while (i + length < to && j + length < to2 && first[i + length] == second[j + length]) {
          length++;
        }
        if (length > longest) {
          longest = length;
          at = i;
          at2 = j;
        }
      }
    }
    if (longest == 0) {
      return;
    }
    find(from, at, from2, at2);
    for (int k = 0; k < longest; k++) {
      places.add(new Place(at + k, at2 + k));
    }
    find(at + longest, to, at2 + longest, to2);
  }
}
