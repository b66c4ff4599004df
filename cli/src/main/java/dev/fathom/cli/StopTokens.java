package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// The tokens with which a model ends what it says.
final class StopTokens {
  /// Ends of a turn or a text, as instruct models of many families write them. Their files often
  /// name just one.
  private static final List<String> ENDS =
      List.of(
          "<|im_end|>",
          "<|eot_id|>",
          "<|end|>",
          "<end_of_turn>",
          "<|end_of_text|>",
          "<|endoftext|>");

  private static final long MOST_BYTES = 1 << 20;

  private StopTokens() {}

  /// What config.json, generation_config.json and the tokenizer name.
  static Set<Integer> of(LoadedModel model) {
    var ids = new TreeSet<Integer>();
    add(ids, model.checkpoint().config().path("eos_token_id"));
    model
        .checkpoint()
        .directory()
        .map(directory -> directory.resolve("generation_config.json"))
        .filter(Files::isRegularFile)
        .ifPresent(file -> add(ids, read(file).path("eos_token_id")));
    Tokenizer tokenizer = model.tokenizer();
    tokenizer.specials().eos().ifPresent(ids::add);
    for (String end : ENDS) {
      tokenizer
          .id(end)
          .ifPresent(id -> {
            if (tokenizer.isSpecial(id)) ids.add(id);
          });
    }
    return Set.copyOf(ids);
  }

  private static JsonNode read(Path file) {
    try {
      if (Files.size(file) > MOST_BYTES) {
        throw new FathomException(file + " is too large to be a configuration.");
      }
      return JsonMapper.shared().readTree(Files.readString(file));
    } catch (IOException | JacksonException e) {
      throw new FathomException(file + " cannot be read: " + e.getMessage(), e);
    }
  }

  /// One id, or a list of them.
  private static void add(Set<Integer> ids, JsonNode node) {
    if (node.isInt()) ids.add(node.asInt());
    node.values().stream().filter(JsonNode::isInt).forEach(id -> ids.add(id.asInt()));
  }
}
