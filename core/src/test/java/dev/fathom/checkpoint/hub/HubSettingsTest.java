package dev.fathom.checkpoint.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HubSettingsTest {
  @TempDir Path home;

  @Test
  void anEmptyEnvironmentIsThePublicHubAndTheUsersCache() {
    assertThat(read(Map.of()))
        .isEqualTo(
            new HubSettings(
                HubSettings.PUBLIC_ENDPOINT,
                Optional.empty(),
                home.resolve(".cache/huggingface/hub"),
                false));
  }

  @Test
  void theCacheIsTheMostSpecificVariable() {
    var all =
        Map.of(
            "HF_HUB_CACHE",
            "/a",
            "HUGGINGFACE_HUB_CACHE",
            "/b",
            "HF_HOME",
            "/c",
            "XDG_CACHE_HOME",
            "/d");
    assertThat(read(all).cache()).isEqualTo(Path.of("/a"));
    assertThat(read(without(all, "HF_HUB_CACHE")).cache()).isEqualTo(Path.of("/b"));
    assertThat(read(Map.of("HF_HOME", "/c", "XDG_CACHE_HOME", "/d")).cache())
        .isEqualTo(Path.of("/c/hub"));
    assertThat(read(Map.of("XDG_CACHE_HOME", "/d")).cache())
        .isEqualTo(Path.of("/d/huggingface/hub"));
    assertThat(read(Map.of("HF_HOME", " ", "XDG_CACHE_HOME", "/d")).cache())
        .as("blank is unset")
        .isEqualTo(Path.of("/d/huggingface/hub"));
  }

  @Test
  void theHomeDirectoryAndVariablesInPathsAreReplaced() {
    assertThat(read(Map.of("HF_HOME", "~/models")).cache()).isEqualTo(home.resolve("models/hub"));
    assertThat(
            read(Map.of("HF_HUB_CACHE", "$DISK/${USER}/$NONE", "DISK", "/d", "USER", "u")).cache())
        .isEqualTo(Path.of("/d/u/$NONE"));
  }

  @Test
  void theTokenIsTheVariableElseTheFile() throws IOException {
    Files.createDirectories(home.resolve(".cache/huggingface"));
    Files.writeString(home.resolve(".cache/huggingface/token"), "hf_file\n");
    Files.writeString(home.resolve("other"), "hf_other");

    assertThat(read(Map.of()).token()).contains("hf_file");
    assertThat(read(Map.of("HF_TOKEN_PATH", "~/other")).token()).contains("hf_other");
    assertThat(read(Map.of("HUGGING_FACE_HUB_TOKEN", "hf_old")).token()).contains("hf_old");
    assertThat(read(Map.of("HF_TOKEN", "hf_new\n", "HUGGING_FACE_HUB_TOKEN", "hf_old")).token())
        .contains("hf_new");
    assertThat(read(Map.of("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")).token()).isEmpty();
  }

  @Test
  void theTokenIsNotShown() {
    assertThat(read(Map.of("HF_TOKEN", "hf_secret")).toString())
        .doesNotContain("hf_secret")
        .contains("token=set");
  }

  @ParameterizedTest
  @ValueSource(strings = {"1", "true", "YES", "on"})
  void offlineIsAnyFormOfYes(String yes) {
    assertThat(read(Map.of("HF_HUB_OFFLINE", yes)).offline()).isTrue();
    assertThat(read(Map.of("TRANSFORMERS_OFFLINE", yes)).offline()).isTrue();
    assertThat(read(Map.of("HF_HUB_OFFLINE", "0")).offline()).isFalse();
  }

  @Test
  void aMirrorKeepsItsPathAndLosesTheLastSlash() {
    assertThat(read(Map.of("HF_ENDPOINT", "http://mirror:8080/hub//")).endpoint())
        .isEqualTo(URI.create("http://mirror:8080/hub"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"mirror", "ftp://mirror", "https://me:pw@mirror", "https://m/?q", "a b"})
  void anEndpointOfAnotherKindIsACallersMistake(String text) {
    assertThatThrownBy(() -> read(Map.of("HF_ENDPOINT", text)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("HF_ENDPOINT");
  }

  @Test
  void aTokenWithALineBreakInsideIsACallersMistake() {
    assertThatThrownBy(() -> read(Map.of("HF_TOKEN", "hf_a\r\nX-Evil: 1")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("HF_TOKEN")
        .message()
        .doesNotContain("hf_a");
  }

  private HubSettings read(Map<String, String> environment) {
    return HubSettings.fromEnvironment(environment, home);
  }

  private static Map<String, String> without(Map<String, String> map, String key) {
    var copy = new HashMap<>(map);
    copy.remove(key);
    return copy;
  }
}
