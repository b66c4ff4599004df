package dev.fathom.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import dev.fathom.arch.Models;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

class TrainerTest {
  private static final int VOCABULARY = 23;

  @TempDir private Path folder;

  private static ObjectNode config() {
    return (ObjectNode)
        JsonMapper.shared()
            .readTree(
                """
                {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 16,
                 "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
                 "vocab_size": %d, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
                 "tie_word_embeddings": true}
                """
                    .formatted(VOCABULARY));
  }

  private static Parameters fresh() {
    return Initialization.random(config(), 3, 0.1);
  }

  private static NextToken objective(DType dtype) {
    return NextToken.of(config(), "tiny", dtype);
  }

  /// Rows that count upwards from a random start: each token but the first can be learnt.
  private static List<Row> counting(int rows, long seed) {
    var random = new Random(seed);
    var all = new ArrayList<Row>();
    for (int r = 0; r < rows; r++) {
      int start = random.nextInt(VOCABULARY);
      int length = 3 + random.nextInt(8);
      all.add(Row.of(IntStream.range(0, length).map(i -> (start + i) % VOCABULARY).toArray()));
    }
    return all;
  }

  private static Trainer.Config config(int steps, int workers) {
    return Trainer.Config.standard(new Schedule(1e-2, 5, steps, Schedule.Shape.COSINE, 0.1))
        .withBatch(128)
        .withPieces(64)
        .withWorkers(workers)
        .evaluatingEvery(10)
        .savingEvery(10);
  }

  private static TrainingLog run(
      Parameters parameters, Path directory, Trainer.Config config, TrainingSet data) {
    return new Trainer(parameters, objective(DType.F32), data, counting(20, 99), config)
        .run(directory, _ -> {});
  }

  private static TrainingSet data() {
    return TrainingSet.shuffled(counting(300, 5), 7);
  }

  @Test
  void countingIsLearnt() {
    try (var parameters = fresh()) {
      TrainingLog log = run(parameters, folder, config(150, 2), data());
      assertThat(log.steps()).hasSize(150);
      assertThat(log.steps().getFirst().loss()).isGreaterThan(2.5);
      assertThat(log.evaluations().getLast().loss()).isLessThan(0.5);
    }
  }

  @Test
  void aKilledRunGoesOnWithTheSameLosses() {
    TrainingLog whole;
    try (var parameters = fresh()) {
      whole = run(parameters, folder.resolve("whole"), config(45, 2), data());
    }
    Path killed = folder.resolve("killed");
    try (var parameters = fresh()) {
      var trainer =
          new Trainer(parameters, objective(DType.F32), data(), counting(20, 99), config(45, 2));
      assertThatThrownBy(() ->
              trainer.run(
                  killed,
                  progress -> {
                    if (progress.step() == 27) {
                      throw new IllegalStateException("killed");
                    }
                  }))
          .hasMessage("killed");
    }
    try (var parameters = Parameters.zeros(Models.shapes(config()), DType.F32)) {
      TrainingLog resumed = run(parameters, killed, config(45, 2), data());
      assertThat(resumed.steps()).hasSize(45);
      for (int i = 0; i < 45; i++) {
        assertThat(resumed.steps().get(i).step()).isEqualTo(i + 1L);
        assertThat(resumed.steps().get(i).loss())
            .isCloseTo(whole.steps().get(i).loss(), within(1e-6));
      }
      assertThat(resumed.evaluations()).hasSameSizeAs(whole.evaluations());
    }
  }

  @Test
  void aFinishedRunIsNotRepeated() {
    double last;
    try (var parameters = fresh()) {
      last = run(parameters, folder, config(20, 1), data()).steps().getLast().loss();
    }
    try (var parameters = fresh()) {
      var again = run(parameters, folder, config(20, 1), data());
      assertThat(again.steps()).hasSize(20);
      assertThat(again.steps().getLast().loss()).isEqualTo(last);
    }
  }

  @Test
  void severalWorkersTakeTheSameSteps() {
    TrainingLog one;
    TrainingLog three;
    try (var parameters = fresh()) {
      one = run(parameters, folder.resolve("one"), config(12, 1), data());
    }
    try (var parameters = fresh()) {
      three = run(parameters, folder.resolve("three"), config(12, 3), data());
    }
    for (int i = 0; i < 12; i++) {
      assertThat(three.steps().get(i).loss()).isCloseTo(one.steps().get(i).loss(), within(1e-4));
    }
  }

  @Test
  void aLargeBatchInPiecesIsTheSameBatch() {
    List<Row> rows = counting(40, 11);
    try (var parameters = fresh();
        var scope = Scope.withoutGradients()) {
      Tensor whole = Tensor.zeros(DType.F32, parameters.elements());
      Tensor parts = Tensor.zeros(DType.F32, parameters.elements());
      double loss = objective(DType.F32).backward(parameters.leaves(whole), rows, 0.01, 1).loss();
      var leaves = parameters.leaves(parts);
      double sum = 0;
      for (List<Row> piece : Batches.pieces(rows, 5)) {
        sum += objective(DType.F32).backward(leaves, piece, 0.01, 1).loss();
      }
      assertThat(sum).isCloseTo(loss, within(1e-3));
      assertThat(parts.sub(whole).abs().max().item()).isLessThan(1e-5);
    }
  }

  @Test
  void aPromptIsReadButNotLearnt() {
    int[] ids = {1, 2, 3, 4, 5, 6};
    try (var parameters = fresh();
        var scope = Scope.withoutGradients()) {
      double all = objective(DType.F32).loss(parameters.tensors(), List.of(Row.of(ids))).loss();
      double end = objective(DType.F32).loss(parameters.tensors(), List.of(new Row(ids, 4))).loss();
      double start =
          objective(DType.F32)
              .loss(parameters.tensors(), List.of(Row.of(new int[] {1, 2, 3, 4})))
              .loss();
      assertThat(start + end).isCloseTo(all, within(1e-4));
    }
  }

  @Test
  void halfPrecisionComputesNearlyTheSameGradient() {
    List<Row> rows = counting(40, 13);
    try (var parameters = fresh();
        var scope = Scope.withoutGradients()) {
      Tensor wide = Tensor.zeros(DType.F32, parameters.elements());
      Tensor narrow = Tensor.zeros(DType.F32, parameters.elements());
      objective(DType.F32).backward(parameters.leaves(wide), rows, 0.01, 1);
      objective(DType.BF16).backward(parameters.leaves(narrow), rows, 0.01, 1);
      double apart = narrow.sub(wide).norm(0, false).item() / wide.norm(0, false).item();
      assertThat(apart).isBetween(1e-5, 0.05);
    }
  }

  @Test
  void whatIsFrozenBuildsNoGraphAndStaysAsItIs() {
    try (var all = fresh();
        var scope = Scope.withoutGradients()) {
      for (String trained : List.of("model.norm.weight", "model.layers.1.mlp.up_proj.weight")) {
        var shape = new LinkedHashMap<String, List<Long>>();
        shape.put(trained, Objects.requireNonNull(all.shapes().get(trained)));
        try (var some = Parameters.zeros(shape, DType.F32)) {
          some.flat()
              .copyInPlace(Objects.requireNonNull(all.tensors().get(trained)).flatten(0, -1));
          NextToken.Blueprint blueprint =
              leaves -> {
                var together = new LinkedHashMap<>(all.tensors());
                together.putAll(leaves);
                return Models.over(config(), "tiny", together, DType.F32);
              };
          Tensor gradient = Tensor.zeros(DType.F32, some.elements());
          new NextToken(blueprint, trained)
              .backward(some.leaves(gradient), counting(10, 3), 0.01, 1);
          Tensor whole = Tensor.zeros(DType.F32, all.elements());
          objective(DType.F32).backward(all.leaves(whole), counting(10, 3), 0.01, 1);
          Tensor expected = Objects.requireNonNull(all.parts(whole).get(trained)).flatten(0, -1);
          assertThat(gradient.sub(expected).abs().max().item()).isLessThan(1e-6);
          assertThat(expected.abs().max().item()).isGreaterThan(1e-5);
        }
      }
    }
  }

  @Test
  void otherDataOrSettingsAreRefused() {
    try (var parameters = fresh()) {
      run(parameters, folder, config(12, 1), data());
      assertThatThrownBy(() ->
              run(parameters, folder, config(12, 1), TrainingSet.shuffled(counting(300, 6), 7)))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("holds a run with data = 300 rows")
          .hasMessageContaining("choose another directory");
      assertThatThrownBy(() -> run(parameters, folder, config(13, 1), data()))
          .hasMessageContaining("steps = 12, but this one has 13");
    }
  }

  @Test
  void aLossThatIsNoNumberStopsAndKeepsTheLastGoodState() throws IOException {
    var broken =
        new Objective() {
          private int calls;

          @Override
          public Sums backward(
              java.util.SequencedMap<String, Tensor> leaves,
              List<Row> rows,
              double scale,
              long step) {
            Sums sums = objective(DType.F32).backward(leaves, rows, scale, step);
            return ++calls > 7 ? Sums.of(Double.NaN) : sums;
          }

          @Override
          public Sums loss(java.util.SequencedMap<String, Tensor> p, List<Row> rows) {
            return objective(DType.F32).loss(p, rows);
          }

          @Override
          public String fingerprint() {
            return "broken";
          }
        };
    try (var parameters = fresh()) {
      var settings = config(30, 1).withPieces(1000).savingEvery(5);
      assertThatThrownBy(() ->
              new Trainer(parameters, broken, data(), List.of(), settings).run(folder, _ -> {}))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("step 8: the loss is NaN")
          .hasMessageContaining("of epoch 0")
          .hasMessageContaining("try a lower rate");
      try (var scope = Scope.withoutGradients()) {
        assertThat(parameters.flat().norm(0, false).item()).isFinite();
      }
    }
    assertThat(Files.size(folder.resolve("state.safetensors"))).isPositive();
  }

  @Test
  void aRunThatNoLongerImprovesStopsAndReturnsToItsBest() {
    List<Row> noise =
        IntStream.range(0, 60)
            .mapToObj(r -> Row.of(new Random(r).ints(6, 0, VOCABULARY).toArray()))
            .toList();
    var patient = config(400, 1).withPieces(128).evaluatingEvery(5).withPatience(3).savingEvery(50);
    try (var parameters = fresh()) {
      List<Row> others = List.of(Row.of(new Random(999).ints(40, 0, VOCABULARY).toArray()));
      TrainingLog log =
          new Trainer(
                  parameters, objective(DType.F32), TrainingSet.shuffled(noise, 1), others, patient)
              .run(folder, _ -> {});
      assertThat(log.steps().size()).isLessThan(400);
      double best =
          log.evaluations().stream().mapToDouble(TrainingLog.Evaluation::loss).min().orElseThrow();
      try (var scope = Scope.withoutGradients()) {
        assertThat(objective(DType.F32).loss(parameters.tensors(), others).loss() / 39)
            .isCloseTo(best, within(1e-5));
      }
    }
  }

  @Test
  void twoRunsCannotShareADirectory() {
    try (var parameters = fresh();
        var first =
            RunDirectory.open(
                folder,
                new RunSettings(config(12, 1), "tiny F32", data().fingerprint(), "", "1", 1),
                List.of())) {
      assertThat(first).isNotNull();
      assertThatThrownBy(() ->
              RunDirectory.open(
                  folder,
                  new RunSettings(config(12, 1), "tiny F32", data().fingerprint(), "", "1", 1),
                  List.of()))
          .hasMessageContaining("another process is training");
    }
  }

  @Test
  void anExportedModelIsTheTrainedOne() throws IOException {
    try (var parameters = fresh();
        var scope = Scope.withoutGradients()) {
      parameters.export(folder.resolve("model.safetensors"), dev.fathom.checkpoint.TensorType.F32);
      Files.writeString(folder.resolve("config.json"), config().toString());
      Tensor ids = Tensor.of(new int[] {1, 2, 3}, 3);
      try (Transformer loaded = Models.load(folder, DType.F32);
          Transformer kept = Models.over(config(), "kept", parameters.tensors(), DType.F32)) {
        var layout = dev.fathom.model.Layout.single(3);
        Tensor a = loaded.forward(ids, dev.fathom.model.Pass.over(layout));
        Tensor b = kept.forward(ids, dev.fathom.model.Pass.over(layout));
        assertThat(a.sub(b).abs().max().item()).isLessThan(1e-5);
      }
    }
  }
}
