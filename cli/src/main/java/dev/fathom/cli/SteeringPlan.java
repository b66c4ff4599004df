package dev.fathom.cli;

import dev.fathom.concepts.ConceptAtoms;
import dev.fathom.concepts.steer.Judge;
import dev.fathom.concepts.steer.Steering;
import dev.fathom.concepts.steer.SteeringVector;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/// What is to be done to a model, as [SteeringOptions] say.
///
/// @param steerings of strength 1
/// @param vector where a step is added along one direction a layer
/// @param judge along a direction
/// @param notes what a reader should know, one sentence each
/// @param parameters for cards
/// @param owned closed with this
record SteeringPlan(
    List<Steering> steerings,
    Optional<SteeringVector> vector,
    Judge judge,
    List<String> notes,
    SequencedMap<String, String> parameters,
    List<ConceptAtoms> owned)
    implements AutoCloseable {
  @Override
  public void close() {
    owned.forEach(ConceptAtoms::close);
  }
}
