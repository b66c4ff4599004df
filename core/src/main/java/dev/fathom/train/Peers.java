package dev.fathom.train;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.ProcessGroup;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;

/// The processes that train one model together, seen from one of them. Each computes its share of
/// every batch; sums over all of them are the same in each, so all take the same steps.
public interface Peers {
  /// One process on its own.
  Peers ALONE =
      new Peers() {
        @Override
        public int rank() {
          return 0;
        }

        @Override
        public int size() {
          return 1;
        }

        @Override
        public void sumInPlace(Tensor tensor) {}

        @Override
        public void copyFirst(Tensor tensor) {}
      };

  /// The processes of a group, which must stay open.
  static Peers of(ProcessGroup group) {
    return new Peers() {
      @Override
      public int rank() {
        return group.rank();
      }

      @Override
      public int size() {
        return group.size();
      }

      @Override
      public void sumInPlace(Tensor tensor) {
        group.sumInPlace(tensor);
      }

      @Override
      public void copyFirst(Tensor tensor) {
        group.copyFirst(tensor);
      }
    };
  }

  /// This process's number, from 0.
  int rank();

  int size();

  /// Puts the sum of the tensors that the processes give into each of them.
  void sumInPlace(Tensor tensor);

  /// Replaces the tensor of every other process by the first one's.
  void copyFirst(Tensor tensor);

  /// Whether this one keeps the run's files.
  default boolean first() {
    return rank() == 0;
  }

  /// The sums over the rows of all processes.
  default Objective.Sums sum(Objective.Sums own) {
    if (size() == 1) {
      return own;
    }
    double[] numbers = new double[own.measures().size() + 1];
    numbers[0] = own.loss();
    for (int i = 1; i < numbers.length; i++) {
      numbers[i] = own.measures().get(i - 1);
    }
    try (var scope = Scope.withoutGradients()) {
      Tensor all = Tensor.of(numbers, numbers.length);
      sumInPlace(all);
      double[] sums = all.toDoubles();
      return new Objective.Sums(sums[0], Arrays.stream(sums).skip(1).boxed().toList());
    }
  }

  /// The numbers that the first process gives.
  default double[] ofFirst(double... values) {
    if (size() == 1) {
      return values;
    }
    try (var scope = Scope.withoutGradients()) {
      Tensor all = Tensor.of(values, values.length).to(DType.F64);
      copyFirst(all);
      return all.toDoubles();
    }
  }
}
