package dev.fathom.checkpoint.hub;

import dev.fathom.FathomException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/// Requests to the hub for the length of one pull: redirects, the token, time-outs and new tries.
final class HubHttp implements AutoCloseable {
  private static final int MOST_REDIRECTS = 8;

  private final HttpClient client;
  private final HubSettings settings;
  private final Patience patience;

  HubHttp(HubSettings settings, Patience patience) {
    this.settings = settings;
    this.patience = patience;
    this.client =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(patience.connect())
            .build();
  }

  /// Something that may go better the next time.
  static final class Transient extends IOException {
    private final Duration wait;

    /// @param wait what the server asks to wait, or zero
    Transient(String message, Duration wait) {
      super(message);
      this.wait = wait;
    }
  }

  /// An answer whose body is still to be read.
  ///
  /// @param fromHub whether the endpoint itself gave it, not a host it redirected to
  record Reply(HttpResponse<BodyQueue> response, boolean fromHub) implements AutoCloseable {
    int status() {
      return response.statusCode();
    }

    Optional<String> header(String name) {
      return response.headers().firstValue(name);
    }

    OptionalLong number(String name) {
      try {
        return header(name).map(Long::parseLong).map(OptionalLong::of).orElse(OptionalLong.empty());
      } catch (NumberFormatException e) {
        return OptionalLong.empty();
      }
    }

    @Override
    public void close() {
      response.body().close();
    }
  }

  /// What is tried; throws [IOException] for what another try may mend, and unchecked what it
  /// cannot.
  @FunctionalInterface
  interface Attempt<T> {
    T run() throws IOException, InterruptedException;
  }

  /// Tries until it works, with doubling pauses.
  ///
  /// @param what names the address in the error
  /// @throws HubUnreachable after [Patience#attempts] tries
  <T> T retrying(String what, Attempt<T> attempt) throws InterruptedException {
    for (int failures = 1; ; failures++) {
      try {
        return attempt.run();
      } catch (IOException e) {
        pauseOrGiveUp(what, failures, e);
      }
    }
  }

  /// Waits before the next try, or ends the trying.
  void pauseOrGiveUp(String what, int failures, IOException failure) throws InterruptedException {
    if (failures >= patience.attempts()) {
      throw new HubUnreachable(
          "%s could not be fetched from %s in %d tries (%s); check the network,"
                  .formatted(what, settings.endpoint(), failures, reason(failure))
              + " HF_ENDPOINT and proxies",
          failure);
    }
    Duration asked = failure instanceof Transient t ? t.wait : Duration.ZERO;
    Thread.sleep(patience.pause(failures, asked));
  }

  /// The head of a file's answer: of the hub itself, even where the content lies elsewhere. A
  /// mirror may send on to the public hub for it.
  Reply head(String path) throws IOException, InterruptedException {
    return send("HEAD", path, 0);
  }

  /// Content, from a byte on, wherever it lies.
  Reply get(String path, long from) throws IOException, InterruptedException {
    return send("GET", path, from);
  }

  /// The next buffers of a body, none at its end.
  List<ByteBuffer> next(Reply reply) throws IOException, InterruptedException {
    return reply.response().body().next(patience.idle());
  }

  byte[] read(Reply reply, int limit) throws IOException, InterruptedException {
    return reply.response().body().all(limit, patience.idle());
  }

  private Reply send(String method, String path, long from)
      throws IOException, InterruptedException {
    URI target = URI.create(settings.endpoint() + path);
    for (int hop = 0; hop <= MOST_REDIRECTS; hop++) {
      boolean atHub = isHub(target);
      HttpResponse<BodyQueue> response =
          client.send(request(method, target, atHub, from), ignored -> new BodyQueue());
      var reply = new Reply(response, atHub);
      Optional<URI> next = redirect(reply, target);
      if (next.isEmpty()) {
        refuseTransient(reply, target);
        return reply;
      }
      boolean known = isHub(next.get()) || sameOrigin(next.get(), HubSettings.PUBLIC_ENDPOINT);
      if (method.equals("HEAD") && !known) {
        return reply;
      }
      reply.close();
      target = next.get();
    }
    throw new FathomException(
        "The hub redirects %s more than %d times; check HF_ENDPOINT"
            .formatted(path, MOST_REDIRECTS));
  }

  /// The token goes to the endpoint and nowhere else: whoever a redirect names must not learn it.
  private HttpRequest request(String method, URI target, boolean atHub, long from) {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(target)
            .timeout(patience.answer())
            .header("User-Agent", "fathom")
            .header("Accept-Encoding", "identity")
            .method(method, HttpRequest.BodyPublishers.noBody());
    if (atHub) {
      settings.token().ifPresent(token -> request.header("Authorization", "Bearer " + token));
    }
    if (from > 0) {
      request.header("Range", "bytes=" + from + "-");
    }
    return request.build();
  }

  private Optional<URI> redirect(Reply reply, URI from) {
    int status = reply.status();
    if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308) {
      return Optional.empty();
    }
    String location = reply.header("Location").orElse("");
    URI target;
    try {
      target = from.resolve(location);
    } catch (IllegalArgumentException e) {
      reply.close();
      throw new FathomException(
          "%s redirects to something that is no address: '%s'"
              .formatted(from.getHost(), HubListing.printable(location)),
          e);
    }
    if (location.isEmpty() || !mayFollow(settings.endpoint(), target)) {
      reply.close();
      throw new FathomException(
          "%s redirects to '%s', expected an https address; check HF_ENDPOINT and proxies"
              .formatted(from.getHost(), HubListing.printable(location)));
    }
    return Optional.of(target);
  }

  /// `https`, or `http` where the user chose an endpoint of that kind.
  static boolean mayFollow(URI endpoint, URI target) {
    return target.getHost() != null
        && ("https".equalsIgnoreCase(target.getScheme())
            || ("http".equalsIgnoreCase(target.getScheme())
                && "http".equalsIgnoreCase(endpoint.getScheme())));
  }

  /// Overload and failures of servers pass; so may a refusal of a storage host, whose signed
  /// address is made anew with every try.
  private static void refuseTransient(Reply reply, URI target) throws Transient {
    int status = reply.status();
    boolean passing = status == 408 || status == 429 || status >= 500;
    boolean stale = !reply.fromHub() && status >= 400 && status != 416;
    if (passing || stale) {
      reply.close();
      long wait = reply.number("Retry-After").orElse(0);
      throw new Transient(
          "%s answers %d".formatted(target.getHost(), status),
          Duration.ofSeconds(Math.clamp(wait, 0, 3600)));
    }
  }

  private boolean isHub(URI target) {
    return sameOrigin(target, settings.endpoint());
  }

  private static boolean sameOrigin(URI one, URI other) {
    return one.getScheme().equalsIgnoreCase(other.getScheme())
        && one.getHost().equalsIgnoreCase(other.getHost())
        && port(one) == port(other);
  }

  private static int port(URI address) {
    if (address.getPort() >= 0) {
      return address.getPort();
    }
    return "http".equalsIgnoreCase(address.getScheme()) ? 80 : 443;
  }

  private static String reason(IOException failure) {
    String message = failure.getMessage();
    return message == null || message.isBlank()
        ? failure.getClass().getSimpleName()
        : HubListing.printable(message);
  }

  @Override
  public void close() {
    client.shutdownNow();
    client.close();
  }
}
