package dev.fathom.explain.attribute;

import java.util.Arrays;
import java.util.List;

/// A value for each set of players: in game theory a coalition game, here a model's answer for each
/// set of tokens kept.
interface Coalition {
  int players();

  /// The values of many sets, each given by who is in it.
  double[] values(List<boolean[]> sets);

  static boolean[] all(int players) {
    boolean[] all = new boolean[players];
    Arrays.fill(all, true);
    return all;
  }
}
