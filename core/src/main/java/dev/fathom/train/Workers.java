package dev.fathom.train;

import dev.fathom.tensor.Threads;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/// Threads that compute side by side: several of them with one kernel thread each, which wait for
/// nobody; one alone with all kernel threads.
public final class Workers implements AutoCloseable {
  private final int count;
  private final ExecutorService threads;

  /// @param count 1 or more
  public Workers(int count) {
    this.count = count;
    int kernels = count == 1 ? Threads.get() : 1;
    this.threads =
        Executors.newFixedThreadPool(
            count,
            work -> {
              var thread =
                  new Thread(
                      () -> {
                        Threads.ofThisThread(kernels);
                        work.run();
                      },
                      "fathom-worker");
              thread.setDaemon(true);
              return thread;
            });
  }

  public int count() {
    return count;
  }

  /// All results in the order of the tasks, each of which runs on a thread of its own if there are
  /// no more than workers.
  public <T> List<T> all(List<Callable<T>> tasks) {
    List<Future<T>> running = tasks.stream().map(threads::submit).toList();
    var results = new ArrayList<T>();
    RuntimeException failure = null;
    for (Future<T> one : running) {
      try {
        results.add(one.get());
      } catch (ExecutionException e) {
        failure =
            e.getCause() instanceof RuntimeException cause
                ? cause
                : new IllegalStateException("a worker failed", e.getCause());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        failure = new IllegalStateException("interrupted while workers compute", e);
      }
    }
    if (failure != null) {
      throw failure;
    }
    return results;
  }

  @Override
  public void close() {
    threads.shutdown();
  }
}
