package dev.fathom.text;

import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Parts of a tokenizer.json, written.
final class TokenizerJson {
  private TokenizerJson() {}

  static void put(ObjectNode to, AddedToken token) {
    to.put("id", token.id())
        .put("content", token.content())
        .put("single_word", token.singleWord())
        .put("lstrip", token.lstrip())
        .put("rstrip", token.rstrip())
        .put("normalized", token.normalized())
        .put("special", token.special());
  }

  /// Replaces the post-processor by one that puts `before` before a text and `after` after it; a
  /// negative id stands for nothing.
  static void putTemplate(ObjectNode root, PieceTable table, int before, int after) {
    ObjectNode template = root.putObject("post_processor").put("type", "TemplateProcessing");
    ArrayNode single = template.putArray("single");
    ArrayNode pair = template.putArray("pair");
    ObjectNode tokens = template.putObject("special_tokens");
    for (int sequence = 0; sequence < 2; sequence++) {
      String name = sequence == 0 ? "A" : "B";
      if (sequence == 0) {
        putToken(single, tokens, table, before, sequence);
        putSequence(single, name, sequence);
        putToken(single, tokens, table, after, sequence);
      }
      putToken(pair, tokens, table, before, sequence);
      putSequence(pair, name, sequence);
      putToken(pair, tokens, table, after, sequence);
    }
  }

  private static void putSequence(ArrayNode template, String name, int type) {
    template.addObject().putObject("Sequence").put("id", name).put("type_id", type);
  }

  private static void putToken(
      ArrayNode template, ObjectNode tokens, PieceTable table, int id, int type) {
    String piece = table.piece(id);
    if (piece != null) {
      template.addObject().putObject("SpecialToken").put("id", piece).put("type_id", type);
      ObjectNode token = tokens.putObject(piece).put("id", piece);
      token.putArray("ids").add(id);
      token.putArray("tokens").add(piece);
    }
  }
}
