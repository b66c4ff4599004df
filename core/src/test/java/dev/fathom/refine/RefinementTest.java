package dev.fathom.refine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.References;
import dev.fathom.arch.Models;
import dev.fathom.edit.EditFile;
import dev.fathom.edit.Edits;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.train.Objective;
import dev.fathom.train.Parameters;
import dev.fathom.train.Row;
import dev.fathom.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.SequencedMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class RefinementTest {
  @TempDir private Path folder;

  static List<String> decoders() throws IOException {
    try (Stream<Path> entries = Files.list(References.path("checkpoints"))) {
      return entries
          .filter(Files::isDirectory)
          .map(entry -> String.valueOf(entry.getFileName()))
          .filter(name -> !name.contains("bert"))
          .sorted()
          .toList();
    }
  }

  private static Transformer load(String family, DType dtype) {
    return Models.load(References.path("checkpoints/" + family), dtype);
  }

  private static Lora small(Transformer model) {
    return Lora.standard(model).withRank(3, 6).withDropout(0);
  }

  private static List<Row> rows(Transformer model, int... lengths) {
    var random = new Random(7);
    return IntStream.of(lengths)
        .mapToObj(n ->
            new Row(
                IntStream.range(0, n).map(_ -> random.nextInt(model.outputs())).toArray(),
                n > 6 ? 3 : 1))
        .toList();
  }

  /// Moves what is learnt away from its first values, which hide half of the gradients.
  private static void shake(Parameters parameters) {
    var random = new Random(11);
    float[] noise = new float[Math.toIntExact(parameters.elements())];
    for (int i = 0; i < noise.length; i++) {
      noise[i] = (float) (0.05 * random.nextGaussian());
    }
    parameters.flat().addInPlace(Tensor.of(noise, noise.length).to(parameters.dtype()));
  }

  private static double[] gradient(
      Refinement refinement, Parameters parameters, List<Row> rows, long step) {
    try (var scope = Scope.withGradients()) {
      Tensor gradient = Tensor.zeros(parameters.dtype(), parameters.elements());
      Objective.Sums _ = refinement.backward(parameters.leaves(gradient), rows, 0.1, step);
      return gradient.toDoubles();
    }
  }

  private static void assertClose(double[] found, double[] expected, double tolerance) {
    double largest = 1;
    double gap = 0;
    assertThat(found).hasSameSizeAs(expected);
    for (int i = 0; i < found.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      gap = Math.max(gap, Math.abs(found[i] - expected[i]));
    }
    assertThat(gap).isLessThanOrEqualTo(tolerance * largest);
  }

  /// The whole loss, forward only, as a function of the parameters.
  private static double loss(Refinement refinement, Parameters parameters, List<Row> rows) {
    return refinement.loss(parameters.tensors(), rows).loss();
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void theGradientIsTheSlopeOfTheLossOnEveryFamily(String family) {
    try (Transformer model = load(family, DType.F64);
        var scope = Scope.withoutGradients()) {
      Refinement.Config config =
          Refinement.Config.of(List.of(small(model)), Mod.Config.dense(2).withTrainFinalNorm(true))
              .with(Distillation.standard().withWeight(0.3).withDetachTeacher(false));
      var refinement = Refinement.of(model, config);
      try (Parameters parameters = refinement.parameters()) {
        shake(parameters);
        List<Row> rows = rows(model, 7, 4, 7);
        double[] gradient = gradient(refinement, parameters, rows, 1);
        var random = new Random(3);
        for (int round = 0; round < 4; round++) {
          double[] direction = random.doubles(parameters.elements(), -1, 1).toArray();
          Tensor along = Tensor.of(direction, direction.length);
          double step = 1e-6;
          parameters.flat().addInPlace(along.mul(step));
          double above = loss(refinement, parameters, rows);
          parameters.flat().addInPlace(along.mul(-2 * step));
          double below = loss(refinement, parameters, rows);
          parameters.flat().addInPlace(along.mul(step));
          double numeric = 0.1 * (above - below) / (2 * step);
          double analytic = 0;
          for (int i = 0; i < direction.length; i++) {
            analytic += direction[i] * gradient[i];
          }
          assertThat(analytic)
              .as(family)
              .isCloseTo(numeric, within(1e-5 * Math.max(1, Math.abs(numeric))));
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Distillation.Divergence.class)
  void everyDivergenceHasTheGradientOfItsSlope(Distillation.Divergence divergence) {
    try (Transformer model = load("llama", DType.F64);
        var scope = Scope.withoutGradients()) {
      for (boolean detached : new boolean[] {false, true}) {
        var distillation =
            Distillation.standard().withWeight(0.7).with(divergence).withDetachTeacher(detached);
        var refinement =
            Refinement.of(
                model,
                Refinement.Config.of(
                        detached ? List.of() : List.of(small(model)),
                        Mod.Config.dense(3).withTopK(2))
                    .with(distillation));
        try (Parameters parameters = refinement.parameters()) {
          shake(parameters);
          List<Row> rows = rows(model, 8, 5);
          double[] gradient = gradient(refinement, parameters, rows, 1);
          // a detached teacher is the frozen last route: with nothing below it, the slope is exact
          double[] direction = new Random(5).doubles(gradient.length, -1, 1).toArray();
          Tensor along = Tensor.of(direction, direction.length).mul(1e-6);
          parameters.flat().addInPlace(along);
          double above = loss(refinement, parameters, rows);
          parameters.flat().addInPlace(along.mul(-2));
          double below = loss(refinement, parameters, rows);
          double numeric = 0.1 * (above - below) / 2e-6;
          double analytic = 0;
          for (int i = 0; i < direction.length; i++) {
            analytic += direction[i] * gradient[i];
          }
          assertThat(analytic).isCloseTo(numeric, within(1e-5 * Math.max(1, Math.abs(numeric))));
        }
      }
    }
  }

  @Test
  void computingBlocksAgainChangesNothing() {
    try (Transformer model = load("llama", DType.F64);
        var scope = Scope.withoutGradients()) {
      Refinement.Config config =
          Refinement.Config.of(
              List.of(small(model).withDropout(0.3).onLayers(1, 3)), Mod.Config.dense(2));
      var kept = Refinement.of(model, config);
      var again = Refinement.of(model, config.recomputing(true));
      try (Parameters parameters = kept.parameters()) {
        shake(parameters);
        List<Row> rows = rows(model, 9, 4);
        assertClose(
            gradient(again, parameters, rows, 5), gradient(kept, parameters, rows, 5), 1e-12);
      }
    }
  }

  @Test
  void dropoutDependsOnTheStepAndNothingElse() {
    try (Transformer model = load("llama", DType.F64);
        var scope = Scope.withoutGradients()) {
      var refinement =
          Refinement.of(model, Refinement.Config.of(List.of(small(model).withDropout(0.5))));
      try (Parameters parameters = refinement.parameters()) {
        shake(parameters);
        List<Row> rows = rows(model, 9, 4);
        double[] first = gradient(refinement, parameters, rows, 1);
        assertThat(gradient(refinement, parameters, rows, 2)).isNotEqualTo(first);
        assertThat(gradient(refinement, parameters, rows, 1)).isEqualTo(first);
      }
    }
  }

  @Test
  void nothingIsChangedBeforeTheFirstStep() {
    try (Transformer model = load("llama", DType.F32);
        var scope = Scope.withoutGradients()) {
      var refinement = Refinement.of(model, Refinement.Config.of(List.of(small(model))));
      try (Parameters parameters = refinement.parameters()) {
        Transformer adapted =
            AdaptedMaps.of(model, refinement.config().loras(), parameters.tensors(), null, null);
        Tensor ids = Tensor.of(new int[] {4, 9, 2, 7}, 4);
        var layout = Layout.single(4);
        assertThat(
                adapted
                    .forward(ids, Pass.over(layout))
                    .sameAs(model.forward(ids, Pass.over(layout))))
            .isTrue();
      }
    }
  }

  @Test
  void aMixtureOfOneLayerIsTheModelAndTeachesNoRouter() {
    try (Transformer model = load("llama", DType.F64);
        var scope = Scope.withoutGradients()) {
      var mixed =
          Refinement.of(model, Refinement.Config.of(List.of(small(model)), Mod.Config.dense(1)));
      var plain = Refinement.of(model, Refinement.Config.of(List.of(small(model))));
      try (Parameters parameters = mixed.parameters();
          Parameters steps = plain.parameters()) {
        List<Row> rows = rows(model, 9, 4);
        assertThat(loss(mixed, parameters, rows)).isEqualTo(loss(plain, steps, rows));
        try (var graph = Scope.withGradients()) {
          Tensor gradient = Tensor.zeros(DType.F64, parameters.elements());
          SequencedMap<String, Tensor> leaves = parameters.leaves(gradient);
          Objective.Sums _ = mixed.backward(leaves, rows, 1, 1);
          Tensor router = Objects.requireNonNull(leaves.get("router.weight"));
          Tensor taught = Objects.requireNonNull(router.gradient());
          assertThat(taught.abs().max().item()).isZero();
        }
      }
    }
  }

  @Test
  void gatesAreWeightsAndTopKCountsExactlyK() {
    try (Transformer model = load("llama", DType.F64);
        var scope = Scope.withoutGradients()) {
      var random = new Random(2);
      Tensor router = Tensor.of(random.doubles(48L * 3, -1, 1).toArray(), 48, 3);
      Tensor x = Tensor.of(random.doubles(48L * 5, -1, 1).toArray(), 5, 48);
      Map<String, Tensor> tensors =
          Map.of(
              "router.weight", router,
              "norm.0.weight", Tensor.full(1, DType.F64, 48),
              "norm.1.weight", Tensor.full(1, DType.F64, 48));
      double[] dense = Mod.over(model, Mod.Config.dense(3), tensors).gate(x).toDoubles();
      assertThat(Mod.over(model, Mod.Config.dense(3).withTopK(3), tensors).gate(x).toDoubles())
          .isEqualTo(dense);
      double[] sparse =
          Mod.over(model, Mod.Config.dense(3).withTopK(2), tensors).gate(x).toDoubles();
      for (int t = 0; t < 5; t++) {
        double sum = 0;
        int counted = 0;
        for (int i = 0; i < 3; i++) {
          sum += sparse[3 * t + i];
          counted += sparse[3 * t + i] > 0 ? 1 : 0;
        }
        assertThat(sum).isCloseTo(1, within(1e-12));
        assertThat(counted).isEqualTo(2);
      }
      Tensor same = Tensor.zeros(DType.F64, 2, 48); // all scores equal: the lower routes count
      assertThat(Mod.over(model, Mod.Config.dense(3).withTopK(2), tensors).gate(same).toDoubles())
          .containsExactly(0.5, 0.5, 0, 0.5, 0.5, 0);
    }
  }

  @Test
  void cachedStreamsGiveTheSameLossAndGradient() {
    try (Transformer model = load("llama", DType.F32);
        var scope = Scope.withoutGradients()) {
      var live = Refinement.of(model, Refinement.Config.of(List.of(), Mod.Config.dense(2)));
      List<Row> rows = rows(model, 9, 4, 6);
      Path file = folder.resolve("streams.safetensors");
      for (int round = 0; round < 2; round++) { // made, then taken up
        try (var streams = CachedStreams.of(model, rows, 2, file, _ -> {});
            Parameters parameters = live.parameters()) {
          shake(parameters);
          Refinement cached = live.over(streams);
          assertThat(loss(cached, parameters, rows))
              .isCloseTo(loss(live, parameters, rows), within(1e-4));
          List<Row> some = List.of(rows.get(2), rows.get(0));
          assertClose(
              gradient(cached, parameters, some, 3), gradient(live, parameters, some, 3), 1e-4);
        }
      }
    }
  }

  @Test
  void aSampledDivergenceIsRightOnAverage() {
    try (Transformer model = load("llama", DType.F64);
        var scope = Scope.withoutGradients()) {
      var all = Distillation.standard().withWeight(1);
      List<Row> rows = rows(model, 12, 9);
      double whole;
      var refinement =
          Refinement.of(model, Refinement.Config.of(List.of(), Mod.Config.dense(3)).with(all));
      try (Parameters parameters = refinement.parameters()) {
        shake(parameters);
        whole = measured(refinement, parameters, rows, 1, "distill");
      }
      var sampled =
          Refinement.of(
              model, Refinement.Config.of(List.of(), Mod.Config.dense(3)).with(all.withShare(0.3)));
      try (Parameters parameters = sampled.parameters()) {
        shake(parameters);
        double sum = 0;
        int steps = 400;
        for (int step = 0; step < steps; step++) {
          sum += measured(sampled, parameters, rows, step, "distill");
        }
        assertThat(sum / steps).isCloseTo(whole, within(0.05 * whole));
      }
    }
  }

  private static double measured(
      Refinement refinement, Parameters parameters, List<Row> rows, long step, String measure) {
    try (var scope = Scope.withGradients()) {
      Tensor gradient = Tensor.zeros(parameters.dtype(), parameters.elements());
      Objective.Sums sums = refinement.backward(parameters.leaves(gradient), rows, 1, step);
      return sums.measures().get(refinement.measures().indexOf(measure));
    }
  }

  @Test
  void routingStatisticsAreThoseOfProbabilities() {
    try (Transformer model = load("llama", DType.F64);
        var scope = Scope.withoutGradients()) {
      var refinement =
          Refinement.of(model, Refinement.Config.of(List.of(), Mod.Config.dense(3).withTopK(2)));
      try (Parameters parameters = refinement.parameters()) {
        shake(parameters);
        List<Row> rows = rows(model, 12, 9, 5);
        Objective.Sums sums = refinement.loss(parameters.tensors(), rows);
        long targets = rows.stream().mapToLong(row -> row.ids().length - row.learnFrom()).sum();
        double gates = 0;
        double best = 0;
        double sparse = 0;
        for (int i = 0; i < 3; i++) {
          double mean = of(refinement, sums, "gate." + i) / targets;
          double variance = of(refinement, sums, "gate_square." + i) / targets - mean * mean;
          assertThat(variance).isBetween(-1e-12, mean * (1 - mean) + 1e-12);
          gates += mean;
          best += of(refinement, sums, "best." + i) / targets;
          sparse += of(refinement, sums, "sparse." + i) / targets;
        }
        assertThat(gates).isCloseTo(1, within(1e-9));
        assertThat(best).isCloseTo(1, within(1e-9));
        assertThat(sparse).isGreaterThanOrEqualTo(1 - 1e-9); // one route of three never counts
      }
    }
  }

  private static double of(Refinement refinement, Objective.Sums sums, String measure) {
    return sums.measures().get(refinement.measures().indexOf(measure));
  }

  @Test
  void aRunThatWasKilledEndsWithTheSameNumbersAndLeavesTheModelAlone() {
    try (Transformer model = load("llama", DType.F32)) {
      String before = model.card().sha256().get();
      List<Row> rows = rows(model, 9, 4, 6, 8, 5, 7, 9, 6, 5, 8);
      Refinement.Config config =
          Refinement.Config.of(
                  List.of(small(model).withDropout(0.2).onLayers(0, 1)), Mod.Config.dense(2))
              .withSeed(4);
      Trainer.Config training =
          Refiner.training(8, 5, 4, 1e-2).withWorkers(2).savingEvery(2).evaluatingEvery(3);
      var refiner = Refiner.of(model, config, training);
      Path whole = folder.resolve("whole");
      Path killed = folder.resolve("killed");
      Refiner.Outcome outcome =
          refiner.run(rows.subList(2, 10), rows.subList(0, 2), whole, _ -> {});
      assertThatThrownBy(() ->
              refiner.run(
                  rows.subList(2, 10),
                  rows.subList(0, 2),
                  killed,
                  now -> {
                    if (now.step() == 5) {
                      throw new IllegalStateException("killed");
                    }
                  }))
          .hasMessage("killed");
      Refiner.Outcome later = refiner.run(rows.subList(2, 10), rows.subList(0, 2), killed, _ -> {});
      assertThat(later.log().steps().getLast().loss())
          .isEqualTo(outcome.log().steps().getLast().loss());
      assertThat(EditFile.read(killed.resolve(Refiner.LORA)).fingerprint())
          .isEqualTo(outcome.lora().orElseThrow().fingerprint());
      assertThat(outcome.log().steps().getLast().loss())
          .isLessThan(outcome.log().steps().getFirst().loss());
      try (Transformer again = load("llama", DType.F32)) {
        assertThat(again.card().sha256().get()).isEqualTo(before);
      }
      try (Transformer edited = Edits.apply(model, List.of(outcome.lora().orElseThrow()));
          var scope = Scope.withoutGradients()) {
        Mod.Stored stored = Mod.load(outcome.mod().orElseThrow(), edited);
        assertThat(stored.config()).isEqualTo(Mod.Config.dense(2));
        assertThatThrownBy(() -> Mod.load(outcome.mod().orElseThrow(), model))
            .hasMessageContaining("was made from");
      }
    }
  }

  @Test
  void mergedStepsAreTheUnmergedOnes() {
    try (Transformer model = load("gpt2", DType.F32);
        var scope = Scope.withoutGradients()) {
      var refinement = Refinement.of(model, Refinement.Config.of(List.of(small(model))));
      try (Parameters parameters = refinement.parameters()) {
        shake(parameters);
        List<Lora> loras = refinement.config().loras();
        Transformer beside = AdaptedMaps.of(model, loras, parameters.tensors(), null, null);
        var edit =
            dev.fathom.edit.Edit.of(
                model, "lora", Lora.changes(model, loras, parameters.tensors()));
        try (Transformer merged = Edits.apply(model, List.of(edit))) {
          Tensor ids = Tensor.of(new int[] {4, 9, 2, 7}, 4);
          var layout = Layout.single(4);
          assertClose(
              merged.forward(ids, Pass.over(layout)).toDoubles(),
              beside.forward(ids, Pass.over(layout)).toDoubles(),
              1e-4);
        }
      }
    }
  }

  @Test
  void theCountsAreThoseOfTheThesis() {
    // LLaMA-7B in numbers: rank 32 on q, k, v, up and down of 32 layers, 3 of them late
    long block = 3L * 32 * (4096 + 4096) + 32L * (4096 + 11008) * 2;
    var counts = new ParameterCount(29 * block, 20_480, 0, 32 * block, 29 * block);
    assertThat(block).isEqualTo(1_753_088);
    assertThat(counts.modOverLora()).isCloseTo(0.00040, within(0.00001));
    assertThat(counts.lateOverLora()).isCloseTo(0.1034, within(0.0001));
  }

  @Test
  void whatCannotBeLearntIsRefused() {
    try (Transformer model = load("llama", DType.F32)) {
      assertThatThrownBy(
              () -> Refinement.of(model, Refinement.Config.of(List.of(), Mod.Config.dense(4))))
          .hasMessageContaining("last 4 layers of a model that has 3");
      assertThatThrownBy(() -> Refinement.Config.of(List.of()))
          .hasMessageContaining("nothing would be learnt");
      var twice = new ArrayList<>(List.of(small(model), small(model).onLayers(2, 3)));
      assertThatThrownBy(() -> Refinement.of(model, Refinement.Config.of(twice)))
          .hasMessageContaining("adapted twice");
      assertThatThrownBy(() ->
              Refinement.of(model, Refinement.Config.of(List.of(small(model).onLayers(2, 5)))))
          .hasMessageContaining("has layers 0 to 2");
    }
    try (Transformer encoder = load("bert_mlm", DType.F32)) {
      assertThatThrownBy(
              () -> Refinement.of(encoder, Refinement.Config.of(List.of(), Mod.Config.dense(2))))
          .hasMessageContaining("does not predict next tokens");
    }
  }
}
