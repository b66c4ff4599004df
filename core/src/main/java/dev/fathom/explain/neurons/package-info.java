/// What do MLP neurons say? Their value vectors in the vocabulary, what they write for an answer,
/// and the signs of their activations.
///
/// Start with [dev.fathom.explain.neurons.NeuronContributions] for a prompt and
/// [dev.fathom.explain.neurons.ValueVectors] for a model.
///
/// Nothing is null unless marked; results are immutable and hold no native memory.
@org.jspecify.annotations.NullMarked
package dev.fathom.explain.neurons;
