package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.edit.EditFile;
import dev.fathom.edit.Values;
import dev.fathom.tensor.DType;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
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
  void anAdapterOfPeftIsAnEditAndAnEditCanBeOne() {
    var lora = file("lora.safetensors");
    var adapter = file("adapter");
    try (var model = Models.load(Bundled.TIDEPOOL.directory(Bundled.userCache()), DType.F32)) {
      var map = model.blocks().get(2).mlp().out();
      float[] a = new float[Math.toIntExact(map.in())];
      float[] b = new float[Math.toIntExact(map.out())];
      Arrays.fill(a, 0.125f);
      Arrays.fill(b, 0.5f);
      var step =
          new Change.LowRank(
              map.origin().tensor(), 0, Values.of(a, 1, a.length), Values.of(b, b.length, 1), 2);
      EditFile.write(Path.of(lora), Edit.of(model, "by hand", List.of(step)));
    }
    assertThat(run("edit", "export", lora + ":0.5", "--out", adapter).out())
        .contains("rank 1 of model.layers.2.mlp.down_proj.weight", adapter);
    assertThat(Path.of(adapter)).isDirectoryContaining("glob:**/adapter_model.safetensors");

    var again = file("again.safetensors");
    assertThat(run("edit", "import", adapter, "--save", again).out()).contains("rank 1 of", again);
    assertThat(run("inspect", again).out()).contains("peft", "base_model_name_or_path", "tidepool");
    var half = json("lens", "--edit", lora + ":0.5", PROMPT, "--json", "-").path("arrays");
    assertThat(half)
        .isNotEqualTo(json("lens", PROMPT, "--json", "-").path("arrays"))
        .isEqualTo(json("lens", "--edit", again, PROMPT, "--json", "-").path("arrays"))
        .isEqualTo(json("lens", "--edit", adapter, PROMPT, "--json", "-").path("arrays"));
    assertThat(json("lens", "--edit", adapter + ":2", PROMPT, "--json", "-").path("arrays"))
        .isEqualTo(json("lens", "--edit", lora, PROMPT, "--json", "-").path("arrays"));
    var merged = file("merged");
    var _ = run("merge", "--edit", adapter, "--to", "F32", "--out", merged);
    assertThat(json("lens", "-m", merged, PROMPT, "--json", "-").path("arrays")).isEqualTo(half);

    refused(1, "low-rank steps only", "edit", "export", edit, "--out", file("no"));
    refused(1, "no adapter of PEFT is in it", "lens", "--edit", folder.toString(), PROMPT);
    refused(
        1,
        "adapter_config.json: no such file",
        "edit",
        "import",
        merged,
        "--save",
        file("no.safetensors"));
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
