package dev.fathom.checkpoint.hub;

import dev.fathom.FathomException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// The files of a repository at one commit.
///
/// @param commit 40 hex digits
/// @param sizes size in bytes by path, [#UNKNOWN] where the hub does not say; every path is safe
record HubListing(String commit, Map<String, Long> sizes) {
  static final long UNKNOWN = -1;

  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final int MOST_FILES = 100_000;
  private static final int LONGEST_PATH = 1024;

  /// Reads the answer of `/api/models/{repository}/revision/{revision}`.
  ///
  /// @throws FathomException where it is none, or names a file outside of the repository
  static HubListing parse(byte[] json, HubReference reference) {
    JsonNode root;
    try {
      root = JSON.readTree(json);
    } catch (JacksonException e) {
      throw new FathomException(
          "The listing of %s is not JSON, so this is no hub; check HF_ENDPOINT and proxies"
              .formatted(reference),
          e);
    }
    String commit = root.path("sha").asString("");
    JsonNode siblings = root.path("siblings");
    if (!HubReference.isCommit(commit) || !siblings.isArray()) {
      throw new FathomException(
          "The listing of %s has no commit (sha) or no files (siblings), so this is no hub; check"
                  .formatted(reference)
              + " HF_ENDPOINT");
    }
    if (siblings.size() > MOST_FILES) {
      throw new FathomException(
          "The listing of %s has %d files, at most %d are read"
              .formatted(reference, siblings.size(), MOST_FILES));
    }
    Map<String, Long> sizes = new LinkedHashMap<>();
    for (JsonNode sibling : siblings) {
      String path = sibling.path("rfilename").asString("");
      if (!isSafe(path)) {
        throw new FathomException(
            "The listing of %s names the file '%s', which could end up outside of the cache;"
                    .formatted(reference, printable(path))
                + " nothing was downloaded");
      }
      sizes.put(path, Math.max(UNKNOWN, sibling.path("size").asLong(UNKNOWN)));
    }
    return new HubListing(commit, sizes);
  }

  /// The paths in the listing Python keeps beside its snapshots; none where it cannot be read.
  static Set<String> parseTree(byte[] json) {
    try {
      JsonNode root = JSON.readTree(json);
      return root.path("format_version").asInt(0) == 1
          ? Set.copyOf(root.path("files").propertyNames())
          : Set.of();
    } catch (JacksonException e) {
      return Set.of();
    }
  }

  /// Whether a path from a server stays inside the directory it is resolved against, on every
  /// system: relative, no `.` or `..`, no backslash, no drive or stream, no control characters.
  static boolean isSafe(String path) {
    if (path.isEmpty() || path.length() > LONGEST_PATH) {
      return false;
    }
    boolean forbidden =
        path.chars()
            .anyMatch(c ->
                c == '\\'
                    || c == ':'
                    || Character.isISOControl(c)
                    || Character.getType(c) == Character.FORMAT);
    if (forbidden) {
      return false;
    }
    for (String step : path.split("/", -1)) {
      if (step.isEmpty() || step.equals(".") || step.equals("..")) {
        return false;
      }
    }
    return true;
  }

  /// Text from a server, fit for a terminal.
  static String printable(String text) {
    String clean = text.replaceAll("\\p{C}", "?");
    return clean.length() <= 200 ? clean : clean.substring(0, 200) + "…";
  }
}
