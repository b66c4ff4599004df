package dev.fathom.checkpoint.hub;

import dev.fathom.FathomException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Turns a refusal of the hub into a sentence that says what to do about it.
final class HubRefusals {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final int LARGEST_ANSWER = 4 << 20;
  private static final int SUGGESTIONS = 5;
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._/+-]{1,200}");

  private final HubHttp http;
  private final HubSettings settings;
  private final HubReference reference;

  HubRefusals(HubHttp http, HubSettings settings, HubReference reference) {
    this.http = http;
    this.settings = settings;
    this.reference = reference;
  }

  /// @param reply an answer of 400 and above that no new try can mend
  FathomException of(HubHttp.Reply reply) throws InterruptedException {
    String code = reply.header("X-Error-Code").orElse("");
    return new FathomException(
        switch (code) {
          case "GatedRepo" -> gated();
          case "RevisionNotFound" -> noRevision();
          case "RepoNotFound" -> noRepository();
          case "EntryNotFound" ->
              "The hub lists a file of %s that it does not have; pull it again"
                  .formatted(reference);
          default -> byStatus(reply);
        });
  }

  private String byStatus(HubHttp.Reply reply) throws InterruptedException {
    return switch (reply.status()) {
      case 401 -> noRepository();
      case 403 ->
          "The hub does not let you read %s (403%s); accept its licence at %s if it has one, and"
                  .formatted(reference, said(reply), page())
              + " set HF_TOKEN to a token that may read it";
      case 404 ->
          "The hub has no %s (404); check the repository%s and the revision '%s'"
              .formatted(reference, didYouMean(similarRepositories()), reference.revision());
      default ->
          "The hub answers %d%s to a request for %s, expected 200; check HF_ENDPOINT"
              .formatted(reply.status(), said(reply), reference);
    };
  }

  private String page() {
    return settings.endpoint() + "/" + reference.repository();
  }

  private String gated() {
    return settings.token().isPresent()
        ? "%s is gated and the account of your token may not read it yet; accept its licence at %s"
                .formatted(reference, page())
            + " (it can take a while to be granted)"
        : "%s is gated; accept its licence at %s and set HF_TOKEN to a token of that account"
            .formatted(reference, page());
  }

  /// The hub answers alike for a private repository and for none.
  private String noRepository() throws InterruptedException {
    return "The hub has no repository %s that you may read%s; check the spelling%s"
        .formatted(
            reference.repository(),
            didYouMean(similarRepositories()),
            settings.token().isPresent()
                ? ", or whether HF_TOKEN is still valid"
                : ", or set HF_TOKEN to a token of an account that may read it");
  }

  private String noRevision() throws InterruptedException {
    List<String> names = new ArrayList<>();
    ask("/api/models/" + reference.repository() + "/refs")
        .ifPresent(root -> {
          root.path("branches").forEach(branch -> add(names, branch.path("name")));
          root.path("tags").forEach(tag -> add(names, tag.path("name")));
        });
    return "%s has no revision '%s'%s"
        .formatted(reference.repository(), reference.revision(), didYouMean(names));
  }

  private List<String> similarRepositories() throws InterruptedException {
    List<String> names = new ArrayList<>();
    ask("/api/models?search=%s&limit=%d".formatted(reference.name(), SUGGESTIONS))
        .ifPresent(root -> root.forEach(model -> add(names, model.path("id"))));
    return names;
  }

  private static void add(List<String> names, JsonNode name) {
    String text = name.asString("");
    if (names.size() < SUGGESTIONS && NAME.matcher(text).matches()) {
      names.add(text);
    }
  }

  private static String didYouMean(List<String> names) {
    return names.isEmpty() ? "" : " (did you mean %s?)".formatted(String.join(" or ", names));
  }

  /// A suggestion is a courtesy: one try, and none where that fails.
  private Optional<JsonNode> ask(String path) throws InterruptedException {
    try (HubHttp.Reply reply = http.get(path, 0)) {
      return reply.status() == 200
          ? Optional.of(JSON.readTree(http.read(reply, LARGEST_ANSWER)))
          : Optional.empty();
    } catch (IOException | JacksonException | FathomException e) {
      return Optional.empty();
    }
  }

  private static String said(HubHttp.Reply reply) {
    return reply
        .header("X-Error-Message")
        .map(text -> ": " + HubListing.printable(text))
        .orElse("");
  }
}
