package dev.fathom.cli;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// A progress bar on standard error for work that takes longer than two seconds. It shows itself
/// only on a terminal, and is gone without a trace when closed.
///
/// ```java
/// try (var progress = Progress.start(console, "ablating", cells)) {
///   for (...) progress.advance(1);
/// }
/// ```
///
/// Any thread may call [#advance]; a background thread paints.
final class Progress implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofSeconds(2);
  private static final Duration REPAINT = Duration.ofMillis(200);
  private static final String CLEAR_LINE = "\r\u001b[K";

  /// The total of work that is told in shares.
  static final long SHARES = 1000;

  private volatile String what;
  private final long total;
  private final AtomicLong done = new AtomicLong();
  private final long started = System.nanoTime();
  private final @Nullable Thread painter;

  private Progress(String what, long total, @Nullable Console console) {
    this.what = what;
    this.total = total;
    this.painter =
        console == null
            ? null
            : Thread.ofPlatform().daemon().name("progress").unstarted(() -> paint(console));
  }

  /// Begins to count `total` steps of `what`, such as "reading"; a total of 0 is one not known.
  static Progress start(Console console, String what, long total) {
    boolean visible =
        console.errIsTerminal() && !console.variable("TERM").orElse("dumb").equals("dumb");
    var progress = new Progress(what, total, visible ? console : null);
    if (progress.painter != null) progress.painter.start();
    return progress;
  }

  /// One that counts and is never shown.
  static Progress invisible() {
    return new Progress("", 0, null);
  }

  void advance(long steps) {
    done.addAndGet(steps);
  }

  /// Shows what is being done.
  void tell(String doing) {
    what = doing;
    done.incrementAndGet();
  }

  /// Advances, and shows what is being done.
  void say(String doing, long steps) {
    what = doing;
    done.addAndGet(steps);
  }

  /// Shows what is being done, and how much of the whole, of [#SHARES], is done.
  void show(String doing, double share) {
    what = doing;
    done.set(Math.round(share * SHARES));
  }

  /// Removes the bar; returns when nothing more will be painted.
  @Override
  public void close() {
    if (painter == null) return;
    painter.interrupt();
    try {
      painter.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void paint(Console console) {
    PrintWriter err = console.err();
    boolean shown = false;
    try {
      Thread.sleep(PATIENCE);
      while (true) {
        var elapsed = Duration.ofNanos(System.nanoTime() - started);
        err.print(CLEAR_LINE + line(what, done.get(), total, elapsed, console.width()));
        err.flush();
        shown = true;
        Thread.sleep(REPAINT);
      }
    } catch (InterruptedException e) {
      if (shown) err.print(CLEAR_LINE);
      err.flush();
    } catch (Console.ClosedPipe e) {
      // Nobody watches any more; the work goes on.
    }
  }

  /// The bar's text, at most `width - 1` columns: what, bar, share done, time left.
  static String line(String what, long done, long total, Duration elapsed, int width) {
    if (total <= 0)
      return cut(String.format(Locale.ROOT, "%s  %,d  %s", what, done, clock(elapsed)), width);
    double share = Math.clamp((double) done / total, 0, 1);
    var left =
        share == 0
            ? ""
            : clock(Duration.ofMillis((long) (elapsed.toMillis() * (1 - share) / share))) + " left";
    var end = "%3d%%  %s".formatted((int) (100 * share), left);
    int cells = Math.clamp(width - 1L - what.length() - end.length() - 6, 0, 30);
    if (cells < 5) return cut(what + "  " + end, width);
    int full = (int) Math.round(share * cells);
    return "%s  [%s%s]  %s"
        .formatted(what, "#".repeat(full), "-".repeat(cells - full), end)
        .stripTrailing();
  }

  private static String cut(String text, int width) {
    return text.substring(0, Math.min(text.length(), width - 1)).stripTrailing();
  }

  private static String clock(Duration time) {
    return time.toHours() > 0
        ? "%d:%02d:%02d".formatted(time.toHours(), time.toMinutesPart(), time.toSecondsPart())
        : "%d:%02d".formatted(time.toMinutes(), time.toSecondsPart());
  }
}
