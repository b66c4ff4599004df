package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.checkpoint.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Files;
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
    isMisuse(
        "--part heads: choose from attn, mlp, both, attn_to_mlp, head, neuron",
        "ablate",
        PROMPT,
        "--part",
        "heads");
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

  @Test
  void singleNeuronsAreNamedOrFoundAndStandAlone(@TempDir Path folder) {
    assertThat(run("ablate", PROMPT, "--part", "neuron", "--ranked", "3").out())
        .contains("Without one neuron", "mlp_act.", "loss in logits");
    Path arrays = folder.resolve("n.safetensors");
    run("ablate", PROMPT, "--neurons", "mlp_act.3.n17@last", "--out", arrays.toString());
    try (var file = SafetensorsFile.open(arrays)) {
      assertThat(file.tensors())
          .containsOnlyKeys("ablate_neuron", "ablate_neuron_activation", "ablate_neuron_place");
    }
    isMisuse("--part neuron alone", "ablate", PROMPT, "--part", "mlp,neuron");
    isMisuse("such as mlp_act.3.n17", "ablate", PROMPT, "--neurons", "mlp_out.3");
  }

  @Test
  void anyNumberCanStandInThePlace() {
    assertThat(run("ablate", PROMPT, "--part", "mlp", "--value", "0.5", "--json", "-").out())
        .contains("value 0.5");
    isMisuse("--instead value needs --value", "ablate", PROMPT, "--instead", "value");
    isMisuse("--value is for", "ablate", PROMPT, "--instead", "zero", "--value", "1");
  }

  @Test
  void logprobCountsAllTokensOfATarget() {
    String[] args = {
      "ablate", PROMPT, "-t", "Rome Paris", "--part", "head", "--metric", "logprob", "--json", "-"
    };
    var terminal = run(args);
    assertThat(terminal.err()).contains("With logprob all 2 tokens of the target count");
    assertThat(terminal.out()).contains("\" Rome Paris\"");
  }

  private static final String FACTS =
      """
      {"prompt": "The capital of Italy is", "target": "Rome", "subject": "Italy"}
      {"id": "peru", "prompt": "Lima is located in the country of", "subject": "Lima"}
      {"id": "wrong", "prompt": "The capital of Italy is", "target": "Lima", "subject": "Italy"}
      """;

  @Test
  void promptsOfDifferentLengthsAreAveragedByRoleAndASecondRunKeepsTheirItems(@TempDir Path folder)
      throws IOException {
    Path facts = folder.resolve("facts.jsonl");
    Files.writeString(facts, FACTS);
    Path out = folder.resolve("out");
    String[] args = {
      "ablate", "--prompts", facts.toString(), "--part", "mlp", "--out-dir", out.toString()
    };
    String first = run(args).out();
    assertThat(first).contains("Without the MLP, mean over 3 prompts", "95 % interval");
    assertThat(out.resolve("report.html"))
        .content()
        .contains("subj last", "95 % interval, 3 prompts");
    String items = Files.readString(out.resolve("items.jsonl"));
    assertThat(items).contains("\"key\":\"2:peru\"");
    assertThat(run(args).out()).isEqualTo(first);
    assertThat(out.resolve("items.jsonl")).content().isEqualTo(items);

    String traced =
        run(
                "trace",
                "--prompts",
                facts.toString(),
                "--states",
                "hidden",
                "--samples",
                "2",
                "--out-dir",
                folder.resolve("traced").toString())
            .out();
    assertThat(traced).contains("mean over 2 prompts", "2 of 3 prompts count");
  }

  @Test
  void promptsThatCannotBeAveragedAreRefused(@TempDir Path folder) throws IOException {
    Path facts = folder.resolve("facts.jsonl");
    Files.writeString(facts, FACTS.replace(", \"subject\": \"Italy\"", ""));
    String file = facts.toString();
    String out = folder.resolve("out").toString();
    isMisuse(
        "give every prompt its subject",
        "ablate",
        "--prompts",
        file,
        "--part",
        "mlp",
        "--out-dir",
        out);
    isMisuse("has no subject", "trace", "--prompts", file, "--out-dir", folder + "/t");
    isMisuse("needs --out-dir", "ablate", "--prompts", file);
    isMisuse("--subject is missing", "trace", PROMPT);
    isMisuse("each line of --prompts names its own", "trace", "--prompts", file, "--subject", "x");
    isMisuse("one prompt at a time", "ablate", "--prompts", file, "--part", "neuron");
  }
}
