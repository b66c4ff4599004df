package dev.fathom.checkpoint.hub;

import dev.fathom.FathomException;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/// One repository on the hub: what it holds, and the content of its files.
final class RemoteRepository {
  private static final int LARGEST_LISTING = 32 << 20;
  private static final long LARGEST_SMALL_FILE = 512L << 20;
  private static final long LARGEST_WEIGHTS = 1L << 40;

  /// What a try must bring for the count of failures to start anew.
  private static final long PROGRESS = 1L << 20;

  private final HubHttp http;
  private final HubSettings settings;
  private final HubReference reference;

  RemoteRepository(HubHttp http, HubSettings settings, HubReference reference) {
    this.http = http;
    this.settings = settings;
    this.reference = reference;
  }

  /// A connection that ended too early: what arrived so far is kept, and the rest can be asked for.
  private static final class Cut extends IOException {
    private final IOException reason;

    Cut(IOException reason) {
      super(reason);
      this.reason = reason;
    }
  }

  HubListing list() throws InterruptedException {
    String path =
        "/api/models/%s/revision/%s?blobs=true"
            .formatted(reference.repository(), encode(reference.revision()));
    byte[] json =
        http.retrying(
            "The listing of " + reference,
            () -> {
              try (HubHttp.Reply reply = http.get(path, 0)) {
                requireStatus(reply, reply.status() == 200);
                return http.read(reply, LARGEST_LISTING);
              } catch (BodyQueue.TooLarge e) {
                throw new FathomException(
                    "The listing of %s is larger than %s"
                        .formatted(reference, size(LARGEST_LISTING)),
                    e);
              }
            });
    return HubListing.parse(json, reference);
  }

  /// Asks for a file's checksum and size. For a large file the hub tells them in the redirect to
  /// where the content lies.
  RemoteFile inspect(String commit, String name) throws InterruptedException {
    String address = "/%s/resolve/%s/%s".formatted(reference.repository(), commit, path(name));
    return http.retrying(
        "%s of %s".formatted(name, reference),
        () -> {
          try (HubHttp.Reply reply = http.head(address)) {
            requireStatus(reply, reply.status() < 400);
            return describe(reply, commit, name, address);
          }
        });
  }

  private RemoteFile describe(HubHttp.Reply reply, String commit, String name, String address) {
    String found = reply.header("X-Repo-Commit").orElse("");
    if (!found.equals(commit)) {
      throw new FathomException(
          "The hub gives %s of %s at commit '%s', expected %s; check HF_ENDPOINT and proxies"
              .formatted(name, reference, HubListing.printable(found), commit));
    }
    BlobId id =
        reply
            .header("X-Linked-Etag")
            .or(() -> reply.header("ETag"))
            .flatMap(BlobId::ofTag)
            .orElseThrow(() ->
                new FathomException(
                    "The hub gives no checksum (ETag) for %s of %s; check HF_ENDPOINT and"
                            .formatted(name, reference)
                        + " proxies"));
    long ownSize = reply.status() < 300 ? reply.number("Content-Length").orElse(-1) : -1;
    long bytes = reply.number("X-Linked-Size").orElse(ownSize);
    boolean weights = name.endsWith(".safetensors") || name.endsWith(".gguf");
    long limit = weights ? LARGEST_WEIGHTS : LARGEST_SMALL_FILE;
    if (bytes < 0) {
      throw new FathomException(
          "The hub gives no size for %s of %s; check HF_ENDPOINT and proxies"
              .formatted(name, reference));
    }
    if (bytes > limit) {
      throw new FathomException(
          "%s of %s has %s, at most %s are taken"
              .formatted(name, reference, size(bytes), size(limit)));
    }
    return new RemoteFile(name, address, id, bytes);
  }

  /// Brings a file's content to `partial`, going on behind what is already there, and verifies it.
  ///
  /// @throws FathomException where it is not what its checksum says; `partial` is gone then
  /// @throws IOException where `partial` cannot be written
  void download(RemoteFile file, Path partial, HubProgress progress)
      throws IOException, InterruptedException {
    boolean resumed = length(partial) > 0;
    for (int failures = 0; ; ) {
      long before = length(partial);
      try {
        transfer(file, partial, progress);
      } catch (Cut cut) {
        failures = length(partial) - before >= PROGRESS ? 1 : failures + 1;
        String what = "%s of %s".formatted(file.name(), reference);
        http.pauseOrGiveUp(what, failures, cut.reason);
        continue;
      }
      if (file.id().names(partial)) {
        return;
      }
      Files.delete(partial);
      if (!resumed) {
        throw new FathomException(
            "%s of %s is damaged: its %s is not %s as the hub announced; pull it again, and check"
                    .formatted(file.name(), reference, file.id().algorithm(), file.id())
                + " HF_ENDPOINT and proxies if that does not help");
      }
      resumed = false; // the old part may have been the damaged one
    }
  }

  private void transfer(RemoteFile file, Path partial, HubProgress progress)
      throws IOException, InterruptedException {
    try (var out = FileChannel.open(partial, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      if (out.size() > file.bytes()) {
        out.truncate(0);
      }
      progress.update(file.name(), out.size(), file.bytes());
      if (out.size() < file.bytes()) {
        try (HubHttp.Reply reply = ask(file, out)) {
          out.position(out.size());
          copy(reply, file, out, progress);
        }
      }
      out.force(true);
    }
  }

  /// The content behind what is there; `out` is emptied where the server starts from the beginning.
  private HubHttp.Reply ask(RemoteFile file, FileChannel out)
      throws IOException, InterruptedException {
    long from = out.size();
    HubHttp.Reply reply;
    try {
      reply = http.get(file.address(), from);
    } catch (IOException e) {
      throw new Cut(e);
    }
    boolean wholeFile = reply.status() == 200;
    boolean rest =
        reply.status() == 206
            && reply.header("Content-Range").orElse("").startsWith("bytes %d-".formatted(from));
    if (wholeFile || rest) {
      if (wholeFile) {
        out.truncate(0);
      }
      return reply;
    }
    try (reply) {
      if (from > 0 && (reply.status() == 206 || reply.status() == 416)) {
        out.truncate(0);
        throw new Cut(new IOException("the server did not resume at byte " + from));
      }
      throw new HubRefusals(http, settings, reference).of(reply);
    }
  }

  private void copy(HubHttp.Reply reply, RemoteFile file, FileChannel out, HubProgress progress)
      throws IOException, InterruptedException {
    List<ByteBuffer> buffers = next(reply);
    while (!buffers.isEmpty()) {
      for (ByteBuffer buffer : buffers) {
        if (out.position() + buffer.remaining() > file.bytes()) {
          out.truncate(0);
          throw new FathomException(
              "The hub sends more than the announced %d bytes of %s of %s; pull it again"
                  .formatted(file.bytes(), file.name(), reference));
        }
        while (buffer.hasRemaining()) {
          out.write(buffer);
        }
      }
      progress.update(file.name(), out.position(), file.bytes());
      buffers = next(reply);
    }
    if (out.position() < file.bytes()) {
      throw new Cut(
          new IOException("ended after %d of %d bytes".formatted(out.position(), file.bytes())));
    }
  }

  private List<ByteBuffer> next(HubHttp.Reply reply) throws Cut, InterruptedException {
    try {
      return http.next(reply);
    } catch (IOException e) {
      throw new Cut(e);
    }
  }

  private void requireStatus(HubHttp.Reply reply, boolean expected) throws InterruptedException {
    if (!expected) {
      throw new HubRefusals(http, settings, reference).of(reply);
    }
  }

  private static long length(Path file) throws IOException {
    return Files.exists(file) ? Files.size(file) : 0;
  }

  private static String path(String name) {
    return Arrays.stream(name.split("/"))
        .map(RemoteRepository::encode)
        .collect(Collectors.joining("/"));
  }

  private static String encode(String step) {
    return URLEncoder.encode(step, StandardCharsets.UTF_8).replace("+", "%20");
  }

  /// A size for people, in the decimal units of disks.
  static String size(long bytes) {
    return bytes < 1_000_000
        ? bytes + " bytes"
        : String.format(
            Locale.ROOT, bytes < 1e9 ? "%.1f MB" : "%.1f GB", bytes / (bytes < 1e9 ? 1e6 : 1e9));
  }
}
