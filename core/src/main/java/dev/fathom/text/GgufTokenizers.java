package dev.fathom.text;

import dev.fathom.FathomException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/// Tokenizers of GGUF vocabularies, with llama.cpp's defaults where the file says nothing.
final class GgufTokenizers {
  private static final String WHERE = "GGUF vocabulary";
  private static final int MAX_WORD_CHARS = 100; // longer words are unknown to BERT

  private GgufTokenizers() {}

  static Tokenizer of(Vocabulary vocabulary) {
    if (vocabulary.tokens().isEmpty() || vocabulary.tokens().size() > TokenizerConfig.MAX_ID) {
      throw new FathomException(
          "%s: expected 1 to %d tokens, found %d"
              .formatted(WHERE, TokenizerConfig.MAX_ID, vocabulary.tokens().size()));
    }
    return switch (vocabulary.model()) {
      case "gpt2" -> byteLevel(vocabulary);
      case "llama" -> sentencePiece(vocabulary);
      case "bert" -> wordPiece(vocabulary);
      default ->
          throw new FathomException(
              ("%s: expected tokenizer.ggml.model gpt2, llama or bert, found \"%s\";"
                      + " try the model's tokenizer.json")
                  .formatted(WHERE, vocabulary.model()));
    };
  }

  /// The files of a directory that hold the same tokenizer, by name; empty for a vocabulary that
  /// has no such form (SentencePiece).
  static Map<String, String> files(Vocabulary vocabulary) {
    ObjectNode tokenizer =
        switch (vocabulary.model()) {
          case "gpt2" -> byteLevelJson(vocabulary);
          case "bert" -> wordPieceJson(vocabulary);
          default -> null;
        };
    if (tokenizer == null) {
      return Map.of();
    }
    boolean starts =
        !vocabulary.model().equals("gpt2") || PreTokenizer.named(vocabulary.pre()).addsBos();
    ObjectNode config = JsonNodeFactory.instance.objectNode();
    config.put("tokenizer_class", "PreTrainedTokenizerFast");
    putRole(config, "bos_token", vocabulary.bos(), vocabulary);
    putRole(config, "eos_token", vocabulary.eos(), vocabulary);
    putRole(config, "unk_token", vocabulary.unk(), vocabulary);
    putRole(config, "pad_token", vocabulary.pad(), vocabulary);
    putRole(config, "mask_token", vocabulary.mask(), vocabulary);
    putRole(config, "cls_token", vocabulary.cls(), vocabulary);
    putRole(config, "sep_token", vocabulary.sep(), vocabulary);
    config.put("add_bos_token", vocabulary.addBos().orElse(starts));
    config.put("add_eos_token", vocabulary.addEos().orElse(false));
    vocabulary.chatTemplate().ifPresent(template -> config.put("chat_template", template));
    return Map.of(
        "tokenizer.json", tokenizer.toString(), "tokenizer_config.json", config.toString());
  }

  private static void putRole(
      ObjectNode config, String role, OptionalInt id, Vocabulary vocabulary) {
    OptionalInt known = within(id, vocabulary.tokens().size());
    if (known.isPresent()) {
      config.put(role, vocabulary.tokens().get(known.getAsInt()));
    }
  }

  private static Tokenizer byteLevel(Vocabulary vocabulary) {
    boolean addsBos = PreTokenizer.named(vocabulary.pre()).addsBos();
    return JsonTokenizer.of(
        byteLevelJson(vocabulary), null, config(vocabulary, addsBos, false), WHERE);
  }

  private static ObjectNode byteLevelJson(Vocabulary vocabulary) {
    PreTokenizer pre = PreTokenizer.named(vocabulary.pre());
    ObjectNode root = JsonNodeFactory.instance.objectNode().put("version", "1.0");
    putAdded(root, vocabulary);
    root.set("pre_tokenizer", pre.toJson());
    root.putObject("decoder")
        .put("type", "ByteLevel")
        .put("add_prefix_space", true)
        .put("trim_offsets", true)
        .put("use_regex", true);
    ObjectNode model = root.putObject("model").put("type", "BPE");
    model.put("ignore_merges", pre.wholeWordsFirst());
    putVocabulary(model, vocabulary.tokens());
    ArrayNode merges = model.putArray("merges");
    for (String merge : vocabulary.merges()) {
      int space = merge.indexOf(' ', 1);
      if (space < 0) {
        throw new FathomException(
            "%s: expected merges of two pieces, found \"%s\"".formatted(WHERE, merge));
      }
      merges.addArray().add(merge.substring(0, space)).add(merge.substring(space + 1));
    }
    return root;
  }

  /// BERT's pieces are stored with `▁` before those that begin a word and nothing before those that
  /// continue one.
  private static Tokenizer wordPiece(Vocabulary vocabulary) {
    return JsonTokenizer.of(wordPieceJson(vocabulary), null, config(vocabulary, true, true), WHERE);
  }

  private static ObjectNode wordPieceJson(Vocabulary vocabulary) {
    List<String> pieces = new ArrayList<>();
    for (int id = 0; id < vocabulary.tokens().size(); id++) {
      String token = vocabulary.tokens().get(id);
      boolean plain = vocabulary.type(id) == Vocabulary.NORMAL;
      boolean begins = !token.isEmpty() && token.charAt(0) == SentencePieceModel.SPACE_SYMBOL;
      pieces.add(!plain ? token : begins ? token.substring(1) : "##" + token);
    }
    ObjectNode root = JsonNodeFactory.instance.objectNode().put("version", "1.0");
    putAdded(root, vocabulary);
    root.putObject("normalizer")
        .put("type", "BertNormalizer")
        .put("clean_text", true)
        .put("handle_chinese_chars", true)
        .putNull("strip_accents")
        .put("lowercase", true);
    root.putObject("pre_tokenizer").put("type", "BertPreTokenizer");
    root.putObject("decoder").put("type", "WordPiece").put("prefix", "##").put("cleanup", true);
    ObjectNode model = root.putObject("model").put("type", "WordPiece");
    model.put("unk_token", vocabulary.unk().isPresent() ? pieces.get(unk(vocabulary)) : "[UNK]");
    model.put("continuing_subword_prefix", "##");
    model.put("max_input_chars_per_word", MAX_WORD_CHARS);
    putVocabulary(model, pieces);
    return root;
  }

  private static Tokenizer sentencePiece(Vocabulary vocabulary) {
    int size = vocabulary.tokens().size();
    if (vocabulary.scores().length == 0) {
      throw new FathomException(WHERE + ": expected tokenizer.ggml.scores for a llama vocabulary");
    }
    int unk = unk(vocabulary);
    List<String> pieces = new ArrayList<>(size);
    int[] types = new int[size];
    List<AddedToken> added = new ArrayList<>();
    for (int id = 0; id < size; id++) {
      String piece = name(vocabulary.tokens().get(id), id);
      types[id] = id == unk ? Vocabulary.UNKNOWN : typeOf(vocabulary, id, piece);
      pieces.add(piece);
      switch (types[id]) {
        case Vocabulary.CONTROL, Vocabulary.UNKNOWN -> added.add(AddedToken.special(id, piece));
        case Vocabulary.USER_DEFINED -> {
          // One with an escaped space can only be found after normalisation.
          if (piece.indexOf(SentencePieceModel.SPACE_SYMBOL) < 0) {
            added.add(AddedToken.plain(id, piece));
          }
        }
        default -> {}
      }
    }
    boolean prefix = vocabulary.addSpacePrefix().orElse(true);
    SentencePieceModel model =
        new SentencePieceModel(
            SentencePieceModel.Kind.BPE,
            pieces,
            vocabulary.scores(),
            types,
            Collections.frequency(bytes(pieces, types), true) == 256,
            new SentencePieceModel.Whitespace(prefix, false, true, false),
            null,
            SentencePieceModel.DEFAULT_UNK_SURFACE,
            within(vocabulary.bos(), size),
            within(vocabulary.eos(), size),
            within(vocabulary.pad(), size));
    boolean addsBos = vocabulary.addBos().orElse(true) && model.bos().isPresent();
    boolean addsEos = vocabulary.addEos().orElse(false) && model.eos().isPresent();
    Specials specials =
        new Specials(
            model.bos(),
            model.eos(),
            OptionalInt.of(unk),
            model.pad(),
            within(vocabulary.mask(), size),
            within(vocabulary.cls(), size),
            within(vocabulary.sep(), size),
            addsBos,
            addsEos);
    return new SentencePieceTokenizer(
        model,
        new SentencePieceTokenizer.Setting(specials, added, true, vocabulary.chatTemplate()));
  }

  private static List<Boolean> bytes(List<String> pieces, int[] types) {
    Boolean[] present = new Boolean[256];
    Arrays.fill(present, false);
    for (int id = 0; id < types.length; id++) {
      int value = SentencePieceModel.byteOf(pieces.get(id));
      if (types[id] == Vocabulary.BYTE && value >= 0) {
        present[value] = true;
      }
    }
    return List.of(present);
  }

  /// The type of a token; where the file has no types, bytes are known by their spelling.
  private static int typeOf(Vocabulary vocabulary, int id, String piece) {
    int type = vocabulary.type(id);
    boolean role =
        vocabulary.bos().equals(OptionalInt.of(id)) || vocabulary.eos().equals(OptionalInt.of(id));
    if (vocabulary.types().length == 0) {
      boolean isByte = SentencePieceModel.byteOf(piece) >= 0;
      return role ? Vocabulary.CONTROL : isByte ? Vocabulary.BYTE : Vocabulary.NORMAL;
    }
    return type < Vocabulary.NORMAL || type > Vocabulary.BYTE ? Vocabulary.NORMAL : type;
  }

  /// The unknown token: the one that the file names, else the one of that type, else token 0.
  private static int unk(Vocabulary vocabulary) {
    int size = vocabulary.tokens().size();
    return within(vocabulary.unk(), size)
        .orElseGet(() ->
            IntStream.range(0, size)
                .filter(id -> vocabulary.type(id) == Vocabulary.UNKNOWN)
                .findFirst()
                .orElse(0));
  }

  private static OptionalInt within(OptionalInt id, int size) {
    boolean inside = id.isPresent() && id.getAsInt() >= 0 && id.getAsInt() < size;
    return inside ? id : OptionalInt.empty();
  }

  /// An empty token gets the name that llama.cpp gives it.
  private static String name(String token, int id) {
    return token.isEmpty() ? "[EMPTY_" + id + "]" : token;
  }

  private static void putVocabulary(ObjectNode model, List<String> pieces) {
    ObjectNode vocab = model.putObject("vocab");
    for (int id = 0; id < pieces.size(); id++) {
      vocab.put(name(pieces.get(id), id), id);
    }
  }

  private static void putAdded(ObjectNode root, Vocabulary vocabulary) {
    ArrayNode added = root.putArray("added_tokens");
    for (int id = 0; id < vocabulary.tokens().size(); id++) {
      String piece = name(vocabulary.tokens().get(id), id);
      switch (vocabulary.type(id)) {
        case Vocabulary.CONTROL, Vocabulary.UNKNOWN ->
            TokenizerJson.put(added.addObject(), AddedToken.special(id, piece));
        case Vocabulary.USER_DEFINED ->
            TokenizerJson.put(added.addObject(), AddedToken.plain(id, piece));
        default -> {}
      }
    }
  }

  private static TokenizerConfig config(Vocabulary vocabulary, boolean addsBos, boolean addsEos) {
    Map<Role, Integer> ids = new EnumMap<>(Role.class);
    vocabulary.bos().ifPresent(id -> ids.put(Role.BOS, id));
    vocabulary.eos().ifPresent(id -> ids.put(Role.EOS, id));
    vocabulary.unk().ifPresent(id -> ids.put(Role.UNK, id));
    vocabulary.pad().ifPresent(id -> ids.put(Role.PAD, id));
    vocabulary.mask().ifPresent(id -> ids.put(Role.MASK, id));
    vocabulary.cls().ifPresent(id -> ids.put(Role.CLS, id));
    vocabulary.sep().ifPresent(id -> ids.put(Role.SEP, id));
    return new TokenizerConfig(
        Map.of(),
        ids,
        List.of(),
        Optional.of(vocabulary.addBos().orElse(addsBos)),
        Optional.of(vocabulary.addEos().orElse(addsEos)),
        true,
        true,
        vocabulary.chatTemplate());
  }
}
