package dev.fathom.checkpoint.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(20)
class HubClientTest {
  private static final HubReference TINY = HubReference.parse("hf:acme/tiny");
  private static final String TOKEN = "hf_secret";
  private static final byte[] WEIGHTS = weights(300_000);

  @TempDir Path cache;
  private FakeHub hub;

  @BeforeEach
  void start() throws IOException {
    hub =
        new FakeHub()
            .with("config.json", "{}")
            .with("tokenizer.json", "{\"model\":{}}")
            .with("model.safetensors", WEIGHTS)
            .with("pytorch_model.bin", "pickle")
            .with("modeling_tiny.py", "code")
            .with("README.md", "text");
  }

  @AfterEach
  void stop() {
    hub.close();
  }

  // --- what ends up where

  @Test
  void aPullLeavesThePythonLayout() throws IOException {
    Path snapshot = pull();

    Path repository = cache.resolve("models--acme--tiny");
    String id = FakeHub.id("model.safetensors", WEIGHTS);
    assertThat(snapshot).isEqualTo(repository.resolve("snapshots").resolve(FakeHub.COMMIT));
    assertThat(repository.resolve("refs/main")).hasContent(FakeHub.COMMIT).hasSize(40);
    assertThat(repository.resolve("blobs").resolve(id)).hasBinaryContent(WEIGHTS);
    assertThat(Files.readSymbolicLink(snapshot.resolve("model.safetensors")))
        .isEqualTo(Path.of("../../blobs/" + id));
    assertThat(cache.resolve(".locks/models--acme--tiny/" + id + ".lock")).exists();
    assertThat(cache.resolve("CACHEDIR.TAG"))
        .content()
        .startsWith("Signature: 8a477f597d28d172789f06886806bc55\n");
    assertThat(names(repository.resolve("blobs"))).hasSize(3).allMatch(n -> n.matches("[0-9a-f]+"));
  }

  @Test
  void picklesAndCodeAreNeverAskedFor() throws IOException {
    assertThat(names(pull()))
        .containsExactlyInAnyOrder("config.json", "tokenizer.json", "model.safetensors");
    assertThat(hub.requests).noneMatch(r -> r.path().endsWith(".bin") || r.path().endsWith(".py"));
  }

  @Test
  void whatIsCachedIsNotFetchedAgain() {
    Path first = pull();
    hub.requests.clear();

    assertThat(pull()).isEqualTo(first);
    assertThat(hub.requests).extracting(FakeHub.Request::path).allMatch(p -> p.startsWith("/api/"));
  }

  @Test
  void aNewCommitReusesTheBlobsOfTheOld() throws IOException {
    Path old = pull();
    hub.commit = "f".repeat(40);
    hub.with("config.json", "{\"new\":1}");
    hub.requests.clear();

    Path snapshot = pull();

    assertThat(hub.count("GET", "model.safetensors")).isZero();
    assertThat(snapshot.resolve("config.json")).hasContent("{\"new\":1}");
    assertThat(old.resolve("config.json")).hasContent("{}");
    assertThat(client().cached(TINY)).contains(snapshot);
  }

  @Test
  void aRevisionWithSlashesIsOneStepOfTheAddress() {
    var reference = HubReference.parse("hf:acme/tiny@refs/pr/1");

    pull(client(), reference);

    assertThat(hub.count("GET", "/revision/refs%2Fpr%2F1")).isEqualTo(1);
    assertThat(cache.resolve("models--acme--tiny/refs/refs/pr/1")).hasContent(FakeHub.COMMIT);
  }

  @Test
  void aBrokenLinkIsRepaired() throws IOException {
    Path file = pull().resolve("model.safetensors");
    Files.delete(file.toRealPath());

    pull();

    assertThat(file).hasBinaryContent(WEIGHTS);
  }

  @Test
  void withoutLinksTheFilesThemselvesAreInTheSnapshot() throws IOException {
    HubClient client = client(new HubCache(cache, false), 5);
    pull(client, TINY);
    hub.commit = "f".repeat(40);

    Path snapshot = pull(client, TINY);

    assertThat(snapshot.resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
    assertThat(Files.isSymbolicLink(snapshot.resolve("model.safetensors"))).isFalse();
  }

  @Test
  void withoutLinksABlobThatWasThereIsCopied() throws IOException {
    Path blob = pull().resolve("model.safetensors").toRealPath();
    hub.commit = "f".repeat(40);

    Path snapshot = pull(client(new HubCache(cache, false), 5), TINY);

    assertThat(Files.isSymbolicLink(snapshot.resolve("model.safetensors"))).isFalse();
    assertThat(snapshot.resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
    assertThat(blob).hasBinaryContent(WEIGHTS);
  }

  @Test
  void progressCountsUpToTheSizeOfEachFile() {
    record Step(String file, long bytes, long total) {}
    List<Step> steps = new ArrayList<>();

    client().pull(TINY, HubFilter.model(), (f, b, t) -> steps.add(new Step(f, b, t)));

    List<Long> sizes =
        steps.stream().filter(s -> s.file().equals("model.safetensors")).map(Step::bytes).toList();
    assertThat(sizes).isSorted().startsWith(0L).endsWith((long) WEIGHTS.length);
    assertThat(steps).allMatch(s -> s.bytes() <= s.total());
    assertThat(steps.getLast().file()).isEqualTo("model.safetensors");
  }

  // --- connections that break

  @Test
  void aCutConnectionGoesOnWhereItEnded() throws IOException {
    cutOnce(100_000);

    Path snapshot = pull();

    assertThat(snapshot.resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
    assertThat(ranges()).containsExactly(null, "bytes=100000-");
  }

  @Test
  void aPullThatFailedIsResumedByTheNext() throws IOException {
    cutOnce(100_000);
    HubClient impatient = client(new HubCache(cache, true), 1);
    assertThatThrownBy(() -> pull(impatient, TINY))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("model.safetensors of hf:acme/tiny could not be fetched");
    assertThat(incomplete()).hasSize(100_000);
    assertThat(client().cached(TINY)).isEmpty();

    assertThat(pull(impatient, TINY).resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
    assertThat(ranges()).containsExactly(null, "bytes=100000-");
    assertThat(incomplete()).doesNotExist();
  }

  @Test
  void aServerThatIgnoresRangesStartsAnew() throws IOException {
    leaveIncomplete(Arrays.copyOf(WEIGHTS, 1000));
    hub.interruption =
        exchange -> {
          boolean content = exchange.getRequestURI().getPath().equals("/model.safetensors");
          if (content) {
            exchange.sendResponseHeaders(200, WEIGHTS.length);
            exchange.getResponseBody().write(WEIGHTS);
          }
          return content;
        };

    assertThat(pull().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
  }

  @Test
  void aDamagedPartIsThrownAway() throws IOException {
    leaveIncomplete(new byte[1000]);

    assertThat(pull().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
    assertThat(ranges()).containsExactly("bytes=1000-", null);
  }

  @Test
  void aPartLongerThanTheFileIsThrownAway() throws IOException {
    leaveIncomplete(new byte[WEIGHTS.length + 1]);

    assertThat(pull().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
  }

  @Test
  void aPartThatIsAlreadyWholeIsNotFetched() throws IOException {
    leaveIncomplete(WEIGHTS);

    assertThat(pull().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
    assertThat(ranges()).isEmpty();
  }

  @Test
  void anOverloadedHubIsAskedAgain() {
    AtomicInteger left = new AtomicInteger(3);
    hub.interruption =
        exchange -> {
          boolean refuse = left.getAndDecrement() > 0;
          if (refuse) {
            exchange.sendResponseHeaders(503, -1);
          }
          return refuse;
        };

    assertThat(pull()).isDirectory();
  }

  @Test
  void aHubThatStaysSilentIsGivenUp() {
    var forever = new CountDownLatch(1);
    var hasty =
        new HubClient(settings(false), patience(2, 300), new HubCache(cache, true), path -> 0);
    hub.interruption =
        exchange -> {
          boolean stalls = exchange.getRequestURI().getPath().equals("/model.safetensors");
          if (stalls) {
            exchange.sendResponseHeaders(200, WEIGHTS.length);
            exchange.getResponseBody().write(WEIGHTS, 0, 1000);
            exchange.getResponseBody().flush();
            await(forever);
          }
          return stalls;
        };
    try {
      assertThatThrownBy(() -> pull(hasty, TINY))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("in 2 tries (no data for");
      assertThat(incomplete()).hasSize(1000);
    } finally {
      forever.countDown();
    }
  }

  @Test
  void anInterruptedPullKeepsWhatArrived() throws Exception {
    var arrived = new CountDownLatch(1);
    var forever = new CountDownLatch(1);
    hub.interruption =
        exchange -> {
          boolean stalls = exchange.getRequestURI().getPath().equals("/model.safetensors");
          if (stalls) {
            exchange.sendResponseHeaders(200, WEIGHTS.length);
            exchange.getResponseBody().write(WEIGHTS, 0, 1000);
            exchange.getResponseBody().flush();
            await(forever);
          }
          return stalls;
        };
    HubClient patient =
        new HubClient(settings(false), patience(2, 10_000), new HubCache(cache, true), p -> 0);
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      var interrupted = new AtomicBoolean();
      Thread[] puller = new Thread[1];
      Future<?> pull =
          threads.submit(() -> {
            puller[0] = Thread.currentThread();
            try {
              patient.pull(
                  TINY,
                  HubFilter.model(),
                  (file, bytes, total) -> {
                    if (file.equals("model.safetensors") && bytes == 1000) {
                      arrived.countDown();
                    }
                  });
            } finally {
              interrupted.set(Thread.currentThread().isInterrupted());
            }
          });
      arrived.await();
      puller[0].interrupt();
      assertThatThrownBy(pull::get).hasRootCauseInstanceOf(InterruptedException.class);
      assertThat(interrupted).isTrue();
    } finally {
      forever.countDown();
    }
    assertThat(incomplete()).hasSize(1000);
    hub.interruption = exchange -> false;
    assertThat(pull().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
    assertThat(ranges()).endsWith("bytes=1000-");
  }

  @Test
  void theCacheServesWhileTheHubIsDown() {
    Path snapshot = pull();
    hub.close();
    List<String> notices = new ArrayList<>();

    Path found =
        client(new HubCache(cache, true), 2)
            .pull(
                TINY,
                HubFilter.model(),
                new HubProgress() {
                  @Override
                  public void update(String file, long bytes, long total) {}

                  @Override
                  public void notice(String sentence) {
                    notices.add(sentence);
                  }
                });

    assertThat(found).isEqualTo(snapshot);
    assertThat(notices).singleElement().asString().contains("out of reach");
  }

  // --- content that cannot be trusted

  @Test
  void aWrongChecksumIsRefusedAndLeavesNothing() throws IOException {
    byte[] other = WEIGHTS.clone();
    other[77] ^= 1;
    hub.interruption =
        exchange -> {
          boolean damaged = exchange.getRequestURI().getPath().equals("/model.safetensors");
          if (damaged) {
            FakeHub.content(exchange, other);
          }
          return damaged;
        };

    assertThatThrownBy(this::pull)
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("model.safetensors of hf:acme/tiny is damaged: its SHA-256 is not");
    assertThat(names(cache.resolve("models--acme--tiny/blobs"))).hasSize(2);
    assertThat(client().cached(TINY)).isEmpty();
  }

  @Test
  void aSmallFileIsCheckedToo() {
    hub.interruption =
        exchange -> {
          boolean damaged =
              exchange.getRequestMethod().equals("GET")
                  && exchange.getRequestURI().getPath().endsWith("/config.json");
          if (damaged) {
            FakeHub.send(exchange, 200, "[]");
          }
          return damaged;
        };

    assertThatThrownBy(this::pull).hasMessageContaining("its git SHA-1 is not");
  }

  @Test
  void moreBytesThanAnnouncedAreRefused() {
    hub.interruption =
        exchange -> {
          boolean endless = exchange.getRequestURI().getPath().equals("/model.safetensors");
          if (endless) {
            exchange.sendResponseHeaders(200, 0);
            try (var out = exchange.getResponseBody()) {
              out.write(WEIGHTS);
              out.write(WEIGHTS);
            } catch (IOException expected) {
              // the client hangs up
            }
          }
          return endless;
        };

    assertThatThrownBy(this::pull)
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("sends more than the announced 300000 bytes");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../../evil.safetensors",
        "/etc/evil.safetensors",
        "..\\\\evil.safetensors",
        "C:evil.safetensors",
        "a//evil.safetensors",
        "a/./evil.safetensors",
        "evil\\u0000.safetensors",
        "evil\\u001b[31m.safetensors",
        "evil\\u202e.safetensors",
        "",
      })
  void aFileNameThatLeavesTheSnapshotIsRefused(String name) throws IOException {
    hub.interruption =
        exchange -> {
          FakeHub.send(
              exchange,
              200,
              ("{\"sha\":\"%s\",\"siblings\":[{\"rfilename\":\"config.json\"},"
                      + "{\"rfilename\":\"%s\"}]}")
                  .formatted(FakeHub.COMMIT, name));
          return true;
        };

    assertThatThrownBy(this::pull)
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("nothing was downloaded")
        .message()
        .matches("\\P{Cntrl}*");
    assertThat(names(cache)).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "<html>please log in</html>",
        "[]",
        "{\"sha\":\"../..\",\"siblings\":[]}",
        "{\"sha\":\"0123456789abcdef0123456789abcdef01234567\"}",
        "",
      })
  void anAnswerThatIsNoListingIsRefused(String text) {
    hub.interruption =
        exchange -> {
          FakeHub.send(exchange, 200, text);
          return true;
        };

    assertThatThrownBy(this::pull)
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("so this is no hub; check HF_ENDPOINT");
  }

  @ParameterizedTest
  @ValueSource(strings = {"\"../../evil\"", "\"abc\"", "W/\"\""})
  void aTagThatIsNoChecksumIsRefused(String tag) {
    answerHeadOfConfig(Map.of("ETag", tag, "X-Repo-Commit", FakeHub.COMMIT));

    assertThatThrownBy(this::pull).hasMessageContaining("gives no checksum (ETag) for config.json");
  }

  @Test
  void anotherCommitThanTheOneListedIsRefused() {
    answerHeadOfConfig(Map.of("ETag", "\"" + "a".repeat(40) + "\"", "X-Repo-Commit", "evil"));

    assertThatThrownBy(this::pull)
        .hasMessageContaining("config.json of hf:acme/tiny at commit 'evil'");
  }

  @Test
  void aConfigurationOfGigabytesIsRefused() {
    answerHeadOfConfig(
        Map.of(
            "ETag",
            "\"" + "a".repeat(40) + "\"",
            "X-Repo-Commit",
            FakeHub.COMMIT,
            "X-Linked-Size",
            "999999999999"));

    assertThatThrownBy(this::pull)
        .hasMessageContaining(
            "config.json of hf:acme/tiny has 1000.0 GB, at most 536.9 MB are taken");
  }

  // --- the token

  @Test
  void theTokenGoesToTheHubOnly() {
    pull();

    assertThat(hub.requests)
        .filteredOn(FakeHub.Request::atHub)
        .extracting(FakeHub.Request::token)
        .containsOnly("Bearer " + TOKEN);
    assertThat(hub.requests)
        .filteredOn(request -> !request.atHub())
        .isNotEmpty()
        .extracting(FakeHub.Request::token)
        .containsOnlyNulls();
  }

  @Test
  void aRedirectWithinTheHubKeepsTheToken() {
    hub.interruption =
        exchange -> {
          boolean moved = exchange.getRequestURI().getPath().startsWith("/api/models/acme/old/");
          if (moved) {
            exchange.getResponseHeaders().set("Location", "/api/models/acme/tiny/revision/main");
            exchange.sendResponseHeaders(307, -1);
          }
          return moved;
        };

    assertThatThrownBy(() -> pull(client(), HubReference.parse("hf:acme/old")))
        .isInstanceOf(FathomException.class); // the files have not moved along
    assertThat(hub.requests)
        .filteredOn(request -> request.path().equals("/api/models/acme/tiny/revision/main"))
        .extracting(FakeHub.Request::token)
        .containsOnly("Bearer " + TOKEN);
  }

  @ParameterizedTest
  @ValueSource(strings = {"file:///etc/passwd", "ftp://host/x", "http:///x", "", "http://a b/"})
  void aRedirectToSomethingElseThanTheWebIsRefused(String location) {
    hub.interruption =
        exchange -> {
          exchange.getResponseHeaders().set("Location", location);
          exchange.sendResponseHeaders(302, -1);
          return true;
        };

    assertThatThrownBy(this::pull)
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("redirects to");
  }

  @Test
  void aRedirectFromHttpsToHttpIsRefused() {
    URI secure = URI.create("https://hub.example");
    URI plain = URI.create("http://hub.example");
    assertThat(HubHttp.mayFollow(secure, plain)).isFalse();
    assertThat(HubHttp.mayFollow(secure, secure)).isTrue();
    assertThat(HubHttp.mayFollow(plain, plain)).isTrue();
  }

  @Test
  void aCompleteCacheNeedsNoWriting() throws IOException {
    Path snapshot = pull();
    Path refs = cache.resolve("models--acme--tiny/refs");
    Files.delete(refs.resolve("main"));
    Files.delete(refs);
    Files.writeString(refs, "in the way");

    assertThat(pull()).isEqualTo(snapshot);
  }

  @Test
  void redirectsInACircleEnd() {
    hub.interruption =
        exchange -> {
          exchange.getResponseHeaders().set("Location", exchange.getRequestURI().toString());
          exchange.sendResponseHeaders(302, -1);
          return true;
        };

    assertThatThrownBy(this::pull).hasMessageContaining("more than 8 times");
  }

  // --- refusals

  @Test
  void aGatedModelSaysWhatToAccept() {
    gate();
    var anonymous = new HubSettings(hub.endpoint(), Optional.empty(), cache, false);

    assertThatThrownBy(() -> pull(new HubClient(anonymous), TINY))
        .isInstanceOf(FathomException.class)
        .hasMessage(
            "hf:acme/tiny is gated; accept its licence at %s/acme/tiny and set HF_TOKEN to a token"
                    .formatted(hub.endpoint())
                + " of that account");
    assertThatThrownBy(this::pull)
        .hasMessageContaining("the account of your token may not read it yet")
        .message()
        .doesNotContain(TOKEN);
  }

  @Test
  void anUnknownRevisionNamesThoseThereAre() {
    assertThatThrownBy(() -> pull(client(), HubReference.parse("hf:acme/tiny@v9")))
        .isInstanceOf(FathomException.class)
        .hasMessage("acme/tiny has no revision 'v9' (did you mean main or v1?)");
  }

  @Test
  void anUnknownRepositoryNamesSimilarOnes() {
    assertThatThrownBy(() -> pull(client(), HubReference.parse("hf:acme/tinny")))
        .isInstanceOf(FathomException.class)
        .hasMessage(
            "The hub has no repository acme/tinny that you may read (did you mean acme/tiny?);"
                + " check the spelling, or whether HF_TOKEN is still valid");
  }

  @Test
  void aRepositoryOfPicklesIsRefused() {
    hub.files.remove("model.safetensors");

    assertThatThrownBy(this::pull)
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("can run code")
        .hasMessageContaining("pytorch_model.bin");
  }

  @Test
  void aDiskTooSmallIsToldBeforeAnythingIsFetched() {
    var small =
        new HubClient(settings(false), patience(5, 10_000), new HubCache(cache, true), p -> 5000);

    assertThatThrownBy(() -> pull(small, TINY))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("hf:acme/tiny needs 300014 bytes")
        .hasMessageContaining("5000 bytes free");
    assertThat(hub.count("HEAD", "")).isZero();
  }

  @Test
  void aCacheThatCannotBeWrittenIsNamed() throws IOException {
    Path file = Files.writeString(cache.resolve("file"), "in the way");
    var settings = new HubSettings(hub.endpoint(), Optional.empty(), file, false);

    assertThatThrownBy(() -> pull(new HubClient(settings), TINY))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("The hub cache " + file + " cannot be written");
  }

  // --- GGUF

  @Test
  void oneOfSeveralGgufFilesMustBeChosen() {
    hub.files.remove("model.safetensors");
    hub.with("tiny-Q4_K_M.gguf", WEIGHTS).with("tiny-Q8_0.gguf", weights(1000));

    assertThatThrownBy(this::pull)
        .hasMessage("hf:acme/tiny has several GGUF files, choose one of: tiny-Q4_K_M, tiny-Q8_0");
    Path snapshot = client().pull(TINY, HubFilter.gguf("q8_0"), HubProgress.silent());
    assertThat(snapshot.resolve("tiny-Q8_0.gguf")).hasSize(1000);
    assertThat(snapshot.resolve("tiny-Q4_K_M.gguf")).doesNotExist();
    assertThat(pull()).as("the one that is there").isEqualTo(snapshot);
    assertThat(client().cached(TINY)).contains(snapshot);
    assertThat(client().cached(TINY, HubFilter.gguf("Q4_K_M"))).isEmpty();
  }

  // --- offline

  @Test
  void offlineTheCacheAnswersWithoutARequest() {
    Path snapshot = pull();
    hub.requests.clear();
    var offline = new HubClient(settings(true));

    assertThat(pull(offline, TINY)).isEqualTo(snapshot);
    assertThat(pull(offline, HubReference.parse("hf:acme/tiny@" + FakeHub.COMMIT)))
        .isEqualTo(snapshot);
    assertThat(hub.requests).isEmpty();
  }

  @Test
  void offlineWhatIsNotCachedIsRefused() throws IOException {
    var offline = new HubClient(settings(true));

    assertThatThrownBy(() -> pull(offline, TINY))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("hf:acme/tiny is not there in the cache " + cache)
        .hasMessageContaining("HF_HUB_OFFLINE");
    Files.delete(pull().resolve("model.safetensors"));
    assertThatThrownBy(() -> pull(offline, TINY))
        .hasMessageContaining("hf:acme/tiny has no safetensors or GGUF weights in the cache");
  }

  @Test
  void aSnapshotThatPythonLeftIsFound() throws IOException {
    Path repository = cache.resolve("models--acme--tiny");
    Path snapshot = repository.resolve("snapshots").resolve(FakeHub.COMMIT);
    write(repository.resolve("refs/main"), FakeHub.COMMIT);
    write(snapshot.resolve("config.json"), "{}");
    write(snapshot.resolve("model.safetensors"), "weights");
    assertThat(client().cached(TINY)).contains(snapshot);

    write(
        repository.resolve("trees").resolve(FakeHub.COMMIT + ".json"),
        """
        {"format_version": 1, "files": {"config.json": {"size": 2}, "README.md": {"size": 2},
         "model.safetensors": {"size": 7}, "tokenizer.json": {"size": 9}}}
        """);
    assertThat(client().cached(TINY)).as("its listing names a tokenizer").isEmpty();

    write(snapshot.resolve("tokenizer.json"), "tokenizer");
    assertThat(client().cached(TINY)).contains(snapshot);
    assertThat(hub.requests).isEmpty();
  }

  @Test
  void aReferenceThatIsNoCommitIsNotFollowed() throws IOException {
    write(cache.resolve("models--acme--tiny/refs/main"), "../../../elsewhere");

    assertThat(client().cached(TINY)).isEmpty();
  }

  @Test
  void anUnfinishedNewCommitDoesNotHideTheOld() throws IOException {
    Path old = pull();
    hub.commit = "f".repeat(40);
    hub.with("model.safetensors", weights(200_000));
    cutOnce(1000);

    assertThatThrownBy(() -> pull(client(new HubCache(cache, true), 1), TINY))
        .isInstanceOf(FathomException.class);

    assertThat(client().cached(TINY)).contains(old);
  }

  // --- together

  @Test
  void twoPullsOfTheSameFileFetchItOnce() throws Exception {
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<Path>> pulls =
          Stream.generate(() -> threads.submit(() -> pull())).limit(4).toList();
      for (Future<Path> pull : pulls) {
        assertThat(pull.get().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
      }
    }

    assertThat(ranges()).hasSize(1);
    assertThat(names(cache.resolve("models--acme--tiny/blobs"))).hasSize(3);
    assertThat(names(cache.resolve("models--acme--tiny/snapshots/" + FakeHub.COMMIT))).hasSize(3);
  }

  // --- shorthand

  private Path pull() {
    return pull(client(), TINY);
  }

  private static Path pull(HubClient client, HubReference reference) {
    return client.pull(reference, HubFilter.model(), HubProgress.silent());
  }

  private HubClient client() {
    return client(new HubCache(cache, true), 5);
  }

  private HubClient client(HubCache layout, int attempts) {
    return new HubClient(settings(false), patience(attempts, 10_000), layout, path -> 0);
  }

  private HubSettings settings(boolean offline) {
    return new HubSettings(hub.endpoint(), Optional.of(TOKEN), cache, offline);
  }

  private static Patience patience(int attempts, int idleMillis) {
    Duration tick = Duration.ofMillis(2);
    Duration idle = Duration.ofMillis(idleMillis);
    Duration plenty = Duration.ofSeconds(10);
    return new Patience(plenty, plenty, idle, attempts, tick, tick, tick, plenty);
  }

  /// Ends the first transfer of the weights after so many bytes.
  private void cutOnce(int bytes) {
    var cut = new AtomicBoolean();
    hub.interruption =
        exchange -> {
          boolean now =
              exchange.getRequestURI().getPath().equals("/model.safetensors")
                  && !cut.getAndSet(true);
          if (now) {
            byte[] content = hub.stored("model.safetensors");
            exchange.sendResponseHeaders(200, content.length);
            exchange.getResponseBody().write(content, 0, bytes);
            exchange.getResponseBody().flush();
          }
          return now;
        };
  }

  private void gate() {
    hub.interruption =
        exchange -> {
          boolean file = exchange.getRequestURI().getPath().contains("/resolve/");
          if (file) {
            FakeHub.refuse(exchange, 403, "GatedRepo");
          }
          return file;
        };
  }

  private void answerHeadOfConfig(Map<String, String> headers) {
    hub.interruption =
        exchange -> {
          boolean head = exchange.getRequestMethod().equals("HEAD");
          if (head) {
            headers.forEach(exchange.getResponseHeaders()::set);
            exchange.sendResponseHeaders(200, -1);
          }
          return head;
        };
  }

  /// The ranges of all requests for the content of the weights, in order.
  private List<String> ranges() {
    return hub.requests.stream()
        .filter(request -> request.path().equals("/model.safetensors"))
        .map(FakeHub.Request::range)
        .toList();
  }

  private Path incomplete() {
    return cache
        .resolve("models--acme--tiny/blobs")
        .resolve(FakeHub.id("model.safetensors", WEIGHTS) + ".fathom.incomplete");
  }

  private void leaveIncomplete(byte[] content) throws IOException {
    Files.createDirectories(incomplete().getParent());
    Files.write(incomplete(), content);
  }

  private static void write(Path file, String text) throws IOException {
    Files.createDirectories(file.getParent());
    Files.writeString(file, text);
  }

  private static List<String> names(Path directory) {
    try (Stream<Path> list = Files.list(directory)) {
      return list.map(file -> file.getFileName().toString()).toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static byte[] weights(int size) {
    byte[] bytes = new byte[size];
    for (int i = 0; i < size; i++) {
      bytes[i] = (byte) (i * 31 + (i >> 8));
    }
    return bytes;
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
