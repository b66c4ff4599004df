package dev.fathom.checkpoint.hub;

import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Which model on the hub: `hf:owner/name@revision`. The parts are safe to use in addresses and
/// file names.
///
/// @param owner user or organisation; `null` for the few old models without one (`hf:gpt2`)
/// @param name repository name
/// @param revision branch, tag, `refs/pr/N` or commit; `main` where the text names none
public record HubReference(@Nullable String owner, String name, String revision) {
  /// What every text form starts with.
  public static final String PREFIX = "hf:";

  private static final String DEFAULT_REVISION = "main";
  private static final int LONGEST_PART = 96;
  private static final int LONGEST_REVISION = 200;
  private static final Pattern PART = Pattern.compile("[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?");
  private static final Pattern REVISION_STEP = Pattern.compile("[A-Za-z0-9_+][A-Za-z0-9._+-]*");
  private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

  public HubReference {
    if ((owner != null && !isPart(owner)) || !isPart(name)) {
      throw new IllegalArgumentException(
          "'%s' is not a hub repository: expected owner/name of letters, digits, '-', '_' and '.'"
              .formatted(owner == null ? name : owner + "/" + name));
    }
    if (!isRevision(revision)) {
      throw new IllegalArgumentException(
          "'%s' is not a hub revision: expected a branch, a tag or a commit, like main"
              .formatted(revision));
    }
  }

  /// Reads `hf:owner/name`, `hf:name`, either with `@revision` behind it.
  ///
  /// @throws IllegalArgumentException where the text is none of these
  public static HubReference parse(String text) {
    if (!text.startsWith(PREFIX)) {
      throw new IllegalArgumentException(
          "'%s' is not a hub reference: expected hf:owner/name or hf:owner/name@revision"
              .formatted(text));
    }
    String rest = text.substring(PREFIX.length());
    int at = rest.indexOf('@');
    String repository = at < 0 ? rest : rest.substring(0, at);
    String revision = at < 0 ? DEFAULT_REVISION : rest.substring(at + 1);
    int slash = repository.indexOf('/');
    return slash < 0
        ? new HubReference(null, repository, revision)
        : new HubReference(
            repository.substring(0, slash), repository.substring(slash + 1), revision);
  }

  /// `owner/name`, or `name` alone.
  public String repository() {
    return owner == null ? name : owner + "/" + name;
  }

  /// The text form, which [#parse] reads back; `@main` is left out.
  @Override
  public String toString() {
    return PREFIX + repository() + (revision.equals(DEFAULT_REVISION) ? "" : "@" + revision);
  }

  /// The repository's directory in the cache.
  String folder() {
    return "models--" + (owner == null ? name : owner + "--" + name);
  }

  /// Whether the revision is itself a full commit, so that nothing can move it.
  boolean pinned() {
    return isCommit(revision);
  }

  static boolean isCommit(String text) {
    return COMMIT.matcher(text).matches();
  }

  /// `--` separates owner and name in the cache, so the hub allows it in neither.
  private static boolean isPart(String text) {
    return text.length() <= LONGEST_PART
        && PART.matcher(text).matches()
        && !text.contains("--")
        && !text.contains("..");
  }

  private static boolean isRevision(String text) {
    if (text.length() > LONGEST_REVISION || text.contains("..")) {
      return false;
    }
    for (String step : text.split("/", -1)) {
      if (!REVISION_STEP.matcher(step).matches()) {
        return false;
      }
    }
    return true;
  }
}
