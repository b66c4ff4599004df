package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.Sha256;
import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.List;

/// Files of text that a command reads, and what tells them from others.
final class InputFiles {
  private InputFiles() {}

  /// A text in UTF-8.
  ///
  /// @throws FathomException if it cannot be read
  static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (MalformedInputException e) {
      throw new FathomException(file + ": not UTF-8 text.", e);
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  /// The lines of a text in UTF-8 that are not blank.
  ///
  /// @throws FathomException if it cannot be read
  static List<String> lines(Path file) {
    return text(file).lines().filter(line -> !line.isBlank()).toList();
  }

  /// The SHA-256 of a file in hexadecimal.
  ///
  /// @throws FathomException if it cannot be read
  static String sha256(Path file) {
    try (var in = Files.newInputStream(file)) {
      MessageDigest digest = Sha256.begin();
      byte[] some = new byte[1 << 16];
      for (int n = in.read(some); n >= 0; n = in.read(some)) {
        digest.update(some, 0, n);
      }
      return Sha256.hex(digest);
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  private static FathomException unreadable(Path file, IOException e) {
    return new FathomException(
        "%s cannot be read: %s"
            .formatted(file, Files.exists(file) ? e.getMessage() : "there is no such file."),
        e);
  }
}
