package dev.fathom.concepts;

import dev.fathom.concepts.decompose.Atoms;
import dev.fathom.concepts.decompose.Code;
import dev.fathom.concepts.decompose.Solver;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/// A layer's concepts, to take activations apart into. Those without a direction are left out.
///
/// The memory is this object's own; [#close()] frees it.
public final class ConceptAtoms implements AutoCloseable {
  private static final int MOST_NAMED = 8;

  private final Atoms atoms;
  private final List<String> names;
  private final double[] mean;

  private ConceptAtoms(Atoms atoms, List<String> names, double[] mean) {
    this.atoms = atoms;
    this.names = List.copyOf(names);
    this.mean = mean;
  }

  /// @param directions `[names, width]`, none of zeros
  public static ConceptAtoms of(List<String> names, Tensor directions) {
    if (directions.size(0) != names.size()) {
      throw new IllegalArgumentException(
          "%d names for %d directions".formatted(names.size(), directions.size(0)));
    }
    return new ConceptAtoms(
        Atoms.of(directions), names, new double[Math.toIntExact(directions.size(1))]);
  }

  /// A layer of a dictionary.
  ///
  /// @param centred whether the mean activation is taken off before one is taken apart; it is put
  ///   back afterwards
  /// @throws IllegalArgumentException if the layer was not read, or no concept has a direction
  ///   there
  public static ConceptAtoms of(Dictionary dictionary, int layer, boolean centred) {
    try (var scope = Scope.withoutGradients()) {
      var names = new ArrayList<String>();
      var rows = new ArrayList<double[]>();
      List<double[]> all = dictionary.directions(layer).toRows();
      for (int i = 0; i < all.size(); i++) {
        if (isSomething(all.get(i))) {
          names.add(dictionary.entries().get(i).name());
          rows.add(all.get(i));
        }
      }
      if (rows.isEmpty()) {
        throw new IllegalArgumentException(
            "layer %d: none of the dictionary's %d concepts has a direction there, all are zeros, so that nothing can be taken apart into them: take another layer"
                .formatted(layer, all.size()));
      }
      double[] mean = centred ? dictionary.mean(layer).toDoubles() : new double[dictionary.width()];
      return new ConceptAtoms(Atoms.of(Tensor.ofRows(rows)), names, mean);
    }
  }

  private static boolean isSomething(double[] row) {
    for (double x : row) {
      if (x != 0) {
        return true;
      }
    }
    return false;
  }

  /// How many there are.
  public int count() {
    return names.size();
  }

  public int width() {
    return mean.length;
  }

  /// Their names, in the order of numbers.
  public List<String> names() {
    return names;
  }

  /// The numbers of some concepts.
  ///
  /// @throws IllegalArgumentException if there is none of a name
  public Set<Integer> places(List<String> wanted) {
    return wanted.stream()
        .map(name -> {
          int place = names.indexOf(name);
          if (place < 0) {
            throw new IllegalArgumentException(
                "there is no direction of a concept '%s' in this layer, only of %d others such as %s"
                    .formatted(
                        name,
                        names.size(),
                        names.stream().limit(MOST_NAMED).collect(Collectors.joining(", "))));
          }
          return place;
        })
        .collect(Collectors.toUnmodifiableSet());
  }

  /// What an activation consists of.
  public Code code(double[] activation, Solver solver) {
    double[] z = activation.clone();
    for (int i = 0; i < z.length; i++) {
      z[i] -= mean[i];
    }
    return solver.of(atoms, z);
  }

  /// An activation with a share of some concepts taken off: `h − share · Σ c_i d_i`.
  ///
  /// @param undesired numbers of concepts
  /// @param share 1 for all of it
  public double[] without(
      double[] activation, Set<Integer> undesired, Solver solver, double share) {
    Code code = code(activation, solver);
    int[] taken = code.support().stream().filter(undesired::contains).mapToInt(i -> i).toArray();
    double[] coefficients = new double[taken.length];
    for (int i = 0; i < taken.length; i++) {
      coefficients[i] = share * code.coefficients().getOrDefault(taken[i], 0.0);
    }
    return atoms.without(activation, taken, coefficients);
  }

  @Override
  public void close() {
    atoms.close();
  }
}
