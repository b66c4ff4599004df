package dev.fathom.tensor;

import dev.fathom.FathomException;
import java.io.IOException;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.javacpp.chrono.Milliseconds;
import org.bytedeco.pytorch.BroadcastOptions;
import org.bytedeco.pytorch.GlooDeviceVector;
import org.bytedeco.pytorch.IntOptional;
import org.bytedeco.pytorch.ProcessGroupGloo;
import org.bytedeco.pytorch.StringVector;
import org.bytedeco.pytorch.TCPStore;
import org.bytedeco.pytorch.TCPStoreOptions;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.Work;

/// Processes that compute together: each holds tensors of its own, and they add them up. By
/// libtorch's Gloo, over TCP.
///
/// ```java
/// try (var group = ProcessGroup.join("127.0.0.1", 29500, rank, 2, Duration.ofMinutes(10))) {
///   group.sumInPlace(gradient); // the same in both processes then, to the bit
/// }
/// ```
///
/// Process 0 listens at the given address and at no other; the rest connect to it, and then each
/// with each. Nothing is encrypted, and who can reach the address can join or read: use the
/// loopback address, or a network of your own. Linux and macOS.
///
/// All processes must make the same calls in the same order. One thread at a time.
public final class ProcessGroup implements AutoCloseable {
  static {
    Libtorch.prepare();
  }

  private static final int PAUSE_MILLIS = 20;

  private final int rank;
  private final int size;
  private final Duration timeout;
  private final TCPStore store;
  private final ProcessGroupGloo group;
  private boolean open = true;

  private ProcessGroup(
      int rank, int size, Duration timeout, TCPStore store, ProcessGroupGloo group) {
    this.rank = rank;
    this.size = size;
    this.timeout = timeout;
    this.store = store;
    this.group = group;
  }

  /// Meets the other processes; returns when all are there.
  ///
  /// @param host where process 0 listens: an IPv4 address of its machine, or a name of one
  /// @param port the same for all
  /// @param rank this process's number, from 0
  /// @param size how many there are
  /// @param timeout how long to wait for the others, here and in each later call: longer than one
  ///   may be busy between two calls
  /// @throws FathomException if the port is taken, or a process does not come in time
  public static ProcessGroup join(String host, int port, int rank, int size, Duration timeout) {
    if (size < 1 || rank < 0 || rank >= size || port < 1 || port > 65_535) {
      throw new IllegalArgumentException(
          "ranks are 0 to size - 1 and ports 1 to 65535, found rank %d of %d and port %d"
              .formatted(rank, size, port));
    }
    if (timeout.toMillis() < 1) {
      throw new IllegalArgumentException("the timeout must be above 0, found " + timeout);
    }
    if (!Posix.isHere()) {
      throw new FathomException(
          "several processes compute together on Linux and macOS only; use one");
    }
    return new Meeting(address(host), port, rank, size, timeout).group();
  }

  private static Inet4Address address(String host) {
    try {
      return Arrays.stream(InetAddress.getAllByName(host))
          .filter(Inet4Address.class::isInstance)
          .map(Inet4Address.class::cast)
          .findFirst()
          .orElseThrow(() ->
              new FathomException(
                  host + ": has no IPv4 address, which processes that compute together need"));
    } catch (UnknownHostException e) {
      throw new FathomException(host + ": no such host", e);
    }
  }

  public int rank() {
    return rank;
  }

  public int size() {
    return size;
  }

  /// Adds up the tensors that the processes give, of one shape and type, and puts the sum into each
  /// of them. Every process has the same bits then; the order of adding depends on the number of
  /// processes and of elements only.
  ///
  /// @throws FathomException if a process ended or does not answer in time
  public void sumInPlace(Tensor tensor) {
    requireWhole(tensor);
    await("adding up " + tensor, () -> group.allreduce(new TensorVector(tensor.pointer())));
  }

  /// Replaces the tensor of every other process by that of process 0.
  ///
  /// @throws FathomException if a process ended or does not answer in time
  public void copyFirst(Tensor tensor) {
    requireWhole(tensor);
    await(
        "handing out " + tensor,
        () ->
            group.broadcast(
                new TensorVector(tensor.pointer()), new BroadcastOptions().rootRank(0)));
  }

  /// Returns when every process has come here.
  ///
  /// @throws FathomException if a process ended or does not answer in time
  public void barrier() {
    await("waiting for each other", group::barrier);
  }

  private static void requireWhole(Tensor tensor) {
    if (!tensor.isContiguous()) {
      throw new IllegalArgumentException(
          "processes exchange contiguous tensors only, found " + tensor);
    }
  }

  private void await(String what, Supplier<Work> start) {
    if (!open) {
      throw new IllegalStateException("the process group is closed, or lost a process before");
    }
    try (var pointers = new PointerScope()) {
      var _ = start.get()._wait();
    } catch (RuntimeException e) {
      open = false;
      throw lost(rank, size, timeout, what, e);
    }
  }

  private static FathomException lost(
      int rank, int size, Duration timeout, String what, RuntimeException e) {
    String reason = reason(e);
    return new FathomException(
        reason.toLowerCase(Locale.ROOT).contains("timed out")
            ? "process %d of %d got no answer from the others in %.0f s while %s: see what they do, or allow more time"
                .formatted(rank, size, timeout.toMillis() / 1e3, what)
            : "process %d of %d lost another one while %s (%s): see why that one ended, then start all again"
                .formatted(rank, size, what, reason),
        e);
  }

  /// The first line of a native message without its place in the source.
  private static String reason(RuntimeException e) {
    String line = String.valueOf(e.getMessage()).lines().findFirst().orElse("no reason given");
    return line.replaceFirst("^\\[[^\\]]*\\.(cc|cpp|h):[0-9]+\\] ", "");
  }

  @Override
  public void close() {
    open = false;
    var _ = group.releaseReference();
    var _ = store.releaseReference();
  }

  /// How processes find each other.
  private record Meeting(
      Inet4Address host, int port, int rank, int size, Duration timeout, long until) {
    Meeting(Inet4Address host, int port, int rank, int size, Duration timeout) {
      this(host, port, rank, size, timeout, System.nanoTime() + timeout.toNanos());
    }

    ProcessGroup group() {
      try (var pointers = new PointerScope()) {
        var wait = new Milliseconds(timeout.toMillis());
        var options = new TCPStoreOptions().port((short) port).waitWorkers(false).timeout(wait);
        InetAddress own = rank == 0 ? listen(options) : connect();
        TCPStore store = new TCPStore(host.getHostAddress(), options);
        requireAll(store);
        var devices = new GlooDeviceVector();
        var _ = devices.push_back(ProcessGroupGloo.createDeviceForHostname(own.getHostAddress()));
        var settings = ProcessGroupGloo.Options.create(wait).devices(devices).threads(1);
        ProcessGroupGloo group =
            Posix.withoutOutput(() -> new ProcessGroupGloo(store, rank, size, settings));
        store.retainReference(); // longer than this scope
        group.retainReference();
        var whole = new ProcessGroup(rank, size, timeout, store, group);
        try {
          whole.barrier();
          return whole;
        } catch (RuntimeException e) {
          whole.close();
          throw e;
        }
      } catch (FathomException e) {
        throw e;
      } catch (RuntimeException e) {
        throw new FathomException(
            "process %d of %d did not meet the others at %s (%s)"
                .formatted(rank, size, place(), reason(e)),
            e);
      }
    }

    private String place() {
      return host.getHostAddress() + ":" + port;
    }

    /// Makes the store listen at this host alone; by itself it would listen at every address.
    private InetAddress listen(TCPStoreOptions options) {
      int socket =
          Posix.listening(host, port)
              .orElseThrow(() ->
                  new FathomException(
                      "%s: cannot listen there; is the port taken, or the address another machine's?"
                          .formatted(place())));
      var _ = options.isServer(true).masterListenFd(new IntOptional(socket));
      return host;
    }

    /// Waits until process 0 listens.
    ///
    /// @return the address by which this machine reaches it
    private InetAddress connect() {
      while (true) {
        try (var socket = new Socket()) {
          int left = (int) Math.clamp((until - System.nanoTime()) / 1_000_000, 1, 5_000);
          socket.connect(new InetSocketAddress(host, port), left);
          return socket.getLocalAddress();
        } catch (IOException e) {
          if (System.nanoTime() > until) {
            throw new FathomException(
                "process %d of %d: nobody listened at %s in %.0f s; process 0 must be started too, with this address"
                    .formatted(rank, size, place(), timeout.toMillis() / 1e3),
                e);
          }
          pause();
        }
      }
    }

    /// Waits until every process has signed in.
    private void requireAll(TCPStore store) {
      if (store.add(key(rank), 1) > 1) {
        throw new FathomException(
            "process %d of %d: another process has this rank at %s".formatted(rank, size, place()));
      }
      while (true) {
        List<Integer> missing = missing(store);
        if (missing.isEmpty()) {
          return;
        }
        if (System.nanoTime() > until) {
          throw new FathomException(
              "process %d of %d: did not hear from %s of %d at %s in %.0f s; start all of them, each with the same number of processes"
                  .formatted(rank, size, missing, size, place(), timeout.toMillis() / 1e3));
        }
        pause();
      }
    }

    private List<Integer> missing(TCPStore store) {
      var missing = new ArrayList<Integer>();
      try (var pointers = new PointerScope()) {
        for (int other = 0; other < size; other++) {
          if (!store.check(new StringVector(key(other)))) {
            missing.add(other);
          }
        }
      }
      return missing;
    }

    private String key(int process) {
      return "fathom/%d/%d".formatted(size, process);
    }

    private static void pause() {
      try {
        Thread.sleep(PAUSE_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new FathomException("interrupted while waiting for other processes", e);
      }
    }
  }
}
