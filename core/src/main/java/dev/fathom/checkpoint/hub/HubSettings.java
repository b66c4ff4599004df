package dev.fathom.checkpoint.hub;

import dev.fathom.FathomException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Where the hub is, who asks, and where its files are kept.
///
/// @param endpoint address of the hub; `https`, or `http` where the user wrote exactly that
/// @param token access token, sent to the endpoint only
/// @param cache root of the cache, holding `models--owner--name`
/// @param offline never touch the network
public record HubSettings(URI endpoint, Optional<String> token, Path cache, boolean offline) {
  /// The public hub.
  public static final URI PUBLIC_ENDPOINT = URI.create("https://huggingface.co");

  private static final Set<String> YES = Set.of("1", "on", "yes", "true");
  private static final Pattern VARIABLE = Pattern.compile("\\$(?:\\{(\\w+)}|(\\w+))");
  private static final Pattern TOKEN = Pattern.compile("[!-~]{1,4096}");
  private static final int LONGEST_TOKEN_FILE = 8192;

  public HubSettings {
    String scheme = endpoint.getScheme();
    if (!("https".equalsIgnoreCase(scheme) || "http".equalsIgnoreCase(scheme))
        || endpoint.getHost() == null
        || endpoint.getUserInfo() != null
        || endpoint.getQuery() != null
        || endpoint.getFragment() != null) {
      throw new IllegalArgumentException(
          "The hub endpoint (HF_ENDPOINT) is expected to look like %s, without user, query or"
                  .formatted(PUBLIC_ENDPOINT)
              + " fragment");
    }
    if (endpoint.toString().endsWith("/")) {
      endpoint = URI.create(endpoint.toString().replaceFirst("/+$", ""));
    }
    if (token.isPresent() && !TOKEN.matcher(token.get()).matches()) {
      throw new IllegalArgumentException(
          "The hub token (HF_TOKEN) holds spaces or control characters; copy it again");
    }
  }

  /// Reads the same variables as Python's client, with the same precedence:
  ///
  /// | what | first of |
  /// |---|---|
  /// | endpoint | `HF_ENDPOINT`, the public hub |
  /// | token | `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`, the file `HF_TOKEN_PATH`, `HF_HOME/token` |
  /// | cache | `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `HF_HOME/hub` |
  /// | `HF_HOME` | itself, `XDG_CACHE_HOME/huggingface`, `~/.cache/huggingface` |
  /// | offline | `HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE`: 1, on, yes or true |
  ///
  /// With `HF_HUB_DISABLE_IMPLICIT_TOKEN` no token is used. A leading `~` and `$NAME` in paths are
  /// replaced. A blank variable counts as unset.
  ///
  /// @param home the user's home directory
  /// @throws IllegalArgumentException where a variable cannot be used
  /// @throws FathomException where the token file exists but cannot be read
  public static HubSettings fromEnvironment(Map<String, String> env, Path home) {
    Path hfHome =
        path(env, home, "HF_HOME")
            .orElseGet(() ->
                path(env, home, "XDG_CACHE_HOME")
                    .orElse(home.resolve(".cache"))
                    .resolve("huggingface"));
    Path cache =
        path(env, home, "HF_HUB_CACHE")
            .or(() -> path(env, home, "HUGGINGFACE_HUB_CACHE"))
            .orElse(hfHome.resolve("hub"));
    boolean offline = yes(env, "HF_HUB_OFFLINE") || yes(env, "TRANSFORMERS_OFFLINE");
    Optional<String> token =
        yes(env, "HF_HUB_DISABLE_IMPLICIT_TOKEN")
            ? Optional.empty()
            : value(env, "HF_TOKEN")
                .or(() -> value(env, "HUGGING_FACE_HUB_TOKEN"))
                .or(() ->
                    readToken(path(env, home, "HF_TOKEN_PATH").orElse(hfHome.resolve("token"))));
    return new HubSettings(endpoint(env), token, cache, offline);
  }

  /// Names everything but the token.
  @Override
  public String toString() {
    return "HubSettings[endpoint=%s, token=%s, cache=%s, offline=%s]"
        .formatted(endpoint, token.isPresent() ? "set" : "none", cache, offline);
  }

  private static URI endpoint(Map<String, String> env) {
    Optional<String> text = value(env, "HF_ENDPOINT");
    try {
      return text.map(URI::create).orElse(PUBLIC_ENDPOINT);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "HF_ENDPOINT is '%s', expected an address like %s"
              .formatted(text.orElse(""), PUBLIC_ENDPOINT),
          e);
    }
  }

  private static Optional<String> readToken(Path file) {
    try (InputStream in = Files.newInputStream(file)) {
      String text = new String(in.readNBytes(LONGEST_TOKEN_FILE), StandardCharsets.UTF_8).strip();
      return text.isEmpty() ? Optional.empty() : Optional.of(text);
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (IOException e) {
      throw new FathomException(
          "The hub token file %s cannot be read; fix its permissions or set HF_TOKEN"
              .formatted(file),
          e);
    }
  }

  private static Optional<Path> path(Map<String, String> env, Path home, String variable) {
    return value(env, variable)
        .map(text -> {
          String expanded = expand(env, text);
          if (expanded.equals("~")) {
            return home;
          }
          return expanded.startsWith("~/")
              ? home.resolve(expanded.substring(2))
              : Path.of(expanded);
        });
  }

  /// Unknown variables stay as they are written, as in Python.
  private static String expand(Map<String, String> env, String text) {
    return VARIABLE
        .matcher(text)
        .replaceAll(match -> {
          String name = match.group(1) != null ? match.group(1) : match.group(2);
          return Matcher.quoteReplacement(env.getOrDefault(name, match.group()));
        });
  }

  private static boolean yes(Map<String, String> env, String variable) {
    return value(env, variable).map(v -> YES.contains(v.toLowerCase(Locale.ROOT))).orElse(false);
  }

  private static Optional<String> value(Map<String, String> env, String variable) {
    return Optional.ofNullable(env.get(variable)).map(String::strip).filter(v -> !v.isEmpty());
  }
}
