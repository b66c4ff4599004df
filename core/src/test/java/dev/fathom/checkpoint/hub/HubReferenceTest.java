package dev.fathom.checkpoint.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HubReferenceTest {
  @Test
  void ownerNameAndRevisionAreRead() {
    var reference = HubReference.parse("hf:acme/tiny-1.5_b@refs/pr/7");

    assertThat(reference).isEqualTo(new HubReference("acme", "tiny-1.5_b", "refs/pr/7"));
    assertThat(reference.repository()).isEqualTo("acme/tiny-1.5_b");
    assertThat(reference.folder()).isEqualTo("models--acme--tiny-1.5_b");
  }

  @Test
  void theOwnerMayBeAbsentAndTheRevisionIsMain() {
    var reference = HubReference.parse("hf:gpt2");

    assertThat(reference).isEqualTo(new HubReference(null, "gpt2", "main"));
    assertThat(reference.repository()).isEqualTo("gpt2");
    assertThat(reference.folder()).isEqualTo("models--gpt2");
  }

  @ParameterizedTest
  @ValueSource(strings = {"hf:gpt2", "hf:acme/tiny", "hf:acme/tiny@v1.0", "hf:a/b@refs/pr/1"})
  void theTextFormIsReadBack(String text) {
    assertThat(HubReference.parse(text)).hasToString(text);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "gpt2",
        "hf:",
        "hf:/",
        "hf:a/",
        "hf:/b",
        "hf:a/b/c",
        "hf:../b",
        "hf:a/..",
        "hf:a/b--c",
        "hf:a--b/c",
        "hf:a b/c",
        "hf:a/b@",
        "hf:a/b@..",
        "hf:a/b@x/../y",
        "hf:a/b@/x",
        "hf:a/b@x//y",
        "hf:a/b@-x",
        "hf:a/b@.x",
        "hf:a\\b",
        "hf:a/b@x\ny",
        "hf:-a/b",
        "hf:a/b."
      })
  void anythingElseIsACallersMistake(String text) {
    assertThatThrownBy(() -> HubReference.parse(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("is not a hub re");
  }

  @Test
  void endlessNamesAreRefused() {
    assertThatThrownBy(() -> HubReference.parse("hf:" + "a".repeat(97)))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> HubReference.parse("hf:a@" + "a".repeat(201)))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
