package dev.fathom.checkpoint.hub;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/// A body handed over piece by piece to the thread that wants it. Unlike the stream of the JDK's
/// client it gives up when no byte arrives for a while; at most two pieces are in memory.
final class BodyQueue implements BodySubscriber<BodyQueue>, AutoCloseable {
  private sealed interface Event {
    record Data(List<ByteBuffer> buffers) implements Event {}

    record End() implements Event {}

    record Failed(Throwable cause) implements Event {}
  }

  private static final Flow.Subscription CLOSED =
      new Flow.Subscription() {
        @Override
        public void request(long n) {}

        @Override
        public void cancel() {}
      };

  private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
  private final AtomicReference<Flow.@Nullable Subscription> subscription = new AtomicReference<>();

  @Override
  public CompletionStage<BodyQueue> getBody() {
    return CompletableFuture.completedFuture(this);
  }

  @Override
  public void onSubscribe(Flow.Subscription given) {
    if (subscription.compareAndSet(null, given)) {
      given.request(1);
    } else {
      given.cancel();
    }
  }

  @Override
  public void onNext(List<ByteBuffer> buffers) {
    events.add(new Event.Data(buffers));
  }

  @Override
  public void onError(Throwable cause) {
    events.add(new Event.Failed(cause));
  }

  @Override
  public void onComplete() {
    events.add(new Event.End());
  }

  /// The next buffers; none at the end of the body.
  ///
  /// @throws HttpTimeoutException where nothing arrived for that long
  /// @throws IOException where the connection broke
  List<ByteBuffer> next(Duration idle) throws IOException, InterruptedException {
    Event event = events.poll(idle.toNanos(), TimeUnit.NANOSECONDS);
    return switch (event) {
      case null -> throw new HttpTimeoutException("no data for %d s".formatted(idle.toSeconds()));
      case Event.Data data -> {
        Flow.Subscription source = subscription.get();
        if (source != null) {
          source.request(1);
        }
        yield data.buffers();
      }
      case Event.End end -> {
        events.add(end);
        yield List.of();
      }
      case Event.Failed failed -> throw new IOException(failed.cause());
    };
  }

  /// The whole body.
  ///
  /// @throws TooLarge where it is longer than `limit` bytes
  byte[] all(int limit, Duration idle) throws IOException, InterruptedException {
    var bytes = new ByteArrayOutputStream();
    for (List<ByteBuffer> buffers = next(idle); !buffers.isEmpty(); buffers = next(idle)) {
      for (ByteBuffer buffer : buffers) {
        if (bytes.size() + (long) buffer.remaining() > limit) {
          throw new TooLarge(limit);
        }
        byte[] piece = new byte[buffer.remaining()];
        buffer.get(piece);
        bytes.writeBytes(piece);
      }
    }
    return bytes.toByteArray();
  }

  /// Lets go of the connection; a body read to its end leaves it open for the next request.
  @Override
  public void close() {
    Flow.Subscription source = subscription.getAndSet(CLOSED);
    if (source != null) {
      source.cancel();
    }
  }

  /// A body beyond what was agreed; trying again would not help.
  static final class TooLarge extends IOException {
    TooLarge(int limit) {
      super("more than %d bytes".formatted(limit));
    }
  }
}
