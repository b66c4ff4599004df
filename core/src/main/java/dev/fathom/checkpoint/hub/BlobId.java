package dev.fathom.checkpoint.hub;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;
import java.util.regex.Pattern;

/// What names a blob and proves its content: the SHA-256 of a large file, or git's SHA-1 of a small
/// one, over `"blob " + size + "\0" + content`. The hub gives it as the entity tag.
///
/// @param hex 64 or 40 lower-case hexadecimal digits, safe as a file name
record BlobId(String hex) {
  private static final Pattern HEX = Pattern.compile("[0-9a-f]{64}|[0-9a-f]{40}");
  private static final int BUFFER = 1 << 16;

  BlobId {
    if (!HEX.matcher(hex).matches()) {
      throw new IllegalArgumentException("not a blob id: " + hex);
    }
  }

  /// Reads an `ETag` header, weak or strong; empty where it holds no checksum.
  static Optional<BlobId> ofTag(String tag) {
    String text = tag.strip();
    if (text.startsWith("W/")) {
      text = text.substring(2);
    }
    if (text.length() >= 2 && text.startsWith("\"") && text.endsWith("\"")) {
      text = text.substring(1, text.length() - 1);
    }
    return HEX.matcher(text).matches() ? Optional.of(new BlobId(text)) : Optional.empty();
  }

  /// `SHA-256` or `git SHA-1`.
  String algorithm() {
    return hex.length() == 64 ? "SHA-256" : "git SHA-1";
  }

  /// Whether the file's content is the one named. Reads it once, in constant memory.
  boolean names(Path file) throws IOException {
    MessageDigest digest = digest(hex.length() == 64 ? "SHA-256" : "SHA-1");
    if (hex.length() == 40) {
      digest.update(("blob " + Files.size(file) + "\0").getBytes(StandardCharsets.US_ASCII));
    }
    byte[] buffer = new byte[BUFFER];
    try (InputStream in = Files.newInputStream(file)) {
      for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
        digest.update(buffer, 0, count);
      }
    }
    return HexFormat.of().formatHex(digest.digest()).equals(hex);
  }

  private static MessageDigest digest(String algorithm) {
    try {
      return MessageDigest.getInstance(algorithm);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has " + algorithm, e);
    }
  }

  @Override
  public String toString() {
    return hex;
  }
}
