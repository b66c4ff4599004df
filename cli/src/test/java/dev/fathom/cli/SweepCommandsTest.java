package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.checkpoint.SafetensorsFile;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// `ablate`, `patch` and `trace` through the real entry point, on the bundled model.
class SweepCommandsTest {
  private static final String PROMPT = "The capital of Italy is";
  private static final String OTHER = "The capital of Spain is";

  private static FakeTerminal run(String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isZero();
    return terminal;
  }

  private static JsonNode json(String... args) {
    return JsonMapper.shared().readTree(run(args).out());
  }

  private static void isMisuse(String sentence, String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isEqualTo(Main.MISUSED);
    assertThat(terminal.err()).contains(sentence);
    assertThat(terminal.out()).isEmpty();
  }

  @Test
  void ablateShowsAMapForEachPartAndWritesItsArrays(@TempDir Path folder) {
    Path arrays = folder.resolve("a.safetensors");
    Path page = folder.resolve("a.html");
    var text =
        run(
                "ablate",
                PROMPT,
                "--part",
                "mlp,head",
                "--out",
                arrays.toString(),
                "--html",
                page.toString())
            .out();
    assertThat(text)
        .contains("Without the MLP", "Without a head", "loss in logits", "the logit of")
        .doesNotContain("Without attention");
    assertThat(page).content().contains("Ablation", PROMPT);
    try (var file = SafetensorsFile.open(arrays)) {
      assertThat(file.tensors()).containsOnlyKeys("ablate_mlp", "ablate_head");
    }
  }

  @Test
  void ablatingWithAnotherPromptsValuesTakesOneOfTheSameLength() {
    var result =
        json(
            "ablate",
            PROMPT,
            "--part",
            "attn",
            "--instead",
            "resample",
            "--corrupt",
            OTHER,
            "--json",
            "-");
    assertThat(result.path("provenance").path("parameters").toString())
        .contains("resample: " + OTHER);
    isMisuse("--instead resample needs --corrupt", "ablate", PROMPT, "--instead", "resample");
    isMisuse("--instead mean needs --reference", "ablate", PROMPT, "--instead", "mean");
    isMisuse(
        "choose one of the same length",
        "ablate",
        PROMPT,
        "--instead",
        "resample",
        "--corrupt",
        "The capital");
  }

  @Test
  void aFoilMakesTheMeasureADifferenceOfLogits() {
    var result =
        json("ablate", PROMPT, "-t", "Rome", "--foil", "Paris", "--part", "attn", "--json", "-");
    var parameters = result.path("provenance").path("parameters").toString();
    assertThat(parameters).contains("logitdiff", " Rome", " Paris");
  }

  @Test
  void patchingTheWholeLastStreamBringsTheAnswerBack() {
    var result = json("patch", PROMPT, "--corrupt", OTHER, "--part", "resid_post", "--json", "-");
    var recovered = result.path("arrays").toString();
    assertThat(recovered).contains("patch_resid_post");
    assertThat(run("patch", PROMPT, "--corrupt", OTHER, "--to", "q.5.h0,mlp_in.6").out())
        .contains("Path patching to", "only this route");
    assertThat(run("patch", PROMPT, "--corrupt", OTHER, "--attribution").out())
        .contains("rank correlation with exact patching");
  }

  @Test
  void traceTellsWhatTheNoiseDestroysAndIsRepeatable() {
    String[] args = {
      "trace", PROMPT, "--subject", "Italy", "--states", "hidden", "--samples", "2", "--json", "-"
    };
    var once = json(args);
    assertThat(once.path("arrays").toString()).contains("trace_hidden");
    assertThat(json(args).path("arrays")).isEqualTo(once.path("arrays"));
  }

  @Test
  void anUnknownPartOrStateNamesThoseThereAre() {
    isMisuse("--part heads: choose from attn, mlp, both", "ablate", PROMPT, "--part", "heads");
    isMisuse(
        "--part resid: choose from resid_post, attn_out",
        "patch",
        PROMPT,
        "--corrupt",
        OTHER,
        "--part",
        "resid");
    isMisuse(
        "--states stream: choose from hidden, mlp, attn",
        "trace",
        PROMPT,
        "--subject",
        "Italy",
        "--states",
        "stream");
    isMisuse("There is no metric 'bits'", "ablate", PROMPT, "--metric", "bits");
  }

  @Test
  void aPairOfOtherLengthsIsRefusedWithTheTokensThatDiffer() {
    isMisuse(
        "'The capital of Italy is' has %d (nothing of its own), 'The capital of the Italy is' has %d (' the')"
            .formatted(6, 7),
        "patch",
        PROMPT,
        "--corrupt",
        "The capital of the Italy is");
    isMisuse("The prompts are the same", "patch", PROMPT, "--corrupt", PROMPT);
  }

  @Test
  void whatIsNotThereIsSaidInOneSentence() {
    isMisuse("'Rome' does not occur in the prompt", "trace", PROMPT, "--subject", "Rome");
    isMisuse(
        "Target and foil are the same token", "ablate", PROMPT, "-t", "Rome", "--foil", "Rome");
    isMisuse("needs a foil", "ablate", PROMPT, "--metric", "logitdiff");
    isMisuse("layer 99", "patch", PROMPT, "--corrupt", OTHER, "--to", "q.99.h0");
    isMisuse("a receiver is logits", "patch", PROMPT, "--corrupt", OTHER, "--to", "resid.3");
    isMisuse("not both", "patch", PROMPT, "--corrupt", OTHER, "--to", "logits", "--attribution");
  }

  @Test
  void anOptionThatWouldNotBeReadIsRefused() {
    isMisuse(
        "leave out --part",
        "patch",
        "-m",
        "nowhere",
        PROMPT,
        "--corrupt",
        OTHER,
        "--to",
        "logits",
        "--part",
        "z");
    isMisuse(
        "leave out --direction",
        "patch",
        "-m",
        "nowhere",
        PROMPT,
        "--corrupt",
        OTHER,
        "--to",
        "logits",
        "--direction",
        "denoise");
    isMisuse(
        "leave out --part",
        "patch",
        "-m",
        "nowhere",
        PROMPT,
        "--corrupt",
        OTHER,
        "--attribution",
        "--part",
        "z");
    isMisuse("--reference is for", "ablate", "-m", "nowhere", PROMPT, "--reference", "f.jsonl");
    isMisuse(
        "--corrupt is for --instead resample, not for zero",
        "ablate",
        "-m",
        "nowhere",
        PROMPT,
        "--corrupt",
        OTHER);
  }

  @Test
  void aBudgetThatIsTooSmallSaysWhatOneRunTakes() {
    isMisuse("--budget must be at least 1 MB", "ablate", PROMPT, "--budget", "0");
    String much = "The cat sat on the mat. ".repeat(27).strip();
    isMisuse(
        "more than the memory budget of 1 MB: raise it or shorten the prompt",
        "ablate",
        much,
        "--part",
        "mlp",
        "--budget",
        "1");
  }
}
