package dev.fathom.concepts.decompose;

/// A way to find few atoms of which a vector is made.
public sealed interface Solver permits ElasticNet, MatchingPursuit {
  /// Solves for one vector.
  ///
  /// @param z as wide as the atoms
  Code of(Atoms atoms, double[] z);

  /// In a few words.
  String summary();
}
