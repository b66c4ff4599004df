package dev.fathom.model;

import dev.fathom.text.Encoding;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Specials;
import dev.fathom.text.Tokenizer;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Optional;
import java.util.OptionalInt;

/// A vocabulary of 50 for [TinyModels]: letters, a few longer pieces, parts of `€` and `😀`, and
/// one control token. It only decodes.
final class ByteTokenizer implements Tokenizer {
  static final int STOP_START = 28; // "xSTO"
  static final int STOP_END = 29; // "Py"
  static final int EURO = 30; // E2, 82, AC
  static final int FACE = 33; // F09F, 9880
  static final int CONTROL = 35;

  @Override
  public int size() {
    return TinyModels.VOCABULARY;
  }

  private static byte[] bytes(int id) {
    return switch (id) {
      case 26 -> new byte[] {' '};
      case 27 -> new byte[] {'\n'};
      case STOP_START -> "xSTO".getBytes(StandardCharsets.UTF_8);
      case STOP_END -> "Py".getBytes(StandardCharsets.UTF_8);
      case EURO -> HexFormat.of().parseHex("e2");
      case EURO + 1 -> HexFormat.of().parseHex("82");
      case EURO + 2 -> HexFormat.of().parseHex("ac");
      case FACE -> HexFormat.of().parseHex("f09f");
      case FACE + 1 -> HexFormat.of().parseHex("9880");
      case CONTROL -> "<end>".getBytes(StandardCharsets.UTF_8);
      default -> new byte[] {(byte) ('A' + id)};
    };
  }

  @Override
  public String decode(int[] ids, boolean skipSpecial) {
    var text = new ByteArrayOutputStream();
    for (int id : ids) {
      if (id != CONTROL || !skipSpecial) {
        text.writeBytes(bytes(id));
      }
    }
    return text.toString(StandardCharsets.UTF_8);
  }

  @Override
  public boolean isSpecial(int id) {
    return id == CONTROL;
  }

  @Override
  public Encoding encode(String text, SpecialTokens special) {
    throw new UnsupportedOperationException();
  }

  @Override
  public String piece(int id) {
    return display(id);
  }

  @Override
  public String display(int id) {
    return decode(new int[] {id}, false);
  }

  @Override
  public OptionalInt id(String piece) {
    throw new UnsupportedOperationException();
  }

  @Override
  public Specials specials() {
    throw new UnsupportedOperationException();
  }

  @Override
  public Optional<String> chatTemplate() {
    return Optional.empty();
  }
}
