package dev.fathom;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/// SHA-256 (FIPS 180-4): what contents are known by, in names of files and in cards.
public final class Sha256 {
  private Sha256() {}

  /// Of nothing yet.
  public static MessageDigest begin() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  /// What it has come to, 64 hexadecimal digits; it begins anew.
  public static String hex(MessageDigest digest) {
    return HexFormat.of().formatHex(digest.digest());
  }

  /// Of a text in UTF-8, 64 hexadecimal digits.
  public static String of(String text) {
    return HexFormat.of().formatHex(bytes(text));
  }

  /// Of a text in UTF-8, 32 bytes.
  public static byte[] bytes(String text) {
    return begin().digest(text.getBytes(StandardCharsets.UTF_8));
  }
}
