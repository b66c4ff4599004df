package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.checkpoint.SafetensorsFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.json.JsonMapper;

/// The report through the real entry point, of the bundled model.
class ExplainCommandTest {
  private static final String PROMPT = "The capital of Italy is";

  @TempDir private Path folder;

  @Test
  void theReportIsTextPageJsonAndArrays() {
    Path page = folder.resolve("r.html");
    Path json = folder.resolve("r.json");
    Path out = folder.resolve("r.safetensors");
    var terminal = FakeTerminal.piped();
    int code =
        terminal.run(
            "explain",
            PROMPT,
            "--target",
            "Rome",
            "--foil",
            "Milan",
            "--html",
            page.toString(),
            "--json",
            json.toString(),
            "--out",
            out.toString());
    assertThat(code).as(terminal.err()).isZero();
    assertThat(terminal.err()).contains("10 sections, about ");
    assertThat(terminal.out())
        .contains("target ' Rome', foil ' Milan'", "What the answer needs", "Left out");
    assertThat(terminal.out().lines())
        .allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80));
    assertThat(page).content().contains("<h2>Heads</h2>", "<h2>Left out</h2>");
    var report = JsonMapper.shared().readTree(json.toFile());
    assertThat(report.path("sections").size()).isEqualTo(11);
    try (var arrays = SafetensorsFile.open(out)) {
      assertThat(arrays.tensors())
          .containsKeys(
              "lens_entropy_nats",
              "exit_agreement",
              "ablate_attn",
              "ablate_head",
              "dla_head",
              "decompose_frozen_logit",
              "grad_x_input",
              "attention",
              "rollout_without_first",
              "neuron_target");
    }
  }

  static Stream<Arguments> mistakes() {
    return Stream.of(
        Arguments.of(List.of("--sections", "lense"), "There is no section 'lense'"),
        Arguments.of(List.of("-t", "Rome", "--foil", "Rome"), "Target and foil are the same"),
        Arguments.of(List.of("--corrupt", "Italy is"), "the same number of tokens"),
        Arguments.of(List.of("--subject", "France"), "'France' does not occur in the prompt"),
        Arguments.of(List.of("--sections", "path"), "The section path needs another prompt"),
        Arguments.of(List.of("--budget", "0"), "--budget must be at least 1 MB"),
        Arguments.of(List.of("--time-limit", "0"), "--time-limit must be more than 0"),
        Arguments.of(List.of("--time-limit", "0.001"), "more than the --time-limit"));
  }

  @ParameterizedTest
  @MethodSource("mistakes")
  void aMistakeIsOneSentenceAndNothingIsWritten(List<String> options, String sentence) {
    Path page = folder.resolve("r.html");
    var args =
        Stream.concat(Stream.of("explain", PROMPT, "--html", page.toString()), options.stream())
            .toArray(String[]::new);
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isEqualTo(Main.MISUSED);
    assertThat(terminal.err()).contains(sentence);
    assertThat(terminal.out()).isEmpty();
    assertThat(Files.exists(page)).isFalse();
  }
}
