package dev.fathom.checkpoint.hub;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// A hub on loopback with one repository, `acme/tiny`, and beside it a storage host with the
/// content of large files. Both write down what they are asked.
final class FakeHub implements AutoCloseable {
  static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

  /// Answers an exchange in place of the hub and says whether it did.
  interface Interruption {
    boolean answers(HttpExchange exchange) throws IOException;
  }

  record Request(
      String method, boolean atHub, String path, @Nullable String token, @Nullable String range) {}

  final List<Request> requests = new CopyOnWriteArrayList<>();
  final Map<String, byte[]> files = new TreeMap<>();
  volatile String commit = COMMIT;
  volatile Interruption interruption = exchange -> false;

  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final HttpServer hub;
  private final HttpServer storage;

  FakeHub() throws IOException {
    hub = start(true);
    storage = start(false);
  }

  private HttpServer start(boolean atHub) throws IOException {
    var server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(threads);
    server.createContext(
        "/",
        exchange -> {
          try (exchange) {
            requests.add(
                new Request(
                    exchange.getRequestMethod(),
                    atHub,
                    exchange.getRequestURI().toString(),
                    exchange.getRequestHeaders().getFirst("Authorization"),
                    exchange.getRequestHeaders().getFirst("Range")));
            if (!interruption.answers(exchange)) {
              answer(exchange, atHub);
            }
          }
        });
    server.start();
    return server;
  }

  URI endpoint() {
    return URI.create("http://127.0.0.1:" + hub.getAddress().getPort());
  }

  FakeHub with(String name, byte[] content) {
    files.put(name, content);
    return this;
  }

  FakeHub with(String name, String content) {
    return with(name, content.getBytes(StandardCharsets.UTF_8));
  }

  long count(String method, String part) {
    return requests.stream()
        .filter(request -> request.method().equals(method) && request.path().contains(part))
        .count();
  }

  byte[] stored(String name) {
    return Objects.requireNonNull(files.get(name), name);
  }

  static boolean isLarge(String name) {
    return name.endsWith(".safetensors") || name.endsWith(".gguf");
  }

  /// The name of a blob: SHA-256 of a large file, git's SHA-1 of a small one.
  static String id(String name, byte[] content) {
    try {
      var digest = MessageDigest.getInstance(isLarge(name) ? "SHA-256" : "SHA-1");
      if (!isLarge(name)) {
        digest.update(("blob " + content.length + "\0").getBytes(StandardCharsets.US_ASCII));
      }
      return HexFormat.of().formatHex(digest.digest(content));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  private void answer(HttpExchange exchange, boolean atHub) throws IOException {
    String path = exchange.getRequestURI().getPath();
    String resolve = "/acme/tiny/resolve/" + commit + "/";
    if (path.equals("/api/models/acme/tiny/revision/main")
        || path.equals("/api/models/acme/tiny/revision/" + commit)
        || path.equals("/api/models/acme/tiny/revision/refs/pr/1")) {
      send(exchange, 200, listing());
    } else if (path.equals("/api/models/acme/tiny/refs")) {
      send(exchange, 200, "{\"branches\":[{\"name\":\"main\"}],\"tags\":[{\"name\":\"v1\"}]}");
    } else if (path.equals("/api/models")) {
      send(exchange, 200, "[{\"id\":\"acme/tiny\"},{\"id\":\"evil\\u001b[31m\"}]");
    } else if (path.startsWith("/api/models/acme/tiny/revision/")) {
      refuse(exchange, 404, "RevisionNotFound");
    } else if (path.startsWith("/api/models/")) {
      refuse(exchange, 401, "RepoNotFound");
    } else if (path.startsWith(resolve) && files.containsKey(path.substring(resolve.length()))) {
      resolve(exchange, path.substring(resolve.length()));
    } else if (!atHub && files.containsKey(path.substring(1))) {
      content(exchange, stored(path.substring(1)));
    } else {
      refuse(exchange, 404, "EntryNotFound");
    }
  }

  private String listing() {
    return files.entrySet().stream()
        .map(file ->
            "{\"rfilename\":\"%s\",\"size\":%d}"
                .formatted(file.getKey().replace("\\", "\\\\"), file.getValue().length))
        .collect(Collectors.joining(",", "{\"sha\":\"%s\",\"siblings\":[".formatted(commit), "]}"));
  }

  private void resolve(HttpExchange exchange, String name) throws IOException {
    byte[] content = stored(name);
    var headers = exchange.getResponseHeaders();
    headers.set("X-Repo-Commit", commit);
    if (isLarge(name)) {
      headers.set("X-Linked-Etag", "\"" + id(name, content) + "\"");
      headers.set("X-Linked-Size", Integer.toString(content.length));
      headers.set("ETag", "\"storage-tag\"");
      headers.set("Location", "http://localhost:" + storage.getAddress().getPort() + "/" + name);
      exchange.sendResponseHeaders(302, -1);
    } else {
      headers.set("ETag", "W/\"" + id(name, content) + "\"");
      content(exchange, content);
    }
  }

  static void content(HttpExchange exchange, byte[] content) throws IOException {
    if (exchange.getRequestMethod().equals("HEAD")) {
      exchange.getResponseHeaders().set("Content-Length", Integer.toString(content.length));
      exchange.sendResponseHeaders(200, -1);
      return;
    }
    String range = exchange.getRequestHeaders().getFirst("Range");
    int from = range == null ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
    if (from > 0) {
      exchange
          .getResponseHeaders()
          .set(
              "Content-Range",
              "bytes %d-%d/%d".formatted(from, content.length - 1, content.length));
    }
    exchange.sendResponseHeaders(from > 0 ? 206 : 200, content.length - from);
    try (OutputStream out = exchange.getResponseBody()) {
      out.write(content, from, content.length - from);
    }
  }

  static void send(HttpExchange exchange, int status, String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, bytes.length);
    exchange.getResponseBody().write(bytes);
  }

  static void refuse(HttpExchange exchange, int status, String code) throws IOException {
    exchange.getResponseHeaders().set("X-Error-Code", code);
    exchange.sendResponseHeaders(status, -1);
  }

  @Override
  public void close() {
    hub.stop(0);
    storage.stop(0);
    threads.shutdownNow();
  }
}
