package dev.fathom.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import dev.fathom.arch.Models;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.ProcessGroup;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Threads;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// Training by several processes, each of them a thread here, in F64.
@Timeout(60)
class PeersTest {
  private static final int VOCABULARY = 23;
  private static final int STEPS = 8;
  private static final Consumer<Trainer.Progress> NOBODY = _ -> {};

  @TempDir private Path folder;

  @BeforeAll
  static void useOneThread() {
    Threads.set(1);
  }

  private static ObjectNode config() {
    return (ObjectNode)
        JsonMapper.shared()
            .readTree(
                """
                {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": 16,
                 "n_layer": 2, "n_head": 2, "vocab_size": %d, "n_positions": 64,
                 "activation_function": "gelu_new"}
                """
                    .formatted(VOCABULARY));
  }

  private static List<Row> texts(int rows, long seed) {
    var random = new Random(seed);
    return IntStream.range(0, rows)
        .mapToObj(_ -> Row.of(random.ints(3 + random.nextInt(9), 0, VOCABULARY).toArray()))
        .toList();
  }

  private static Trainer.Config settings(int workers) {
    return Trainer.Config.standard(new Schedule(1e-2, 2, STEPS, Schedule.Shape.COSINE, 0.1))
        .withBatch(120)
        .withPieces(40)
        .withWorkers(workers)
        .evaluatingEvery(2)
        .savingEvery(3);
  }

  /// What a process has at the end.
  private record End(double[] parameters, TrainingLog log) {}

  private static End run(
      Peers peers, Path directory, Trainer.Config config, Consumer<Trainer.Progress> listener) {
    try (var scope = Scope.withoutGradients();
        var start = Initialization.random(config(), 3 + peers.rank(), 0.2);
        var parameters = Parameters.zeros(Models.shapes(config()), DType.F64)) {
      var _ = parameters.flat().copyInPlace(start.flat());
      TrainingLog log =
          new Trainer(
                  parameters,
                  NextToken.of(config(), "tiny", DType.F64),
                  TrainingSet.shuffled(texts(200, 5), 7),
                  texts(20, 99),
                  config)
              .with(peers)
              .run(directory, listener);
      return new End(parameters.flat().toDoubles(), log);
    }
  }

  /// What a process of a group does.
  private interface Work {
    End of(Peers peers) throws Exception;
  }

  private List<End> together(int size, Work work) throws Exception {
    int port;
    try (var socket = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      port = socket.getLocalPort();
    }
    var tasks = new ArrayList<Callable<End>>();
    for (int i = 0; i < size; i++) {
      int rank = i;
      tasks.add(() -> {
        try (var group = ProcessGroup.join("127.0.0.1", port, rank, size, Duration.ofSeconds(20))) {
          return work.of(Peers.of(group));
        }
      });
    }
    try (var threads = Executors.newFixedThreadPool(size)) {
      List<Future<End>> running = tasks.stream().map(threads::submit).toList();
      var ends = new ArrayList<End>();
      for (Future<End> one : running) {
        ends.add(one.get());
      }
      return ends;
    }
  }

  private static void assertClose(double[] found, double[] expected) {
    double largest = 0;
    double worst = 0;
    for (int i = 0; i < found.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      worst = Math.max(worst, Math.abs(found[i] - expected[i]));
    }
    assertThat(worst / largest).isLessThan(1e-9);
  }

  @Test
  void severalProcessesTakeTheStepsOfOne() throws Exception {
    End alone = run(Peers.ALONE, folder.resolve("alone"), settings(1), NOBODY);
    for (int workers : new int[] {1, 2}) {
      Path directory = folder.resolve("together" + workers);
      List<End> ends = together(3, peers -> run(peers, directory, settings(workers), NOBODY));
      for (End end : ends) {
        assertThat(end.parameters).isEqualTo(ends.getFirst().parameters); // to the bit
        assertClose(end.parameters, alone.parameters);
        assertThat(end.log.steps()).hasSize(STEPS);
        assertThat(end.log.evaluations()).hasSize(STEPS / 2);
        for (int i = 0; i < STEPS; i++) {
          double expected = alone.log.steps().get(i).loss();
          assertThat(end.log.steps().get(i).loss() / expected - 1).isBetween(-1e-9, 1e-9);
        }
      }
      assertThat(directory).isDirectoryContaining("glob:**/log.jsonl");
    }
  }

  @Test
  void aKilledRunGoesOnInAllProcesses() throws Exception {
    List<End> whole =
        together(2, peers -> run(peers, folder.resolve("whole"), settings(1), NOBODY));
    Path killed = folder.resolve("killed");
    assertThatThrownBy(() ->
            together(
                2,
                peers ->
                    run(
                        peers,
                        killed,
                        settings(1),
                        progress -> {
                          if (progress.step() == 5) {
                            throw new IllegalStateException("killed");
                          }
                        })))
        .hasMessageContaining("killed");
    List<End> resumed = together(2, peers -> run(peers, killed, settings(1), NOBODY));
    assertThat(resumed.get(0).log.steps()).hasSize(STEPS);
    assertThat(resumed.get(1).log.steps()).hasSize(STEPS - 3); // from the last saved step
    for (End end : resumed) {
      assertThat(end.parameters).isEqualTo(whole.getFirst().parameters);
    }
    assertThatThrownBy(() -> run(Peers.ALONE, killed, settings(1), NOBODY))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("workers = 1 in each of 2 processes, but this one has 1");
  }

  @Test
  void allEndWithTheBestParametersOfAnEarlyStop() throws Exception {
    UnaryOperator<Trainer.Config> early =
        config -> config.withPatience(1).evaluatingEvery(1).withClip(0);
    End alone = run(Peers.ALONE, folder.resolve("alone"), early.apply(settings(1)), NOBODY);
    List<End> ends =
        together(2, peers -> run(peers, folder.resolve("both"), early.apply(settings(1)), NOBODY));
    assertThat(alone.log.steps()).hasSizeLessThan(STEPS);
    for (End end : ends) {
      assertThat(end.log.steps()).hasSameSizeAs(alone.log.steps());
      assertClose(end.parameters, alone.parameters);
      assertThat(end.parameters).isEqualTo(ends.getFirst().parameters);
    }
  }

  @Test
  void processesOfDifferentSettingsDoNotTrainTogether() throws Exception {
    Path directory = folder.resolve("run");
    assertThatThrownBy(() ->
            together(2, peers -> run(peers, directory, settings(1).withClip(peers.rank()), NOBODY)))
        .cause()
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("process 0 of 2: the processes have different settings");
    assertThat(Files.exists(directory.resolve("state.safetensors"))).isFalse();
  }
}
