package dev.fathom.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class RatiosTest {
  @TempDir Path directory;

  private void write(String name, String json) throws IOException {
    Files.writeString(directory.resolve(name), json);
  }

  private static String lens(double seconds, long peak) {
    return """
    {"lens": {"seconds": %s, "dtype": "float32", "threads": 2, "unit": "u", "peak_bytes": %d}}
    """
        .formatted(seconds, peak);
  }

  private Ratios read() throws IOException {
    var ratios = new Ratios();
    ratios.read(directory);
    return ratios;
  }

  private JsonNode result(int index) throws IOException {
    return JsonMapper.shared().readTree(read().json()).path("results").path(index);
  }

  @Test
  void theMinimumOfEachSideCounts() throws IOException {
    write("ours-f32-1.json", lens(0.5, 10 << 20));
    write("ours-f32-2.json", lens(0.25, 30 << 20));
    write("theirs-f32-1.json", lens(2, 90 << 20));
    write("theirs-f32-2.json", lens(1, 70 << 20));
    JsonNode lens = result(0);
    assertThat(lens.path("ours_seconds").asDouble()).isEqualTo(0.25);
    assertThat(lens.path("theirs_seconds").asDouble()).isEqualTo(1);
    assertThat(lens.path("ratio").asDouble()).isEqualTo(4);
    assertThat(lens.path("aim").asDouble()).isEqualTo(3);
    assertThat(lens.path("reached").asBoolean()).isTrue();
    assertThat(lens.path("ours_peak_bytes").asLong()).isEqualTo(30 << 20);
    assertThat(lens.path("theirs_peak_bytes").asLong()).isEqualTo(90 << 20);
    assertThat(read().table()).containsPattern("lens +float32 +0.2500 +1.0000 +4.00 +3.0 yes");
  }

  @Test
  void anAimThatIsMissedIsSaid() throws IOException {
    write("ours-f32-1.json", lens(0.5, 0));
    write("theirs-f32-1.json", lens(1.4, 0));
    assertThat(result(0).path("reached").asBoolean(true)).isFalse();
    assertThat(read().table()).containsPattern("2.80 +3.0 no ");
  }

  @Test
  void elementTypesAreNeverMixed() throws IOException {
    write("ours-f32-1.json", lens(1, 0));
    write("ours-bf16-1.json", lens(0.1, 0).replace("float32", "bfloat16"));
    assertThat(result(0).path("ours_seconds").asDouble()).isEqualTo(0.1);
    assertThat(result(1).path("ours_seconds").asDouble()).isEqualTo(1);
  }

  @Test
  void withoutPeersThereIsNoRatioAndNoVerdict() throws IOException {
    write("ours-f32-1.json", lens(1, 0));
    JsonNode lens = result(0);
    assertThat(lens.path("ratio").isNull()).isTrue();
    assertThat(lens.path("reached").isNull()).isTrue();
    assertThat(read().table()).containsPattern("lens +float32 +1.0000 +- +- +3.0 - ");
  }

  @Test
  void theMachineAndTheVersionsOfThePeersAreStated() throws IOException {
    write("ours-f32-1.json", lens(1, 0));
    write("theirs-f32-1.json", "{\"versions\": {\"torch\": \"9.9\"}}");
    write("scores-f32.json", "{\"says\": \"the same\"}");
    JsonNode machine = JsonMapper.shared().readTree(read().json()).path("machine");
    assertThat(machine.path("peer_torch").asString()).isEqualTo("9.9");
    assertThat(machine.path("jdk").asString()).contains("25");
    assertThat(machine.path("processor").asString()).isNotEmpty();
    assertThat(read().table()).contains("the same");
  }

  @Test
  void aFileThatIsNotJsonIsRefusedByName() throws IOException {
    write("ours-f32-1.json", "{");
    assertThatThrownBy(this::read)
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("ours-f32-1.json: not JSON");
  }
}
