package dev.fathom.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.References;
import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Checkpoint;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.SequencedMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The gradient of every weight of every family, against the loss itself a little to both sides.
class GradientCheckTest {
  private static final double STEP = 1e-6;

  static List<String> families() throws IOException {
    try (Stream<Path> entries = Files.list(References.path("checkpoints"))) {
      return entries
          .filter(Files::isDirectory)
          .map(entry -> String.valueOf(entry.getFileName()))
          .sorted()
          .toList();
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void theGradientOfEveryWeightIsTheSlopeOfTheLoss(String family) {
    try (var checkpoint = Checkpoint.open(References.path("checkpoints/" + family));
        var parameters = Parameters.of(checkpoint, DType.F64);
        var scope = Scope.withoutGradients()) {
      NextToken.Blueprint blueprint = p -> Models.over(checkpoint.config(), family, p, DType.F64);
      boolean causal;
      int outputs;
      try (var model = Models.describe(checkpoint)) {
        causal = model.card().causal();
        outputs = model.outputs();
      }
      Objective objective =
          causal ? new NextToken(blueprint, family) : new EveryToken(blueprint, outputs);
      var random = new Random(17);
      List<Row> rows = List.of(row(7, outputs, random), row(4, outputs, random));
      Tensor gradient = Tensor.zeros(DType.F64, parameters.elements());
      double loss = objective.backward(parameters.leaves(gradient), rows, 1, 1).loss();
      assertThat(objective.loss(parameters.tensors(), rows).loss())
          .isCloseTo(loss, within(1e-9 * loss));
      SequencedMap<String, Tensor> slopes = parameters.parts(gradient);
      for (String name : parameters.shapes().keySet()) {
        Tensor weight = Objects.requireNonNull(parameters.tensors().get(name));
        double[] direction = random.doubles(weight.elements(), -1, 1).toArray();
        Tensor along = Tensor.of(direction, weight.shape());
        weight.addInPlace(along.mul(STEP));
        double above = objective.loss(parameters.tensors(), rows).loss();
        weight.addInPlace(along.mul(-2 * STEP));
        double below = objective.loss(parameters.tensors(), rows).loss();
        weight.addInPlace(along.mul(STEP));
        double numeric = (above - below) / (2 * STEP);
        double analytic = Objects.requireNonNull(slopes.get(name)).mul(along).sum().item();
        assertThat(analytic)
            .as("%s: %s", family, name)
            .isCloseTo(numeric, within(1e-6 * Math.max(1, Math.abs(numeric))));
      }
    }
  }

  private static Row row(int length, int vocabulary, Random random) {
    int most = Math.min(vocabulary, 90);
    return Row.of(IntStream.range(0, length).map(_ -> random.nextInt(most)).toArray());
  }

  /// Cross-entropy at every token, for models that read both ways.
  private record EveryToken(NextToken.Blueprint blueprint, int outputs) implements Objective {
    @Override
    public Sums backward(
        SequencedMap<String, Tensor> leaves, List<Row> rows, double scale, long step) {
      try (var scope = Scope.withGradients();
          Transformer model = blueprint.over(leaves)) {
        Tensor loss = loss(model, rows);
        loss.mul(scale).backward();
        return Sums.of(loss.item());
      }
    }

    @Override
    public Sums loss(SequencedMap<String, Tensor> parameters, List<Row> rows) {
      try (var scope = Scope.withoutGradients();
          Transformer model = blueprint.over(parameters)) {
        return Sums.of(loss(model, rows).item());
      }
    }

    private Tensor loss(Transformer model, List<Row> rows) {
      var ids = new ArrayList<Integer>();
      rows.forEach(row -> IntStream.of(row.ids()).forEach(ids::add));
      int[] all = ids.stream().mapToInt(Integer::intValue).toArray();
      var layout = Layout.rows(rows.stream().mapToInt(Row::length).toArray());
      Tensor logits = model.forward(Tensor.of(all, all.length), Pass.over(layout));
      int[] targets = IntStream.range(0, all.length).map(i -> (i * 7 + 3) % outputs).toArray();
      return logits.crossEntropySum(Tensor.of(targets, targets.length));
    }

    @Override
    public String fingerprint() {
      return "every token";
    }
  }
}
