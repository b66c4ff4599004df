package dev.fathom.text;

import dev.fathom.FathomException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/// What the small files beside a vocabulary say: which token has which role, what is added to a
/// text, further tokens, the chat template.
///
/// @param roles pieces by role; an empty value means that the files say there is none
/// @param ids ids by role, from config.json, for roles that nothing else decides
/// @param added by id
/// @param legacy whether a dummy prefix also follows added tokens (`legacy`, default yes)
record TokenizerConfig(
    Map<Role, Optional<String>> roles,
    Map<Role, Integer> ids,
    List<AddedToken> added,
    Optional<Boolean> addBos,
    Optional<Boolean> addEos,
    boolean legacy,
    boolean present,
    Optional<String> chatTemplate) {

  private static final int MAX_BYTES = 32 << 20;
  static final int MAX_ID = 4_000_000;

  static final TokenizerConfig NONE =
      new TokenizerConfig(
          Map.of(),
          Map.of(),
          List.of(),
          Optional.empty(),
          Optional.empty(),
          true,
          false,
          Optional.empty());

  /// Reads what there is in `directory`.
  static TokenizerConfig read(Path directory) {
    ObjectNode config = optional(directory.resolve("tokenizer_config.json"));
    ObjectNode map = optional(directory.resolve("special_tokens_map.json"));
    ObjectNode model = optional(directory.resolve("config.json"));
    Map<Role, Optional<String>> roles = new EnumMap<>(Role.class);
    Map<Role, Integer> ids = new EnumMap<>(Role.class);
    for (Role role : Role.values()) {
      for (ObjectNode source : List.of(config, map)) {
        JsonNode value = source.get(role.key);
        if (value != null && !roles.containsKey(role)) {
          roles.put(role, content(value));
        }
      }
      JsonNode id = model.path(role.key + "_id");
      id = id.isArray() ? id.path(0) : id;
      if (id.isInt() && id.intValue() >= 0) {
        ids.put(role, id.intValue());
      }
    }
    return new TokenizerConfig(
        roles,
        ids,
        added(config, optional(directory.resolve("added_tokens.json")), directory),
        flag(config, "add_bos_token"),
        flag(config, "add_eos_token"),
        flag(config, "legacy").orElse(true),
        !config.isEmpty() || !map.isEmpty(),
        chatTemplate(directory, config));
  }

  private static ObjectNode optional(Path file) {
    return Files.isRegularFile(file)
        ? JsonFiles.object(JsonFiles.text(file, MAX_BYTES), file.toString())
        : JsonNodeFactory.instance.objectNode();
  }

  /// A token is written as a string or as an object with its content.
  private static Optional<String> content(JsonNode token) {
    JsonNode content = token.isObject() ? token.path("content") : token;
    return content.isString() ? Optional.of(content.stringValue()) : Optional.empty();
  }

  private static Optional<Boolean> flag(ObjectNode config, String key) {
    JsonNode value = config.path(key);
    return value.isBoolean() ? Optional.of(value.booleanValue()) : Optional.empty();
  }

  private static List<AddedToken> added(ObjectNode config, ObjectNode addedTokens, Path where) {
    Map<Integer, AddedToken> byId = new HashMap<>();
    addedTokens.forEachEntry((content, id) -> {
      int number = id(id, where);
      if (!content.isEmpty()) {
        byId.put(number, AddedToken.plain(number, content));
      }
    });
    JsonNode decoder = config.path("added_tokens_decoder");
    if (decoder instanceof ObjectNode tokens) {
      tokens.forEachEntry((key, token) -> {
        int number = id(key, where);
        String content = content(token).orElse("");
        if (!content.isEmpty()) {
          byId.put(number, token(number, content, token));
        }
      });
    }
    return byId.values().stream().sorted(Comparator.comparingInt(AddedToken::id)).toList();
  }

  /// Reads the flags of an added token as tokenizer.json and tokenizer_config.json write them.
  static AddedToken token(int id, String content, JsonNode flags) {
    return new AddedToken(
        id,
        content,
        flags.path("special").asBoolean(false),
        flags.path("lstrip").asBoolean(false),
        flags.path("rstrip").asBoolean(false),
        flags.path("single_word").asBoolean(false),
        flags.path("normalized").asBoolean(false));
  }

  private static int id(String text, Path where) {
    try {
      return checked(Integer.parseInt(text), where);
    } catch (NumberFormatException e) {
      throw new FathomException(
          "%s: expected token ids in added_tokens_decoder, found \"%s\"".formatted(where, text), e);
    }
  }

  private static int id(JsonNode node, Path where) {
    return checked(node.isInt() ? node.intValue() : -1, where);
  }

  private static int checked(int id, Path where) {
    if (id < 0 || id > MAX_ID) {
      throw new FathomException(
          "%s: expected ids of added tokens from 0 to %d, found another".formatted(where, MAX_ID));
    }
    return id;
  }

  /// chat_template.jinja wins over tokenizer_config.json, which wins over chat_template.json.
  private static Optional<String> chatTemplate(Path directory, ObjectNode config) {
    Path jinja = directory.resolve("chat_template.jinja");
    if (Files.isRegularFile(jinja)) {
      return Optional.of(JsonFiles.text(jinja, MAX_BYTES));
    }
    return template(config).or(() -> template(optional(directory.resolve("chat_template.json"))));
  }

  /// A template is a string, or a list of named ones, of which `default` (else the first) counts.
  private static Optional<String> template(ObjectNode holder) {
    JsonNode template = holder.path("chat_template");
    if (template.isString()) {
      return Optional.of(template.stringValue());
    }
    List<String> named = new ArrayList<>();
    for (JsonNode choice : template) {
      if (choice.path("template").isString()) {
        boolean first = choice.path("name").asString("").equals("default");
        named.add(first ? 0 : named.size(), choice.path("template").stringValue());
      }
    }
    return named.stream().findFirst();
  }
}
