/// A vector as a sum of few others: an activation as a sum of few concepts' directions.
///
/// [Atoms] are the directions, a [Solver] finds few of them, [ElasticNet] as PaCE does or
/// [MatchingPursuit] one by one, and a [Code] is what was found.
///
/// ```java
/// try (var atoms = Atoms.of(dictionary.directions(layer))) {
///   Code code = ElasticNet.standard().of(atoms, z);
///   code.support(); // the atoms, the heaviest first
/// }
/// ```
///
/// Nothing is null. Solvers and codes are values for any thread; atoms may be read by many, until
/// they are closed.
@NullMarked
package dev.fathom.concepts.decompose;

import org.jspecify.annotations.NullMarked;
