package dev.fathom.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Each process is a thread here; `LocalWorkersTest` has real ones.
@Timeout(60)
class ProcessGroupTest {
  private static final String HOST = "127.0.0.1";
  private static final Duration LONG = Duration.ofSeconds(20);
  private static final Duration SHORT = Duration.ofMillis(700);

  private int port;

  @BeforeEach
  void choosePort() throws IOException {
    try (var socket = new ServerSocket(0, 1, InetAddress.getByName(HOST))) {
      port = socket.getLocalPort();
    }
  }

  private interface Work<T> {
    T of(ProcessGroup group) throws Exception;
  }

  /// What each process gives.
  private <T> List<T> all(int size, Work<T> work) {
    return together(
        IntStream.range(0, size)
            .mapToObj(rank ->
                (Callable<T>)
                    () -> {
                      try (var scope = Scope.withoutGradients();
                          var group = ProcessGroup.join(HOST, port, rank, size, LONG)) {
                        assertThat(group.rank()).isEqualTo(rank);
                        assertThat(group.size()).isEqualTo(size);
                        return work.of(group);
                      }
                    })
            .toList());
  }

  private static <T> List<T> together(List<Callable<T>> tasks) {
    try (var threads = Executors.newFixedThreadPool(tasks.size())) {
      List<Future<T>> running = tasks.stream().map(threads::submit).toList();
      var results = new ArrayList<T>();
      for (Future<T> one : running) {
        results.add(one.get());
      }
      return results;
    } catch (ExecutionException e) {
      throw new CompletionException(e.getCause());
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static float[] values(int rank, int length) {
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = (float) Math.sin(1 + rank * 1000.1 + i);
    }
    return values;
  }

  @Test
  void sumsAreTheSameBitsEverywhereAndEachTime() {
    int length = 10_007;
    List<float[]> sums =
        all(
            3,
            group -> {
              Tensor first = Tensor.of(values(group.rank(), length), length);
              Tensor again = first.copy();
              group.sumInPlace(first);
              group.barrier();
              group.sumInPlace(again);
              assertThat(again.toFloats()).isEqualTo(first.toFloats());
              return first.toFloats();
            });
    assertThat(sums.get(1)).isEqualTo(sums.get(0));
    assertThat(sums.get(2)).isEqualTo(sums.get(0));
    for (int i = 0; i < length; i += 97) {
      double expected = 0;
      for (int rank = 0; rank < 3; rank++) {
        expected += values(rank, length)[i];
      }
      assertThat((double) sums.get(0)[i]).isCloseTo(expected, within(1e-6));
    }
  }

  @Test
  void othersTakeTheTensorOfTheFirst() {
    List<double[]> copies =
        all(
            2,
            group -> {
              Tensor tensor = Tensor.of(new double[] {group.rank() + 0.5, -0.0}, 2);
              group.copyFirst(tensor);
              return tensor.toDoubles();
            });
    assertThat(copies).allSatisfy(copy -> assertThat(copy).containsExactly(0.5, -0.0));
  }

  @Test
  void oneProcessIsAGroupToo() {
    assertThat(
            all(
                1,
                group -> {
                  Tensor tensor = Tensor.of(new double[] {3}, 1);
                  group.sumInPlace(tensor);
                  return tensor.item();
                }))
        .containsExactly(3.0);
  }

  @Test
  void theMeetingListensAtItsOwnAddressOnly() {
    List<Boolean> reached =
        all(
            2,
            group -> {
              try (var socket = new Socket()) {
                socket.connect(new InetSocketAddress("127.0.0.2", port), 500);
                return true;
              } catch (IOException e) {
                return false;
              } finally {
                group.barrier();
              }
            });
    assertThat(reached).containsExactly(false, false);
  }

  private void refused(int rank, int size, Duration timeout, String reason) {
    assertThatThrownBy(() -> ProcessGroup.join(HOST, port, rank, size, timeout))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining(reason)
        .satisfies(e -> assertThat(e.getMessage()).doesNotContain("\n"));
  }

  @Test
  void whoDoesNotComeIsNamed() {
    refused(0, 3, SHORT, "process 0 of 3: did not hear from [1, 2] of 3 at 127.0.0.1:" + port);
    refused(1, 2, SHORT, "process 1 of 2: nobody listened at 127.0.0.1:" + port);
  }

  @Test
  void aPortThatIsTakenIsSaid() throws IOException {
    try (var taken = new ServerSocket(port, 1, InetAddress.getByName(HOST))) {
      refused(0, 2, SHORT, "cannot listen there; is the port taken");
    }
    assertThatThrownBy(() -> ProcessGroup.join("no.such.host.invalid", port, 0, 2, SHORT))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("no such host");
    assertThatThrownBy(() -> ProcessGroup.join(HOST, port, 2, 2, SHORT))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> ProcessGroup.join(HOST, 0, 0, 2, SHORT))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aRankThatIsTakenIsSaid() {
    assertThatThrownBy(() ->
            together(
                List.of(
                    () -> ProcessGroup.join(HOST, port, 0, 3, Duration.ofSeconds(3)),
                    () -> ProcessGroup.join(HOST, port, 1, 3, Duration.ofSeconds(2)),
                    () -> {
                      Thread.sleep(600);
                      refused(1, 3, LONG, "process 1 of 3: another process has this rank");
                      return null;
                    })))
        .cause()
        .hasMessageContaining("[2] of 3");
  }

  @Test
  void theEndOfAnotherProcessIsSaid() {
    all(
        2,
        group -> {
          group.sumInPlace(Tensor.zeros(DType.F32, 5));
          if (group.rank() == 0) {
            Tensor tensor = Tensor.zeros(DType.F32, 5);
            assertThatThrownBy(() -> group.sumInPlace(tensor))
                .isInstanceOf(FathomException.class)
                .hasMessageStartingWith(
                    "process 0 of 2 lost another one while adding up Tensor[5] F32 (")
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain("\n", ".cc"));
            assertThatThrownBy(group::barrier).isInstanceOf(IllegalStateException.class);
          }
          return group.rank();
        });
  }

  @Test
  void silenceOfAnotherProcessIsSaid() {
    together(
        IntStream.range(0, 2)
            .mapToObj(rank ->
                (Callable<Integer>)
                    () -> {
                      try (var scope = Scope.withoutGradients();
                          var group =
                              ProcessGroup.join(HOST, port, rank, 2, Duration.ofSeconds(3))) {
                        if (rank == 0) {
                          Tensor tensor = Tensor.zeros(DType.F32, 5);
                          assertThatThrownBy(() -> group.sumInPlace(tensor))
                              .isInstanceOf(FathomException.class)
                              .hasMessageContaining("got no answer from the others in 3 s");
                        } else {
                          Thread.sleep(4000);
                        }
                        return rank;
                      }
                    })
            .toList());
  }

  @Test
  void onlyContiguousTensorsAreExchanged() {
    all(
        1,
        group -> {
          Tensor turned = Tensor.zeros(DType.F32, 2, 3).transpose(0, 1);
          assertThatThrownBy(() -> group.sumInPlace(turned))
              .isInstanceOf(IllegalArgumentException.class);
          return 0;
        });
  }
}
