package dev.fathom.text;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/// SentencePiece in plain Java: normalise, cut into pieces, spell the unknown in bytes. Ids,
/// offsets and decoded text are those of Google's implementation, including what it does with
/// malformed byte sequences and with the space it puts before a text.
///
/// Added tokens are cut out of the text first; SentencePiece itself knows none, they come from
/// tokenizer_config.json or from the control tokens of a GGUF file.
final class SentencePieceTokenizer implements Tokenizer {

  /// What surrounds the model.
  ///
  /// @param added tokens to cut out of the text first
  /// @param prefixAfterAdded whether the text behind an added token gets the dummy prefix too
  record Setting(
      Specials specials,
      Collection<AddedToken> added,
      boolean prefixAfterAdded,
      Optional<String> chatTemplate) {}

  private final SentencePieceModel model;
  private final Setting setting;
  private final Normalizer normalizer;
  private final Segmenter segmenter;
  private final String[] pieces;
  private final Map<String, Integer> ids;
  private final BitSet special = new BitSet();
  private final int[] byteIds;
  private final int unk;
  private final PieceTrie addedTrie = new PieceTrie();
  private final Map<Integer, AddedToken> addedById = new HashMap<>();

  SentencePieceTokenizer(SentencePieceModel model, Setting setting) {
    this.model = model;
    this.setting = setting;
    this.unk = model.unk();
    this.byteIds = model.byteIds();
    PieceTrie userDefined = new PieceTrie();
    List<String> all = new ArrayList<>(model.pieces());
    for (int id = 0; id < all.size(); id++) {
      switch (model.types()[id]) {
        case Vocabulary.USER_DEFINED -> userDefined.put(all.get(id), id);
        case Vocabulary.CONTROL, Vocabulary.UNKNOWN -> special.set(id);
        default -> {}
      }
    }
    this.normalizer = new Normalizer(model, userDefined);
    this.segmenter = Segmenter.of(model, userDefined);
    for (AddedToken token : setting.added()) {
      while (all.size() <= token.id()) {
        all.add("");
      }
      all.set(token.id(), token.content());
      special.set(token.id(), token.special());
      addedTrie.put(token.content(), token.id());
      addedById.put(token.id(), token);
    }
    this.pieces = all.toArray(String[]::new);
    this.ids = HashMap.newHashMap(pieces.length);
    for (int id = 0; id < pieces.length; id++) {
      if (!pieces[id].isEmpty()) {
        ids.put(pieces[id], id);
      }
    }
  }

  @Override
  public int size() {
    return pieces.length;
  }

  @Override
  public Encoding encode(String text, SpecialTokens choice) {
    boolean add = choice == SpecialTokens.AS_CONFIGURED;
    Tokens out = new Tokens();
    Specials specials = setting.specials();
    if (add && specials.addsBos()) {
      specials.bos().ifPresent(id -> out.add(id, 0, 0));
    }
    String wellFormed = Utf8.wellFormed(text);
    int from = 0;
    boolean afterAdded = false;
    for (int at = 0; at < wellFormed.length() && !addedTrie.isEmpty(); ) {
      int end = addedTrie.longest(wellFormed, at, wellFormed.length());
      AddedToken token = end > at ? addedById.get(addedTrie.find(wellFormed, at, end)) : null;
      if (token == null || (token.singleWord() && touchesWord(wellFormed, at, end))) {
        at++;
        continue;
      }
      int start = token.lstrip() ? skipSpaceBack(wellFormed, at, from) : at;
      end = token.rstrip() ? skipSpace(wellFormed, end) : end;
      encodePlain(wellFormed, from, start, afterAdded, out);
      out.add(token.id(), start, end);
      from = at = end;
      afterAdded = true;
    }
    encodePlain(wellFormed, from, wellFormed.length(), afterAdded, out);
    if (add && specials.addsEos()) {
      specials.eos().ifPresent(id -> out.add(id, 0, 0));
    }
    return out.toEncoding(id -> pieces[id]);
  }

  private void encodePlain(String text, int from, int to, boolean afterAdded, Tokens out) {
    if (from == to) {
      return;
    }
    boolean prefix = !afterAdded || setting.prefixAfterAdded();
    Normalizer.Normalized normalized = normalizer.normalize(text.substring(from, to), from, prefix);
    segmenter.segment(normalized.text(), new Collector(normalized, out));
  }

  /// Turns pieces of the normalised text into tokens of the original: unknown characters into byte
  /// pieces, or neighbouring unknown ones into one token.
  private final class Collector implements Segmenter.Sink {
    private final String text;
    private final int[] origin;
    private final Tokens out;
    private boolean afterUnknown;

    Collector(Normalizer.Normalized normalized, Tokens out) {
      this.text = normalized.text();
      this.origin = normalized.origin();
      this.out = out;
    }

    @Override
    public void piece(int id, int start, int end) {
      boolean unknown = id == unk;
      if (unknown && model.byteFallback()) {
        byte[] bytes = text.substring(start, end).getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < bytes.length; i++) {
          int last = i == bytes.length - 1 ? origin[end] : origin[start];
          int byteId = byteIds[bytes[i] & 0xFF];
          out.add(byteId < 0 ? unk : byteId, origin[start], last);
        }
      } else if (unknown && afterUnknown) {
        out.extendTo(origin[end]);
      } else {
        out.add(id, origin[start], origin[end]);
      }
      afterUnknown = unknown;
    }
  }

  private static boolean touchesWord(String text, int start, int end) {
    return (start > 0 && Character.isLetterOrDigit(text.codePointBefore(start)))
        || (end < text.length() && Character.isLetterOrDigit(text.codePointAt(end)));
  }

  private static int skipSpaceBack(String text, int at, int from) {
    while (at > from && Character.isWhitespace(text.charAt(at - 1))) {
      at--;
    }
    return at;
  }

  private static int skipSpace(String text, int at) {
    while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
      at++;
    }
    return at;
  }

  @Override
  public String decode(int[] tokens, boolean skipSpecial) {
    StringBuilder text = new StringBuilder();
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    boolean atBeginning = true;
    boolean tookSpace = false;
    for (int id : tokens) {
      requireNotNegative(id);
      if (id >= pieces.length || pieces[id].isEmpty()) {
        continue;
      }
      if (isByte(id)) {
        bytes.write(SentencePieceModel.byteOf(pieces[id]));
        continue;
      }
      flush(bytes, text);
      if (tookSpace || !text.isEmpty()) {
        atBeginning = false;
      }
      tookSpace = false;
      if (isSpecial(id)) {
        text.append(special(id, skipSpecial));
      } else if (addedById.containsKey(id)) {
        text.append(pieces[id]);
      } else {
        String piece = pieces[id];
        SentencePieceModel.Whitespace whitespace = model.whitespace();
        if (atBeginning
            && (whitespace.dummyPrefix() || whitespace.removeExtra())
            && piece.charAt(0) == SentencePieceModel.SPACE_SYMBOL) {
          piece = piece.substring(1);
          tookSpace = !whitespace.removeExtra();
        }
        text.append(piece.replace(SentencePieceModel.SPACE_SYMBOL, ' '));
      }
    }
    flush(bytes, text);
    return text.toString();
  }

  private String special(int id, boolean skip) {
    if (id == unk && !addedById.containsKey(id)) {
      return model.unkSurface();
    }
    return skip ? "" : pieces[id];
  }

  private static void flush(ByteArrayOutputStream bytes, StringBuilder text) {
    if (bytes.size() > 0) {
      text.append(Utf8.decode(bytes.toByteArray()));
      bytes.reset();
    }
  }

  private boolean isByte(int id) {
    return id < model.types().length
        && model.types()[id] == Vocabulary.BYTE
        && SentencePieceModel.byteOf(pieces[id]) >= 0;
  }

  @Override
  public String piece(int id) {
    if (id < 0 || id >= pieces.length || pieces[id].isEmpty()) {
      throw new IllegalArgumentException(
          "no token has id %d; ids run from 0 to %d".formatted(id, pieces.length - 1));
    }
    return pieces[id];
  }

  @Override
  public String display(int id) {
    requireNotNegative(id);
    if (id >= pieces.length || pieces[id].isEmpty()) {
      return "⟨" + id + "⟩";
    }
    if (isByte(id)) {
      return Utf8.show(new byte[] {(byte) SentencePieceModel.byteOf(pieces[id])});
    }
    return isSpecial(id) || addedById.containsKey(id)
        ? pieces[id]
        : pieces[id].replace(SentencePieceModel.SPACE_SYMBOL, ' ');
  }

  @Override
  public OptionalInt id(String piece) {
    @Nullable Integer id = ids.get(piece);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  @Override
  public boolean isSpecial(int id) {
    return id >= 0 && special.get(id);
  }

  @Override
  public Specials specials() {
    return setting.specials();
  }

  @Override
  public Optional<String> chatTemplate() {
    return setting.chatTemplate();
  }

  @Override
  public String toString() {
    return "SentencePiece %s, %d tokens".formatted(model.kind(), pieces.length);
  }

  private static void requireNotNegative(int id) {
    if (id < 0) {
      throw new IllegalArgumentException("a token id is 0 or more, not " + id);
    }
  }

  /// The special tokens of a bare model: their ids, and none of them added.
  static Specials specialsOf(SentencePieceModel model, boolean addsBos, boolean addsEos) {
    OptionalInt none = OptionalInt.empty();
    return new Specials(
        model.bos(),
        model.eos(),
        OptionalInt.of(model.unk()),
        model.pad(),
        none,
        none,
        none,
        addsBos,
        addsEos);
  }
}
