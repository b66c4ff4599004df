package dev.fathom.text;

import ai.djl.huggingface.tokenizers.jni.CharSpan;
import dev.fathom.FathomException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// A tokenizer.json. The native library encodes and decodes; the table of pieces is read here, so
/// that looking a piece up costs nothing.
///
/// Truncation, padding and BPE dropout, which some files carry from training, are switched off: an
/// explanation is about the whole text, and the same text has the same tokens twice. If
/// tokenizer_config.json says `add_bos_token` or `add_eos_token` and the tokenizer.json does
/// otherwise, the former wins, as in transformers.
final class JsonTokenizer implements Tokenizer {
  private static final String PROBE = "a";

  /// The library's pattern matcher gives up, for good, after ten million steps back; runs of white
  /// space of this length stay below.
  private static final int MAX_TEXT_CHARS = 4_000_000;

  private final NativeTokenizer library;
  private final PieceTable table;
  private final Spelling spelling;
  private final Specials specials;
  private final Optional<String> chatTemplate;

  private JsonTokenizer(
      NativeTokenizer library,
      PieceTable table,
      Spelling spelling,
      Specials specials,
      Optional<String> chatTemplate) {
    this.library = library;
    this.table = table;
    this.spelling = spelling;
    this.specials = specials;
    this.chatTemplate = chatTemplate;
  }

  /// Reads the text of a tokenizer.json; `where` names it in messages.
  static JsonTokenizer parse(String json, TokenizerConfig config, String where) {
    ObjectNode root = JsonFiles.object(json, where);
    boolean changed = switchOff(root);
    changed |= adopt(root, config);
    return of(root, changed ? null : json, config, where);
  }

  /// Makes a tokenizer of a parsed tokenizer.json.
  static JsonTokenizer of(
      ObjectNode root, @Nullable String json, TokenizerConfig config, String where) {
    try {
      PieceTable table = PieceTable.of(root);
      Precautions.check(root);
      NativeTokenizer library = NativeTokenizer.parse(json == null ? write(root) : json);
      Frame frame = Frame.probe(library);
      Map<Role, Integer> roles = SpecialRoles.of(root, table, config);
      boolean addsBos = frame.begins(roles.get(Role.BOS)) || frame.begins(roles.get(Role.CLS));
      boolean addsEos = frame.ends(roles.get(Role.EOS)) || frame.ends(roles.get(Role.SEP));
      boolean wantsBos = config.addBos().orElse(addsBos);
      boolean wantsEos = config.addEos().orElse(addsEos);
      if (wantsBos != addsBos || wantsEos != addsEos) {
        TokenizerJson.putTemplate(
            root,
            table,
            wantsBos ? required(roles, Role.BOS, Role.CLS) : -1,
            wantsEos ? required(roles, Role.EOS, Role.SEP) : -1);
        library = NativeTokenizer.parse(write(root));
      }
      Specials specials = SpecialRoles.specials(roles, wantsBos, wantsEos);
      return new JsonTokenizer(library, table, Spelling.of(root), specials, config.chatTemplate());
    } catch (FathomException e) {
      throw new FathomException(where + ": " + e.getMessage(), e);
    }
  }

  private static int required(Map<Role, Integer> roles, Role role, Role otherwise) {
    Integer id = roles.getOrDefault(role, roles.get(otherwise));
    if (id == null) {
      throw new FathomException(
          "asked to add the %s to every text, but the vocabulary has none".formatted(role.key));
    }
    return id;
  }

  private static String write(ObjectNode root) {
    return JsonFiles.MAPPER.writeValueAsString(root);
  }

  /// Removes truncation, padding and dropout; whether there were any.
  private static boolean switchOff(ObjectNode root) {
    boolean changed = false;
    for (String key : List.of("truncation", "padding")) {
      if (root.hasNonNull(key)) {
        root.putNull(key);
        changed = true;
      }
    }
    if (root.path("model") instanceof ObjectNode model && model.hasNonNull("dropout")) {
      model.putNull("dropout");
      changed = true;
    }
    return changed;
  }

  /// Adds the tokens that only the files beside it know; whether there were any.
  private static boolean adopt(ObjectNode root, TokenizerConfig config) {
    ArrayNode tokens =
        root.path("added_tokens") instanceof ArrayNode present
            ? present
            : root.putArray("added_tokens");
    List<String> known = new ArrayList<>();
    tokens.forEach(token -> known.add(token.path("content").asString("")));
    boolean changed = false;
    for (AddedToken token : config.added()) {
      if (!known.contains(token.content())) {
        TokenizerJson.put(tokens.addObject(), token);
        changed = true;
      }
    }
    return changed;
  }

  /// The tokens that the library puts around a text.
  private record Frame(List<Integer> before, List<Integer> after) {
    static Frame probe(NativeTokenizer library) {
      NativeTokenizer.Raw raw = library.encode(PROBE, true, true);
      long[] added = raw.added();
      int first = 0;
      while (first < added.length && added[first] == 1) {
        first++;
      }
      int last = added.length;
      while (last > first && added[last - 1] == 1) {
        last--;
      }
      return new Frame(list(raw.ids(), 0, first), list(raw.ids(), last, added.length));
    }

    private static List<Integer> list(long[] ids, int from, int to) {
      return IntStream.range(from, to).mapToObj(i -> (int) ids[i]).toList();
    }

    boolean begins(@Nullable Integer id) {
      return id != null && before.contains(id);
    }

    boolean ends(@Nullable Integer id) {
      return id != null && after.contains(id);
    }
  }

  @Override
  public int size() {
    return table.size();
  }

  @Override
  public Encoding encode(String text, SpecialTokens special) {
    if (text.length() > MAX_TEXT_CHARS) {
      throw new IllegalArgumentException(
          "a text to tokenize has at most %d characters, this one %d; split it"
              .formatted(MAX_TEXT_CHARS, text.length()));
    }
    String wellFormed = Utf8.wellFormed(text);
    NativeTokenizer.Raw raw =
        library.encode(wellFormed, special == SpecialTokens.AS_CONFIGURED, false);
    long[] ids = raw.ids();
    int[] chars = charsOfCodePoints(wellFormed);
    Tokens tokens = new Tokens();
    for (int i = 0; i < ids.length; i++) {
      CharSpan span = raw.spans()[i];
      int start = span == null ? 0 : span.getStart();
      int end = span == null ? 0 : span.getEnd();
      if (chars.length > 0) {
        start = chars[start];
        end = chars[end];
      }
      tokens.add((int) ids[i], start, end);
    }
    return tokens.toEncoding(this::pieceOrNumber);
  }

  /// Where each code point of `text` begins, and the end; empty if they are all one char long.
  private static int[] charsOfCodePoints(String text) {
    int codePoints = text.codePointCount(0, text.length());
    if (codePoints == text.length()) {
      return new int[0];
    }
    int[] chars = new int[codePoints + 1];
    for (int i = 0, at = 0; i < codePoints; i++) {
      chars[i] = at;
      at += Character.charCount(text.codePointAt(at));
    }
    chars[codePoints] = text.length();
    return chars;
  }

  @Override
  public String decode(int[] ids, boolean skipSpecial) {
    long[] wide = new long[ids.length];
    for (int i = 0; i < ids.length; i++) {
      requireNotNegative(ids[i]);
      wide[i] = ids[i];
    }
    return library.decode(wide, skipSpecial);
  }

  @Override
  public String piece(int id) {
    String piece = table.piece(id);
    if (piece == null) {
      throw new IllegalArgumentException(
          "no token has id %d; ids run from 0 to %d".formatted(id, table.size() - 1));
    }
    return piece;
  }

  @Override
  public String display(int id) {
    requireNotNegative(id);
    String piece = pieceOrNumber(id);
    boolean literal = table.isAdded(id) || table.piece(id) == null;
    return literal ? piece : spelling.show(piece);
  }

  private String pieceOrNumber(int id) {
    String piece = table.piece(id);
    return piece == null ? "⟨" + id + "⟩" : piece;
  }

  @Override
  public OptionalInt id(String piece) {
    return table.id(piece);
  }

  @Override
  public boolean isSpecial(int id) {
    return table.isSpecial(id);
  }

  @Override
  public Specials specials() {
    return specials;
  }

  @Override
  public Optional<String> chatTemplate() {
    return chatTemplate;
  }

  @Override
  public String toString() {
    return "tokenizer.json, %s, %d tokens".formatted(spelling, table.size());
  }

  private static void requireNotNegative(int id) {
    if (id < 0) {
      throw new IllegalArgumentException("a token id is 0 or more, not " + id);
    }
  }
}
