package dev.fathom.align.probe;

import dev.fathom.tensor.Threads;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntFunction;

/// Work that layers do not share, on as many threads as the kernels would use, each with one kernel
/// thread. What is found does not depend on their number.
final class Layerwise {
  private Layerwise() {}

  /// What `work` gives for each number from 0, in order; `done` is called after each, by any
  /// thread. The work opens scopes of its own and hands on nothing native.
  static <T> List<T> of(int count, IntFunction<T> work, Runnable done) {
    int threads = Math.min(count, Threads.get());
    if (threads <= 1) {
      var results = new ArrayList<T>();
      for (int i = 0; i < count; i++) {
        results.add(work.apply(i));
        done.run();
      }
      return results;
    }
    try (var pool = Executors.newFixedThreadPool(threads)) {
      var tasks = new ArrayList<Future<T>>();
      for (int i = 0; i < count; i++) {
        tasks.add(pool.submit(task(work, i, done)));
      }
      return results(tasks);
    }
  }

  private static <T> Callable<T> task(IntFunction<T> work, int number, Runnable done) {
    return () -> {
      Threads.ofThisThread(1);
      T result = work.apply(number);
      done.run();
      return result;
    };
  }

  private static <T> List<T> results(List<Future<T>> tasks) {
    var results = new ArrayList<T>();
    try {
      for (Future<T> task : tasks) {
        results.add(task.get());
      }
      return results;
    } catch (ExecutionException e) {
      tasks.forEach(task -> task.cancel(false));
      switch (e.getCause()) {
        case RuntimeException cause -> throw cause;
        case Error cause -> throw cause;
        case null, default -> throw new IllegalStateException(e);
      }
    } catch (InterruptedException e) {
      tasks.forEach(task -> task.cancel(true));
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted", e);
    }
  }
}
