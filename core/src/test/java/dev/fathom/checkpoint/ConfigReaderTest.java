package dev.fathom.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;

class ConfigReaderTest {
  private static ConfigReader reader(String json) {
    String text = json.replace('\'', '"');
    return new ConfigReader(
        JsonFiles.parse(text.getBytes(StandardCharsets.UTF_8), "config.json"), "llama");
  }

  @Test
  void everythingWrongIsReportedAtOnce() {
    var config =
        reader(
            "{'hiden_size': 8, 'num_layers': 'six', 'hidden_act': 'relu', 'quantization_config': {},"
                + " 'use_cache': true}");
    assertThat(config.requireInt("hidden_size")).isZero();
    assertThat(config.requireInt("num_layers")).isZero();
    config.mustBe("hidden_act", "silu");
    assertThatThrownBy(config::finish)
        .isInstanceOf(FathomException.class)
        .hasMessage(
            """
            config.json: 1 attribute missing, 2 attributes not supported, 2 attributes not understood for architecture llama
              missing: hidden_size (did you mean hiden_size?)
              wrong: num_layers is "six", expected a whole number >= 0
              wrong: hidden_act is "relu", only silu is supported
              unknown: hiden_size = 8 (did you mean hidden_size?)
              unknown: quantization_config = {}\
            """);
  }

  @Test
  void nullCountsAsAbsent() {
    var config = reader("{'n_inner': null, 'sliding_window': null, 'strange': null}");
    assertThat(config.intOr(7, "n_inner")).isEqualTo(7);
    assertThat(config.optionalInt("sliding_window")).isEmpty();
    config.finish();
  }

  @Test
  void olderSpellingsAreReadAndMustAgree() {
    var config = reader("{'n_embd': 8, 'hidden_size': 8}");
    assertThat(config.requireInt("hidden_size", "n_embd")).isEqualTo(8);
    config.finish();
    var split = reader("{'n_embd': 8, 'hidden_size': 9}");
    assertThat(split.requireInt("hidden_size", "n_embd")).isEqualTo(9);
    assertThatThrownBy(split::finish).hasMessageContaining("hidden_size is 9 but n_embd is 8");
  }

  @Test
  void wholeNumbersMayBeWrittenWithAPoint() {
    assertThat(reader("{'n': 4.0}").requireInt("n")).isEqualTo(4);
    var odd = reader("{'n': 4.5, 'm': -1, 'k': 3000000000}");
    odd.requireInt("n");
    odd.requireInt("m");
    odd.requireInt("k");
    assertThatThrownBy(odd::finish).hasMessageContaining("3 attributes not supported");
  }

  @Test
  void encoderDecodersAreRefused() {
    assertThatThrownBy(reader("{'is_encoder_decoder': true}")::finish)
        .hasMessageContaining("is_encoder_decoder is true, only false is supported");
    reader("{'is_encoder_decoder': false, 'pruned_heads': {}}").finish();
    assertThatThrownBy(reader("{'pruned_heads': {'0': [1]}}")::finish)
        .hasMessageContaining("pruned_heads");
  }

  @Test
  void bothSpellingsOfRotarySettingsMeanTheSame() {
    RopeConfig today =
        reader(
                "{'rope_parameters': {'rope_theta': 5e5, 'rope_type': 'llama3', 'factor': 8.0,"
                    + " 'low_freq_factor': 1.0, 'high_freq_factor': 4.0,"
                    + " 'original_max_position_embeddings': 8192}, 'max_position_embeddings': 131072}")
            .rope(10_000);
    RopeConfig older =
        reader(
                "{'rope_theta': 500000, 'rope_scaling': {'type': 'llama3', 'factor': 8,"
                    + " 'low_freq_factor': 1, 'high_freq_factor': 4,"
                    + " 'original_max_position_embeddings': 8192}, 'max_position_embeddings': 131072}")
            .rope(10_000);
    assertThat(older).isEqualTo(today);
    assertThat(today.type()).isEqualTo("llama3");
    assertThat(today.theta()).isEqualTo(500_000);
    assertThat(today.originalMaxPositions()).isEqualTo(8192);
  }

  @Test
  void aPartOfEachHeadIsReadFromEverySpelling() {
    for (String json :
        List.of(
            "{'rope_parameters': {'partial_rotary_factor': 0.25}}",
            "{'partial_rotary_factor': 0.25}",
            "{'rotary_pct': 0.25, 'rotary_emb_base': 10000}",
            "{'rope_pct': 0.25}")) {
      var config = reader(json);
      assertThat(config.rope(10_000, 0.5).rotatedWidth(64)).as(json).isEqualTo(16);
      config.finish();
    }
    assertThat(reader("{}").rope(10_000, 0.5).rotatedWidth(64)).isEqualTo(32);
  }

  @Test
  void longRopeTakesItsFactorFromTheLengths() {
    var config =
        reader(
            "{'rope_scaling': {'type': 'su', 'short_factor': [1, 1.5], 'long_factor': [2, 3]},"
                + " 'original_max_position_embeddings': 4096, 'max_position_embeddings': 131072,"
                + " 'rope_theta': 10000.0}");
    RopeConfig rope = config.rope(1);
    config.requireInt("max_position_embeddings");
    config.finish();
    assertThat(rope.type()).isEqualTo("longrope");
    assertThat(rope.factor()).isEqualTo(32);
    assertThat(rope.originalMaxPositions()).isEqualTo(4096);
    assertThat(rope.shortFactor()).containsExactly(1.0, 1.5);
    assertThat(rope.attentionFactor()).isEqualTo(OptionalDouble.empty());
  }

  @Test
  void twoKindsOfLayersHaveTheirOwnRotation() {
    Map<String, RopeConfig> today =
        reader(
                "{'rope_parameters': {'full_attention': {'rope_theta': 1e6, 'rope_type': 'linear',"
                    + " 'factor': 8}, 'sliding_attention': {'rope_theta': 1e4, 'rope_type':"
                    + " 'default'}}}")
            .ropeByLayerType(1, 1);
    Map<String, RopeConfig> older =
        reader(
                "{'rope_theta': 1e6, 'rope_local_base_freq': 1e4, 'rope_scaling': {'rope_type':"
                    + " 'linear', 'factor': 8}}")
            .ropeByLayerType(1, 1);
    assertThat(older).isEqualTo(today);
    assertThat(today.get("full_attention")).extracting(RopeConfig::factor).isEqualTo(8.0);
    assertThat(today.get("sliding_attention")).extracting(RopeConfig::theta).isEqualTo(1e4);
  }

  @Test
  void rotarySettingsThatAreNotUnderstoodAreRefused() {
    var config =
        reader(
            "{'rope_parameters': {'rope_type': 'mrope', 'mrope_section': [1], 'beta_fst': 2,"
                + " 'factor': -1}}");
    config.rope(10_000);
    assertThatThrownBy(config::finish)
        .hasMessageContaining(
            "rope_parameters.rope_type is \"mrope\", supported are default, linear")
        .hasMessageContaining("rope_parameters.mrope_section is not understood")
        .hasMessageContaining("beta_fst is not understood (did you mean beta_fast?)")
        .hasMessageContaining("rope_parameters.factor is -1, expected a number > 0");
    var noFactor = reader("{'rope_scaling': {'type': 'linear'}}");
    noFactor.rope(10_000);
    assertThatThrownBy(noFactor::finish).hasMessageContaining("missing: rope_parameters.factor");
  }
}
