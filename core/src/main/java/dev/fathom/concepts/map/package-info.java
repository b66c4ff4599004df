/// Many vectors as points of a plane, near where they are near, and how far the plane can be
/// trusted; and the map of a dictionary's concepts, of one model or two, with numbers of the space
/// that the picture comes from.
///
/// ```java
/// try (var base = Dictionary.open(one); var tuned = Dictionary.open(other)) {
///   var result = ConceptMap.of(base, base.bestLayer(), tuned, ConceptMap.Config.standard());
///   result.change().orElseThrow().groups().getFirst(); // the one that changed most surely
/// }
/// ```
///
/// [ConceptMap] for a dictionary; [Umap], [Neighbours], [Trust] and [Procrustes] for any vectors.
/// Nothing is null. All may be used from any thread; the same input and seed give the same map, on
/// any number of cores.
@NullMarked
package dev.fathom.concepts.map;

import org.jspecify.annotations.NullMarked;
