package dev.fathom;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class Sha256Test {
  /// The example of FIPS 180-4.
  private static final String ABC =
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

  @Test
  void knownDigest() {
    assertThat(Sha256.of("abc")).isEqualTo(ABC);
    assertThat(Sha256.bytes("abc")).hasSize(32).startsWith(0xba, 0x78);
  }

  @Test
  void partByPartIsTheSame() {
    var digest = Sha256.begin();
    digest.update("a".getBytes(StandardCharsets.UTF_8));
    digest.update("bc".getBytes(StandardCharsets.UTF_8));
    assertThat(Sha256.hex(digest)).isEqualTo(ABC);
  }
}
