package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.checkpoint.SafetensorsFile;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Edits through the real entry point: made, looked at, used, compared, merged.
class EditCommandsTest {
  private static final String PROMPT = "The capital of Italy is";

  @TempDir private Path folder;
  private String edit = "";

  private String file(String name) {
    return folder.resolve(name).toString();
  }

  private static FakeTerminal run(String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isZero();
    return terminal;
  }

  private static JsonNode json(String... args) {
    return JsonMapper.shared().readTree(run(args).out());
  }

  private static void refused(int code, String sentence, String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isEqualTo(code);
    assertThat(terminal.err()).startsWith("fathom " + args[0]).contains(sentence);
    assertThat(terminal.out()).isEmpty();
  }

  @BeforeEach
  void makeAnEdit() {
    edit = file("out.safetensors");
    var made = run("edit", "zero-heads", "--heads", "z.3.h0,z.3.h1,z.4.h0", "--save", edit);
    assertThat(made.out()).contains("columns of model.layers.3.self_attn.o_proj.weight");
  }

  @Test
  void inspectPrintsTheCardOfAnEdit() {
    assertThat(run("inspect", edit).out())
        .contains("zeroed", "tidepool", "z.3 [0]", "columns of model.layers.4.self_attn.o_proj")
        .doesNotContain("fathom.edit");
    var card = json("inspect", edit, "--json", "-").path("card");
    assertThat(card.path("kind").asString()).isEqualTo("edit");
    assertThat(card.path("changes").size()).isEqualTo(2);
  }

  @Test
  void anEditedModelIsUsedByEveryCommandAndNamedInItsResults() {
    var plain = json("lens", PROMPT, "--json", "-");
    var none = json("lens", "--edit", edit + ":0", PROMPT, "--json", "-");
    var edited = json("lens", "--edit", edit, PROMPT, "--json", "-");
    assertThat(model(edited)).isEqualTo("tidepool + out");
    assertThat(model(none)).isEqualTo("tidepool + out:0");
    assertThat(none.path("arrays")).isEqualTo(plain.path("arrays"));
    assertThat(edited.path("arrays")).isNotEqualTo(plain.path("arrays"));
    assertThat(
            json("generate", "--edit", edit, PROMPT, "--max-tokens", "3", "--json", "-").toString())
        .contains("tidepool + out");
  }

  private static String model(JsonNode result) {
    return result.path("provenance").path("model").asString();
  }

  @Test
  void compareShowsBothSidesAndWritesTheDifferences() {
    var arrays = file("difference.safetensors");
    var page = file("page.html");
    var text =
        run(
                "compare",
                "--edit",
                edit,
                PROMPT,
                "--out",
                arrays,
                "--html",
                page,
                "--sections",
                "prediction,lens")
            .out();
    assertThat(text)
        .contains("A: tidepool · B: tidepool + out", "What they say", "KL(A ‖ B)")
        .contains("Nothing differs before layer 4 of 8")
        .doesNotContain("Ablation");
    assertThat(Path.of(page)).content().contains("Logit lens");
    try (var file = SafetensorsFile.open(Path.of(arrays))) {
      assertThat(file.tensors())
          .containsKeys(
              "difference_output_kl", "difference_lens_kl", "difference_lens_target_prob");
    }
  }

  @Test
  void aMergedModelSaysWhatTheEditedOneDoes() {
    var merged = file("merged");
    assertThat(run("merge", "--edit", edit, "--out", merged).out()).contains(merged);
    var edited = json("lens", "--edit", edit, PROMPT, "--json", "-");
    var again = json("lens", "-m", merged, PROMPT, "--json", "-");
    assertThat(again.path("arrays")).isEqualTo(edited.path("arrays"));
    var compared =
        json(
            "compare",
            "-m",
            merged,
            "-m",
            "tidepool",
            PROMPT,
            "--sections",
            "prediction",
            "--json",
            "-");
    assertThat(compared.toString()).contains("merged").contains("tidepool");
    refused(1, "was made from tidepool", "lens", "-m", merged, "--edit", edit, PROMPT);
  }

  @Test
  void misuseIsSaidInOneSentence() {
    refused(2, "give --model twice, or --edit", "compare", PROMPT);
    refused(2, "There is no section 'x'", "compare", "--edit", edit, "--sections", "x", PROMPT);
    refused(2, "No edit given", "merge", "--out", file("m"));
    refused(1, "no such file", "lens", "--edit", file("none"), PROMPT);
    refused(
        2,
        "is not at mlp_act",
        "edit",
        "zero-neurons",
        "--neurons",
        "z.1.h0",
        "--save",
        file("x.safetensors"));
  }
}
