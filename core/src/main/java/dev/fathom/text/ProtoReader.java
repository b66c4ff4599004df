package dev.fathom.text;

import dev.fathom.FathomException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/// A cursor over a protobuf message: just enough of the wire format for tokenizer.model, with every
/// length checked against what is left, so that a hostile file costs no more than its own size.
final class ProtoReader {
  private final ByteBuffer bytes;
  private int wireType;

  ProtoReader(ByteBuffer bytes) {
    this.bytes = bytes.slice().order(ByteOrder.LITTLE_ENDIAN);
  }

  /// Moves to the next field and returns its number, or 0 at the end.
  int nextField() {
    if (!bytes.hasRemaining()) {
      return 0;
    }
    long tag = varint();
    long field = tag >>> 3;
    if (field == 0 || field > 0x1FFFFFFF) {
      throw malformed("field number " + field);
    }
    wireType = (int) (tag & 7);
    return (int) field;
  }

  /// The current field as a number.
  long number() {
    expect(0, "a number");
    return varint();
  }

  boolean flag() {
    return number() != 0;
  }

  /// The current field as a 32-bit float.
  float real() {
    expect(5, "a float");
    need(4);
    return bytes.getFloat();
  }

  /// The current field as a nested message or a byte string; shares memory with the file.
  ByteBuffer message() {
    expect(2, "a message");
    int length = length();
    ByteBuffer part = bytes.slice(bytes.position(), length);
    bytes.position(bytes.position() + length);
    return part;
  }

  /// The current field as text, which must be UTF-8.
  String text() {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(message()).toString();
    } catch (CharacterCodingException e) {
      throw malformed("text that is not UTF-8");
    }
  }

  /// Passes over the current field.
  void skip() {
    switch (wireType) {
      case 0 -> varint();
      case 1 -> pass(8);
      case 2 -> pass(length());
      case 5 -> pass(4);
      default -> throw malformed("wire type " + wireType);
    }
  }

  private int length() {
    long length = varint();
    if (length < 0 || length > bytes.remaining()) {
      throw malformed("a length of " + length + " with " + bytes.remaining() + " bytes left");
    }
    return (int) length;
  }

  private void pass(int count) {
    need(count);
    bytes.position(bytes.position() + count);
  }

  private long varint() {
    long value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      need(1);
      byte b = bytes.get();
      if (shift < 64) {
        value |= (b & 0x7FL) << shift;
      }
      if (b >= 0) {
        return value;
      }
    }
    throw malformed("a number of more than ten bytes");
  }

  private void expect(int type, String what) {
    if (wireType != type) {
      throw malformed("wire type " + wireType + " where " + what + " belongs");
    }
  }

  private void need(int count) {
    if (bytes.remaining() < count) {
      throw malformed("its end in the middle of a field");
    }
  }

  private FathomException malformed(String found) {
    return new FathomException(
        "expected a protobuf message, found %s at byte %d".formatted(found, bytes.position()));
  }
}
