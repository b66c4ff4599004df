package dev.fathom.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import dev.fathom.arch.Models;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.ProcessGroup;
import dev.fathom.tensor.Threads;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// Training by several processes: real ones, started as the command line does.
@Timeout(120)
class LocalWorkersTest {
  private static final int VOCABULARY = 23;
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @TempDir private Path folder;

  @BeforeAll
  static void useOneThread() {
    Threads.set(1);
  }

  /// What a further process does: `FOLDER dies --rendezvous HOST:PORT --rank R`.
  static final class Copy {
    private Copy() {}

    public static void main(String[] args) {
      LocalWorkers.endWithParent();
      Threads.set(1);
      String[] place = args[3].split(":");
      int port = Integer.parseInt(place[1]);
      int rank = Integer.parseInt(args[5]);
      try (var group = ProcessGroup.join(place[0], port, rank, 2, PATIENCE);
          var parameters = Parameters.zeros(Models.shapes(config()), DType.F32)) {
        if (args[1].equals("dies")) {
          Runtime.getRuntime().halt(3);
        }
        // other parameters than the first's, and a directory that must stay as it is
        var _ = run(parameters, 1, Peers.of(group), Path.of(args[0], "no-such"));
        parameters.export(Path.of(args[0], "copy.safetensors"), TensorType.F32);
        System.out.println("This line is nobody's result.");
      }
    }
  }

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

  private static TrainingLog run(Parameters parameters, int workers, Peers peers, Path directory) {
    var settings =
        Trainer.Config.standard(new Schedule(1e-2, 5, 8, Schedule.Shape.COSINE, 0.1))
            .withBatch(128)
            .withPieces(32)
            .withWorkers(workers)
            .evaluatingEvery(2)
            .savingEvery(5);
    return new Trainer(
            parameters,
            NextToken.of(config(), "tiny", DType.F32),
            TrainingSet.shuffled(counting(300, 5), 7),
            counting(20, 99),
            settings)
        .with(peers)
        .run(directory, _ -> {});
  }

  private static Parameters fresh() {
    return Initialization.random(config(), 3, 0.1);
  }

  private LocalWorkers start(String how) {
    return LocalWorkers.start(2, Copy.class, List.of(folder.toString(), how));
  }

  @Test
  void twoProcessesComputeWhatOneWithTwoWorkersDoes() throws Exception {
    Path shared = folder.resolve("shared");
    TrainingLog log;
    byte[] first;
    try (var workers = start("lives");
        var group = workers.join(PATIENCE);
        var parameters = fresh()) {
      assertThat(workers.size()).isEqualTo(2);
      log = run(parameters, 1, Peers.of(group), shared);
      parameters.export(folder.resolve("first.safetensors"), TensorType.F32);
      first = Files.readAllBytes(folder.resolve("first.safetensors"));
    } // the copy has ended here
    assertThat(Files.readAllBytes(folder.resolve("copy.safetensors"))).isEqualTo(first);
    assertThat(folder.resolve("no-such")).doesNotExist();
    assertThat(shared.resolve("settings.json")).content().contains("1 in each of 2 processes");

    try (var parameters = fresh()) {
      TrainingLog alone = run(parameters, 2, Peers.ALONE, folder.resolve("alone"));
      parameters.export(folder.resolve("alone.safetensors"), TensorType.F32);
      assertThat(Files.readAllBytes(folder.resolve("alone.safetensors"))).isEqualTo(first);
      assertThat(losses(log)).isEqualTo(losses(alone));
      assertThat(log.evaluations()).hasSize(4);
      for (int i = 0; i < 4; i++) {
        assertThat(log.evaluations().get(i).loss())
            .isCloseTo(alone.evaluations().get(i).loss(), within(1e-9));
      }
    }
  }

  private static List<Double> losses(TrainingLog log) {
    return log.steps().stream().map(TrainingLog.Step::loss).toList();
  }

  @Test
  void theDeathOfAnotherProcessEndsTheRunWithASentence() {
    try (var workers = start("dies");
        var group = workers.join(PATIENCE);
        var parameters = fresh()) {
      assertThatThrownBy(() -> run(parameters, 1, Peers.of(group), folder.resolve("run")))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("process 0 of 2 lost another one");
    }
  }
}
