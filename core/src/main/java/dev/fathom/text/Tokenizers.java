package dev.fathom.text;

import dev.fathom.FathomException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/// The one place that picks a tokenizer for a file.
public final class Tokenizers {
  private static final int MAX_JSON_BYTES = 256 << 20;
  private static final int MAX_MODEL_BYTES = 64 << 20;

  private Tokenizers() {}

  /// Loads the tokenizer in a directory (tokenizer.json, else tokenizer.model or spiece.model) or
  /// in one such file. The small files beside it are read too: tokenizer_config.json,
  /// special_tokens_map.json, added_tokens.json, chat_template.jinja, chat_template.json, and
  /// config.json for token roles that none of them names.
  ///
  /// A bare tokenizer.model adds no special tokens, as SentencePiece itself.
  ///
  /// @throws FathomException if there is none, or it is not understood
  public static Tokenizer load(Path path) {
    Path file = Files.isDirectory(path) ? within(path) : path;
    Path directory = Optional.ofNullable(file.toAbsolutePath().getParent()).orElse(path);
    String name = String.valueOf(file.getFileName());
    if (name.endsWith(".json")) {
      TokenizerConfig config = TokenizerConfig.read(directory);
      return JsonTokenizer.parse(JsonFiles.text(file, MAX_JSON_BYTES), config, file.toString());
    }
    if (name.endsWith(".model")) {
      return model(
          JsonFiles.bytes(file, MAX_MODEL_BYTES), TokenizerConfig.read(directory), file.toString());
    }
    throw new FathomException(
        "%s: expected a directory, a tokenizer.json or a tokenizer.model".formatted(path));
  }

  /// Makes a tokenizer of the vocabulary in a GGUF file. Special tokens in the text are recognised,
  /// as llama.cpp does for prompts.
  ///
  /// @throws FathomException if its kind or its pre-tokenizer is not known
  public static Tokenizer of(Vocabulary vocabulary) {
    return GgufTokenizers.of(vocabulary);
  }

  private static Path within(Path directory) {
    for (String name : List.of("tokenizer.json", "tokenizer.model", "spiece.model")) {
      if (Files.isRegularFile(directory.resolve(name))) {
        return directory.resolve(name);
      }
    }
    throw new FathomException(
        "%s: expected a tokenizer.json or a tokenizer.model, found neither".formatted(directory));
  }

  /// The files of a model directory (`tokenizer.json`, `tokenizer_config.json`) that hold the same
  /// tokenizer as a GGUF vocabulary, name to text; empty for SentencePiece vocabularies, which have
  /// no such form.
  public static Map<String, String> files(Vocabulary vocabulary) {
    return GgufTokenizers.files(vocabulary);
  }

  /// Makes a tokenizer of the bytes of a tokenizer.model; `where` names them in messages.
  static Tokenizer model(byte[] bytes, TokenizerConfig config, String where) {
    if (looksLikeTiktoken(bytes)) {
      throw new FathomException(
          where
              + ": expected a SentencePiece model, found a tiktoken table; use the tokenizer.json of"
              + " the same model instead");
    }
    try {
      SentencePieceModel model = SentencePieceModel.parse(ByteBuffer.wrap(bytes));
      return new SentencePieceTokenizer(model, setting(model, config));
    } catch (FathomException e) {
      throw new FathomException(where + ": " + e.getMessage(), e);
    }
  }

  /// Lines of base64, a space and a rank.
  private static boolean looksLikeTiktoken(byte[] bytes) {
    int line = 0;
    while (line < Math.min(bytes.length, 64) && bytes[line] > ' ') {
      line++;
    }
    return line >= 4
        && line + 1 < bytes.length
        && bytes[line] == ' '
        && Character.isDigit(bytes[line + 1]);
  }

  private static SentencePieceTokenizer.Setting setting(
      SentencePieceModel model, TokenizerConfig config) {
    boolean addsBos = config.addBos().orElse(false) && model.bos().isPresent();
    boolean addsEos = config.addEos().orElse(false) && model.eos().isPresent();
    List<AddedToken> added = new ArrayList<>(config.added());
    Map<Role, Optional<String>> roles = config.roles();
    for (Optional<String> piece : roles.values()) {
      int id = piece.map(model.pieces()::indexOf).orElse(-1);
      if (id >= 0 && added.stream().noneMatch(token -> token.id() == id)) {
        added.add(AddedToken.special(id, model.pieces().get(id)));
      }
    }
    Specials bare = SentencePieceTokenizer.specialsOf(model, addsBos, addsEos);
    Specials specials =
        new Specials(
            role(Role.BOS, bare.bos(), model, config),
            role(Role.EOS, bare.eos(), model, config),
            role(Role.UNK, bare.unk(), model, config),
            role(Role.PAD, bare.pad(), model, config),
            role(Role.MASK, bare.mask(), model, config),
            role(Role.CLS, bare.cls(), model, config),
            role(Role.SEP, bare.sep(), model, config),
            addsBos,
            addsEos);
    return new SentencePieceTokenizer.Setting(
        specials, added, config.legacy(), config.chatTemplate());
  }

  private static OptionalInt role(
      Role role, OptionalInt ofModel, SentencePieceModel model, TokenizerConfig config) {
    Optional<String> named = config.roles().get(role);
    if (named == null) {
      return ofModel;
    }
    for (AddedToken token : config.added()) {
      if (named.equals(Optional.of(token.content()))) {
        return OptionalInt.of(token.id());
      }
    }
    int id = named.map(model.pieces()::indexOf).orElse(-1);
    return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
  }
}
