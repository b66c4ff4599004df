package dev.fathom.text;

import java.util.HashMap;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// How the pieces of a vocabulary spell text.
sealed interface Spelling {

  /// The text of one piece, for people.
  String show(String piece);

  /// One character per byte, as GPT-2.
  record Bytes() implements Spelling {
    @Override
    public String show(String piece) {
      return ByteLevel.show(piece);
    }
  }

  /// Spaces as `▁`, single bytes as `<0x0A>`, as SentencePiece.
  record Underscores() implements Spelling {
    @Override
    public String show(String piece) {
      int value = SentencePieceModel.byteOf(piece);
      return value >= 0
          ? Utf8.show(new byte[] {(byte) value})
          : piece.replace(SentencePieceModel.SPACE_SYMBOL, ' ');
    }
  }

  /// Pieces that continue a word begin with a prefix, as BERT's `##`.
  record Continuations(String prefix) implements Spelling {
    @Override
    public String show(String piece) {
      return piece.startsWith(prefix) ? piece.substring(prefix.length()) : piece;
    }
  }

  /// Pieces that end a word end with a suffix, as `</w>`.
  record WordEnds(String suffix) implements Spelling {
    @Override
    public String show(String piece) {
      return piece.endsWith(suffix)
          ? piece.substring(0, piece.length() - suffix.length()) + " "
          : piece;
    }
  }

  /// Pieces are text.
  record Plain() implements Spelling {
    @Override
    public String show(String piece) {
      return piece;
    }
  }

  /// The spelling that the decoder of a tokenizer.json undoes.
  static Spelling of(ObjectNode root) {
    Map<String, JsonNode> steps = new HashMap<>();
    collect(root.path("decoder"), "decoders", steps);
    if (steps.isEmpty()) {
      collect(root.path("pre_tokenizer"), "pretokenizers", steps);
    }
    if (steps.containsKey("ByteLevel")) {
      return new Bytes();
    }
    if (steps.containsKey("WordPiece")) {
      return new Continuations(steps.get("WordPiece").path("prefix").asString("##"));
    }
    if (steps.containsKey("BPEDecoder")) {
      return new WordEnds(steps.get("BPEDecoder").path("suffix").asString("</w>"));
    }
    boolean underscores =
        steps.containsKey("Metaspace")
            || steps.containsKey("ByteFallback")
            || steps.containsKey("Replace");
    return underscores ? new Underscores() : new Plain();
  }

  private static void collect(JsonNode step, String inner, Map<String, JsonNode> into) {
    if (step.path("type").isString()) {
      into.put(step.path("type").stringValue(), step);
    }
    step.path(inner).forEach(child -> collect(child, inner, into));
  }
}
