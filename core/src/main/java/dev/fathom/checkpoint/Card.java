package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import dev.fathom.Version;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalLong;
import java.util.SequencedMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// What a file that was made from a model says about itself: a lens, an edit, a probe, a
/// dictionary. Such a file means something on the weights it was made from only, so whoever loads
/// it asks [#requireKind] and [#requireBase] first.
///
/// ```java
/// Card card = Card.of("lens", "tuned lens", name, sha256).with("steps", "250").withSeed(0);
/// try (var writer = SafetensorsWriter.create(path, specs, card.toMetadata())) { … }
/// Card found = Card.fromMetadata(file.metadata(), path).requireKind("lens", path);
/// ```
///
/// It is kept in the metadata of a safetensors file, as this package's page describes.
///
/// @param kind what the file holds, one word: `lens`, `edit`, `probe`, `dictionary`
/// @param method how it was made
/// @param baseName the model it was made from, as its user named it
/// @param baseSha256 fingerprint of that model's weights
/// @param parameters of the method by name, in reading order
/// @param seed if anything was random
/// @param data what it was made with, for people: a file's name and what tells it from others;
///   empty if nothing
/// @param created when, to the second
/// @param version the Fathom that made it
public record Card(
    String kind,
    String method,
    String baseName,
    String baseSha256,
    SequencedMap<String, String> parameters,
    OptionalLong seed,
    String data,
    Instant created,
    String version) {
  private static final String PREFIX = "fathom.";
  private static final String FORMAT = PREFIX + "card";

  public Card {
    parameters = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(parameters));
    created = created.truncatedTo(ChronoUnit.SECONDS);
  }

  /// A card of now and of this Fathom, without parameters, seed and data.
  public static Card of(String kind, String method, String baseName, String baseSha256) {
    return new Card(
        kind,
        method,
        baseName,
        baseSha256,
        new LinkedHashMap<>(),
        OptionalLong.empty(),
        "",
        Instant.now(),
        Version.current());
  }

  /// The same with one more parameter.
  public Card with(String parameter, String value) {
    var more = new LinkedHashMap<>(parameters);
    more.put(parameter, value);
    return withParameters(more);
  }

  public Card withParameters(SequencedMap<String, String> parameters) {
    return new Card(kind, method, baseName, baseSha256, parameters, seed, data, created, version);
  }

  public Card withSeed(long seed) {
    return new Card(
        kind,
        method,
        baseName,
        baseSha256,
        parameters,
        OptionalLong.of(seed),
        data,
        created,
        version);
  }

  public Card withData(String data) {
    return new Card(kind, method, baseName, baseSha256, parameters, seed, data, created, version);
  }

  /// The entries for a safetensors file's metadata. Other entries may stand beside them.
  public Map<String, String> toMetadata() {
    ObjectNode all = JsonFiles.object();
    parameters.forEach(all::put);
    var metadata = new LinkedHashMap<String, String>();
    metadata.put("format", "pt");
    metadata.put(FORMAT, "1");
    metadata.put(PREFIX + "kind", kind);
    metadata.put(PREFIX + "method", method);
    metadata.put(PREFIX + "base", baseName);
    metadata.put(PREFIX + "base_sha256", baseSha256);
    metadata.put(PREFIX + "parameters", all.toString());
    seed.ifPresent(value -> metadata.put(PREFIX + "seed", Long.toString(value)));
    metadata.put(PREFIX + "data", data);
    metadata.put(PREFIX + "created", created.toString());
    metadata.put(PREFIX + "version", version);
    return metadata;
  }

  /// Whether there is a card among a file's metadata.
  public static boolean isIn(Map<String, ?> metadata) {
    return metadata.containsKey(FORMAT);
  }

  /// The card among a file's metadata.
  ///
  /// @param file the file, for messages
  /// @throws FathomException if there is none, or one that is not understood
  public static Card fromMetadata(Map<String, ?> metadata, Path file) {
    if (!isIn(metadata)) {
      throw new FathomException(
          file + ": has no card that says which model it belongs to, so Fathom did not write it");
    }
    if (!text(metadata, "card", file).equals("1")) {
      throw new FathomException(
          "%s: its card is of version %s, this Fathom (%s) reads version 1"
              .formatted(file, text(metadata, "card", file), Version.current()));
    }
    var parameters = new LinkedHashMap<String, String>();
    byte[] json = text(metadata, "parameters", file).getBytes(StandardCharsets.UTF_8);
    for (Map.Entry<String, JsonNode> entry :
        JsonFiles.parse(json, file + ": parameters of its card").properties()) {
      parameters.put(entry.getKey(), entry.getValue().asString(""));
    }
    try {
      return new Card(
          text(metadata, "kind", file),
          text(metadata, "method", file),
          text(metadata, "base", file),
          text(metadata, "base_sha256", file),
          parameters,
          metadata.containsKey(PREFIX + "seed")
              ? OptionalLong.of(Long.parseLong(text(metadata, "seed", file)))
              : OptionalLong.empty(),
          text(metadata, "data", file),
          Instant.parse(text(metadata, "created", file)),
          text(metadata, "version", file));
    } catch (NumberFormatException | DateTimeException e) {
      throw new FathomException(
          "%s: its card is not readable (%s)".formatted(file, e.getMessage()), e);
    }
  }

  private static String text(Map<String, ?> metadata, String name, Path file) {
    Object value = metadata.get(PREFIX + name);
    if (value instanceof String text) {
      return text;
    }
    throw new FathomException("%s: its card lacks '%s'".formatted(file, PREFIX + name));
  }

  /// Refuses a file that holds something else.
  ///
  /// @throws FathomException if this card is of another kind
  public Card requireKind(String wanted, Path file) {
    if (!kind.equals(wanted)) {
      throw new FathomException(
          "%s: holds the %s '%s' where '%s' is expected".formatted(file, kind, method, wanted));
    }
    return this;
  }

  /// Refuses other weights than those it was made from, whatever they are called.
  ///
  /// @param name of the model that is to be used
  /// @param sha256 fingerprint of its weights
  /// @throws FathomException if they are not the base
  public Card requireBase(String name, String sha256, Path file) {
    if (!baseSha256.equals(sha256)) {
      throw new FathomException(
          ("%s: this %s was made from %s (weights %.12s), but the model here is %s (weights %.12s);"
                  + " name that model, or make the %s anew")
              .formatted(file, kind, baseName, baseSha256, name, sha256, kind));
    }
    return this;
  }
}
