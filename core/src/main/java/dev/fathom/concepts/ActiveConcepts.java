package dev.fathom.concepts;

import dev.fathom.concepts.decompose.Code;
import dev.fathom.concepts.decompose.Solver;
import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.model.Capture;
import dev.fathom.model.Captured;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/// Of which concepts does each token's activation consist? Takes the activation at one layer apart
/// into few directions of a dictionary (PaCE: Luo et al. 2024).
///
/// A dictionary has the concepts somebody thought of. What is not among them is told as the nearest
/// of those that are, or stays unexplained: look at the share that is explained first.
public final class ActiveConcepts {
  /// How far activations are moved to see whether the same concepts are found.
  private static final double NOISE = 0.05;

  private ActiveConcepts() {}

  /// How an activation is taken apart.
  ///
  /// @param layer of the dictionary
  /// @param centred whether the mean of the dictionary's own activations is taken off first, which
  ///   all texts have in common
  /// @param seed of the noise
  public record Config(int layer, Solver solver, boolean centred, long seed) {}

  /// Takes a prompt's activations apart.
  ///
  /// @param names of its tokens
  /// @throws dev.fathom.FathomException if the dictionary is of another model
  /// @throws IllegalArgumentException if it has no such layer, or no concept has a direction there
  public static ActiveConceptsResult of(
      Transformer model, Prompt prompt, List<String> names, Dictionary dictionary, Config config) {
    long began = System.nanoTime();
    dictionary.requireModel(model);
    var codes = new ArrayList<Code>();
    var agreed = new ArrayList<Double>();
    List<String> concepts;
    try (var scope = Scope.withoutGradients();
        var atoms = ConceptAtoms.of(dictionary, config.layer, config.centred)) {
      concepts = atoms.names();
      var slice = Slice.of(dictionary.site(), config.layer);
      Captured captured = captured(model, prompt, slice);
      var random = new Random(config.seed);
      for (int t = 0; t < prompt.length(); t++) {
        float[] h = captured.vector(0, t);
        double[] activation = IntStream.range(0, h.length).mapToDouble(i -> h[i]).toArray();
        Code code = atoms.code(activation, config.solver);
        double[] moved = moved(activation, NOISE * code.norm(), random);
        codes.add(code);
        agreed.add(agreement(code, atoms.code(moved, config.solver)));
      }
    }
    var provenance =
        Provenances.of(
            model,
            prompt,
            names,
            (System.nanoTime() - began) / 1e9,
            "layer",
            Integer.toString(config.layer),
            "solver",
            config.solver.summary(),
            "centred",
            Boolean.toString(config.centred),
            "dictionary",
            concepts.size() + " concepts");
    return new ActiveConceptsResult(provenance, concepts, names, config.layer, codes, agreed);
  }

  private static Captured captured(Transformer model, Prompt prompt, Slice slice) {
    var capture = Capture.of(slice);
    int n = prompt.length();
    Pass pass = Pass.over(Layout.single(n)).with(capture);
    try (var scope = Scope.open()) {
      Tensor _ = model.streamAfter(slice.site().layer() + 1, Tensor.of(prompt.ids(), n), pass);
    }
    return capture.get(slice);
  }

  /// Moved by about a length in a random direction.
  private static double[] moved(double[] activation, double length, Random random) {
    double each = length / Math.sqrt(activation.length);
    return Arrays.stream(activation).map(x -> x + each * random.nextGaussian()).toArray();
  }

  /// The share of concepts that both name of those that either names; 1 where neither names any.
  private static double agreement(Code one, Code other) {
    var both = new HashSet<>(one.support());
    both.retainAll(other.support());
    var either = new HashSet<>(one.support());
    either.addAll(other.support());
    return either.isEmpty() ? 1 : (double) both.size() / either.size();
  }
}
