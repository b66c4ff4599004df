package dev.fathom.world;

import java.util.List;
import java.util.Random;

/// Chance that depends on nothing but what it is asked about, so that any part of the world can be
/// made without the parts before it. The numbers are the same everywhere: a hash written here, and
/// [Random], whose generator Java specifies.
final class Chance {
  private Chance() {}

  /// A number that looks random, 0 (inclusive) to 1 (exclusive), the same for the same things.
  static double of(Object... about) {
    return (hash(about) >>> 11) * 0x1.0p-53;
  }

  /// A source of numbers, the same for the same things.
  static Random source(Object... about) {
    return new Random(hash(about));
  }

  static <T> T pick(Random random, List<T> from) {
    return from.get(random.nextInt(from.size()));
  }

  /// FNV-1a over the things' names, mixed by the finaliser of SplitMix64 (Steele et al. 2014).
  private static long hash(Object... about) {
    long hash = 0xcbf29ce484222325L;
    for (Object thing : about) {
      String name = thing.toString();
      for (int i = 0; i <= name.length(); i++) {
        hash = (hash ^ (i < name.length() ? name.charAt(i) : 0xffff)) * 0x100000001b3L;
      }
    }
    hash = (hash ^ (hash >>> 30)) * 0xbf58476d1ce4e5b9L;
    hash = (hash ^ (hash >>> 27)) * 0x94d049bb133111ebL;
    return hash ^ (hash >>> 31);
  }
}
