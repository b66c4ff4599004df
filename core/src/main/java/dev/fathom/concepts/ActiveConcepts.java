package dev.fathom.concepts;

import dev.fathom.concepts.decompose.Atoms;
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
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
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
  /// @throws IllegalArgumentException if it has no such layer, or a direction of it is zero
  public static ActiveConceptsResult of(
      Transformer model, Prompt prompt, List<String> names, Dictionary dictionary, Config config) {
    long began = System.nanoTime();
    dictionary.requireModel(model);
    requireDirections(dictionary, config.layer);
    double[] mean = new double[dictionary.width()];
    var codes = new ArrayList<Code>();
    var agreed = new ArrayList<Double>();
    try (var scope = Scope.withoutGradients();
        var atoms = Atoms.of(dictionary.directions(config.layer))) {
      if (config.centred) {
        mean = dictionary.mean(config.layer).toDoubles();
      }
      var slice = Slice.of(dictionary.site(), config.layer);
      Captured captured = captured(model, prompt, slice);
      var random = new Random(config.seed);
      for (int t = 0; t < prompt.length(); t++) {
        double[] z = less(captured.vector(0, t), mean);
        Code code = config.solver.of(atoms, z);
        codes.add(code);
        agreed.add(agreement(code, config.solver.of(atoms, moved(z, random))));
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
            dictionary.count() + " concepts");
    return new ActiveConceptsResult(
        provenance,
        dictionary.entries().stream().map(Dictionary.Entry::name).toList(),
        names,
        config.layer,
        codes,
        agreed);
  }

  private static void requireDirections(Dictionary dictionary, int layer) {
    try (var scope = Scope.withoutGradients()) {
      double[] lengths =
          dictionary.directions(layer).square().sum(1, false).to(DType.F64).toDoubles();
      for (int i = 0; i < lengths.length; i++) {
        if (!(lengths[i] > 0)) {
          throw new IllegalArgumentException(
              ("the concept '%s' has no direction at layer %d, where its texts give the same"
                      + " activations as others: choose another layer")
                  .formatted(dictionary.entries().get(i).name(), layer));
        }
      }
    }
  }

  private static Captured captured(Transformer model, Prompt prompt, Slice slice) {
    var capture = Capture.of(slice);
    int n = prompt.length();
    Pass pass = Pass.over(Layout.single(n)).with(capture);
    try (var scope = Scope.open()) {
      Tensor x = model.embed(Tensor.of(prompt.ids(), n), pass);
      for (int layer = 0; layer <= slice.site().layer(); layer++) {
        Tensor next = model.block(layer, x, pass);
        scope.release(x);
        x = next;
      }
    }
    return capture.get(slice);
  }

  private static double[] less(float[] z, double[] mean) {
    return IntStream.range(0, z.length).mapToDouble(i -> z[i] - mean[i]).toArray();
  }

  private static double[] moved(double[] z, Random random) {
    double norm = Math.sqrt(IntStream.range(0, z.length).mapToDouble(i -> z[i] * z[i]).sum());
    double each = NOISE * norm / Math.sqrt(z.length);
    return IntStream.range(0, z.length)
        .mapToDouble(i -> z[i] + each * random.nextGaussian())
        .toArray();
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
