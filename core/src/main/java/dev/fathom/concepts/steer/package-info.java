/// Steering: pushing what a model computes along a concept's direction while it runs, and seeing
/// what that does to its texts.
///
/// A [SteeringVector] says where to push: read from a dictionary, from pairs of texts ([Contrast]),
/// from probes, or from a file of llama.cpp's ([ControlVectorFile]). [HeadProbes] find heads
/// instead. A [Steering] says what is done with it, as data; [SteeredModel] is a model to which it
/// is done, [SteeringSweep] tries it at several strengths beside a random control, and
/// [SteeringEdit] keeps it as a change of weights, where there is one that does the same.
///
/// ```java
/// SteeringVector joy = SteeringVector.of(dictionary, "joy", List.of(dictionary.bestLayer()));
/// var steered = SteeredModel.of(model, joy.added(4));
/// Generation text = Generator.of(steered, tokenizer).run(promptIds, Decoding.greedy(30));
/// ```
///
/// Values are for any thread, models for one.
@NullMarked
package dev.fathom.concepts.steer;

import org.jspecify.annotations.NullMarked;
