package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// The commands about models and files, through the real entry point.
class FilesTest {
  private static final Path FIXTURES =
      Path.of(System.getProperty("basedir", "cli"), "../core/src/test/resources/fixtures")
          .normalize();
  private static final String LLAMA = checkpoint("llama");
  private static final String SENTENCES =
      FIXTURES.resolve("tokenizers/sentencepiece_bpe/tokenizer.model").toString();

  @TempDir private Path folder;
  private final FakeTerminal terminal = FakeTerminal.piped();

  private static String checkpoint(String name) {
    return FIXTURES.resolve("checkpoints").resolve(name).toString();
  }

  private String file(String name) {
    return folder.resolve(name).toString();
  }

  private JsonNode json(String... args) {
    assertThat(terminal.run(args)).as(terminal.err()).isZero();
    return JsonMapper.builder().build().readTree(terminal.out());
  }

  private void refused(int code, String sentence, String... args) {
    assertThat(terminal.run(args)).as(terminal.err()).isEqualTo(code);
    assertThat(terminal.err()).startsWith("fathom " + args[0] + ": ").contains(sentence);
    assertThat(terminal.out()).isEmpty();
  }

  private static float[] floats(SafetensorsFile file, String name) {
    return file.bytes(name).toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
  }

  @Test
  void captureWritesTheReferenceValues() {
    try (var reference = SafetensorsFile.open(Path.of(LLAMA, "reference.safetensors"))) {
      long[] ids = reference.bytes("input_ids").toArray(ValueLayout.JAVA_LONG_UNALIGNED);
      var row = new StringBuilder();
      for (int i = 0; i < 11; i++) row.append(i == 0 ? "" : ",").append(ids[i]);
      var out = file("x.safetensors");
      var answer =
          json(
              "capture",
              "--model",
              LLAMA,
              "--ids",
              row.toString(),
              "--sites",
              "resid_post.all,pattern.1,logits",
              "--out",
              out,
              "--json",
              "-");
      assertThat(answer.path("format").asString()).isEqualTo("fathom.capture/1");
      assertThat(answer.path("tensors").size()).isEqualTo(5);
      try (var found = SafetensorsFile.open(Path.of(out))) {
        assertThat(Objects.requireNonNull(found.tensors().get("resid_post.0")).shape())
            .containsExactly(1L, 11L, 48L);
        assertThat(Objects.requireNonNull(found.tensors().get("pattern.1")).shape())
            .containsExactly(1L, 4L, 11L, 11L);
        same(floats(found, "resid_post.0"), floats(reference, "hidden_states.1"));
        same(floats(found, "pattern.1"), floats(reference, "attentions.1"));
        same(floats(found, "logits"), floats(reference, "logits"));
      }
    }
  }

  /// `found` is the first row of `expected`.
  private static void same(float[] found, float[] expected) {
    double largest = 1;
    for (float value : expected) largest = Math.max(largest, Math.abs(value));
    for (int i = 0; i < found.length; i++) {
      assertThat(Math.abs(found[i] - expected[i])).isLessThan((float) (1e-4 * largest));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          llama | 1,2,999 | logits         | token id 999 is not in this model's vocabulary of 131
          llama | 1,2     | resid_pos.1    | did you mean resid_post?
          llama | 1,2     | mlp_out.9      | this model has layers 0 to 2
          llama | 1,2     | z.1.h9         | has heads h0 to 3
          llama | 1,2     | resid_post.0@7 | row 0 has 2 positions
          llama | one     | logits         | expected token ids such as 1,2,3
          gptj  | 1,2     | resid_mid.0    | there is no stream between them
          """)
  void whatCannotBeCapturedIsRefusedWithAReason(
      String model, String ids, String sites, String reason) {
    refused(
        2,
        reason,
        "capture",
        "--model",
        checkpoint(model),
        "--ids",
        ids,
        "--sites",
        sites,
        "--out",
        file("x.safetensors"));
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void captureNeedsJustOneInput() {
    refused(2, "Give one of", "capture", "-m", LLAMA, "--sites", "logits", "--out", file("x"));
  }

  @Test
  void aModelWithoutATokenizerReadsNoTextAndSaysSo() {
    refused(
        1,
        "has no tokenizer",
        "capture",
        "-m",
        LLAMA,
        "--prompt",
        "Hello",
        "--sites",
        "logits",
        "--out",
        file("x.safetensors"));
  }

  @Test
  void foreignNamesAreTranslatedWhenAskedTo() {
    var answer =
        json(
            "capture",
            "-m",
            LLAMA,
            "--ids",
            "1,2",
            "--names",
            "TRANSFORMER_LENS",
            "--sites",
            "blocks.1.hook_resid_post",
            "--out",
            file("x.safetensors"),
            "--json",
            "-");
    assertThat(answer.path("tensors").path(0).path("name").asString()).isEqualTo("resid_post.1");
  }

  @Test
  void tokenizeShowsIdsPiecesAndOffsets() {
    var answer = json("tokenize", "--tokenizer", SENTENCES, "Paris", "--json", "-");
    assertThat(answer.path("ids").size()).isEqualTo(answer.path("pieces").size());
    int last = answer.path("offsets").size() - 1;
    assertThat(answer.path("offsets").path(last).path(1).asInt()).isEqualTo(5);
    assertThat(answer.path("text").asString()).isEqualTo("Paris");
  }

  @Test
  void tokenizeReadsStandardInputWithoutItsLastLineBreak() {
    var piped = FakeTerminal.pipedWith(Map.of(), "Paris\n");
    assertThat(piped.run("tokenize", "--tokenizer", SENTENCES, "-")).isZero();
    assertThat(terminal.run("tokenize", "--tokenizer", SENTENCES, "Paris")).isZero();
    assertThat(piped.out()).isEqualTo(terminal.out());
  }

  @Test
  void tokenizeAddsSpecialTokensAsTheFilesSay() {
    var bert = FIXTURES.resolve("tokenizers/wordpiece_bert/tokenizer.json").toString();
    int with = json("tokenize", "--tokenizer", bert, "the", "--json", "-").path("ids").size();
    var bare = FakeTerminal.piped();
    assertThat(bare.run("tokenize", "--tokenizer", bert, "the", "--no-special")).isZero();
    assertThat(bare.out()).contains("%d token".formatted(with - 2)).doesNotContain("[CLS]");
  }

  @Test
  void aTokenizerThatIsNotThereIsToldInOneSentence() {
    refused(1, "there is no such file", "tokenize", "--tokenizer", file("none.json"), "x");
  }

  @Test
  void inspectListsTensorsAndTotals() {
    var answer = json("inspect", LLAMA, "--json", "-");
    assertThat(answer.path("kind").asString()).isEqualTo("safetensors");
    var first = answer.path("tensors").path(0);
    assertThat(first.path("name").isString()).isTrue();
    assertThat(first.path("shape").isArray()).isTrue();
    assertThat(answer.path("bytes").asLong()).isPositive();
  }

  @ParameterizedTest
  @CsvSource({"Q4_1", "Q6_K", "IQ4_XS", "BF16"})
  void inspectExtractsWhatAQuantisedTensorStandsFor(String type) {
    Path gguf = FIXTURES.resolve("gguf/" + type + ".gguf");
    var listing = json("inspect", gguf.toString(), "--json", "-");
    var name = listing.path("tensors").path(0).path("name").asString();
    var out = file("t.safetensors");
    var extracting = FakeTerminal.piped();
    assertThat(extracting.run("inspect", gguf.toString(), "--extract", name, "--out", out))
        .isZero();
    Path values = FIXTURES.resolve("gguf/" + type + ".expected.safetensors");
    try (var found = SafetensorsFile.open(Path.of(out));
        var expected = SafetensorsFile.open(values)) {
      var only = expected.tensors().keySet().iterator().next();
      assertThat(floats(found, name)).isEqualTo(floats(expected, only));
    }
  }

  @Test
  void aNameThatWouldSteerTheTerminalIsMadeHarmless() {
    Path path = folder.resolve("hostile.safetensors");
    var specs = List.of(TensorSpec.of("a\u001b[2Jb\nc", TensorType.F32, 1));
    try (var writer =
        SafetensorsWriter.create(path, specs, Map.of("k\u001b]0;x\u0007", "v\r\u009b1m"))) {
      writer.append("a\u001b[2Jb\nc", new float[] {1});
      writer.commit();
    }
    assertThat(terminal.run("inspect", path.toString())).isZero();
    assertThat(terminal.out().replace(System.lineSeparator(), ""))
        .matches("\\P{Cc}*")
        .contains("⟨U+001B⟩");
  }

  @ParameterizedTest
  @CsvSource({"inspect", "models"})
  void whatIsNotThereIsToldInOneSentence(String verb) {
    refused(1, "no such", verb, file("none.gguf"));
  }

  @Test
  void aCorruptFileIsToldInOneSentence() throws IOException {
    Path corrupt = folder.resolve("x.safetensors");
    Files.write(
        corrupt, "no header at all, and longer than eight".getBytes(StandardCharsets.UTF_8));
    refused(1, "x.safetensors", "inspect", corrupt.toString());
    assertThat(terminal.err()).doesNotContain("bug");
  }

  @Test
  void anExtractionNeedsAPlaceAndAName() {
    refused(2, "belong together", "inspect", LLAMA, "--extract", "x");
  }

  @Test
  void aTensorThatIsNotThereIsRefused() {
    refused(
        2, "has no tensor 'x'", "inspect", LLAMA, "--extract", "x", "--out", file("t.safetensors"));
  }

  @ParameterizedTest
  @CsvSource({"llama", "gpt2", "bert_cls", "granite"})
  void verifyPassesOnModelsThatAreRight(String name) {
    var reference = Path.of(checkpoint(name), "reference.safetensors").toString();
    var answer =
        json("verify", "--model", checkpoint(name), "--reference", reference, "--json", "-");
    assertThat(answer.path("passed").asBoolean()).isTrue();
    assertThat(answer.path("parity").path("rows").size()).isGreaterThan(5);
    assertThat(answer.path("invariants").size()).isGreaterThan(10);
    assertThat(answer.path("device").size()).isPositive();
  }

  @Test
  void verifyFailsAgainstTheReferenceOfAnotherModel() {
    var other = Path.of(checkpoint("mistral"), "reference.safetensors").toString();
    assertThat(terminal.run("verify", "--model", LLAMA, "--reference", other)).isEqualTo(1);
    assertThat(terminal.out()).contains("FAIL: not rounding", "FAILED");
  }

  @Test
  void aModelComesBackFromGgufAsItWas() {
    var gguf = file("m.gguf");
    var back = file("back");
    assertThat(terminal.run("convert", LLAMA, "--to", "F32", "--out", gguf)).isZero();
    assertThat(terminal.run("convert", "--model", gguf, "--out", back)).isZero();
    try (var first = SafetensorsFile.open(Path.of(LLAMA, "model.safetensors"));
        var second = SafetensorsFile.open(Path.of(back, "model.safetensors"))) {
      assertThat(second.tensors().keySet()).isEqualTo(first.tensors().keySet());
      for (var name : first.tensors().keySet()) {
        assertThat(floats(second, name)).isEqualTo(floats(first, name));
      }
    }
  }

  @Test
  void quantisedWeightsBelongInGgufFiles() {
    refused(2, "only in GGUF", "convert", LLAMA, "--to", "Q8_0", "--out", file("directory"));
  }

  @Test
  void modelsListsTheFamilies() {
    var answer = json("models", "--json", "-");
    assertThat(answer.path("families").size()).isGreaterThanOrEqualTo(22);
  }

  @Test
  void modelsSaysWhatACheckpointIs() {
    var answer = json("models", LLAMA, "--json", "-");
    assertThat(answer.path("family").asString()).isEqualTo("llama");
    assertThat(answer.path("layers").asInt()).isEqualTo(3);
    assertThat(answer.path("d_model").asInt()).isEqualTo(48);
    assertThat(answer.path("context").asInt()).isEqualTo(64);
    assertThat(answer.path("memory").path(0).path("total_bytes").asLong()).isPositive();
  }

  @Test
  void aPullNeedsAReferenceToTheHub() {
    refused(2, "is no model on the hub", "pull", "owner/name");
  }

  @Test
  void aPullOfflineOfWhatIsNotCachedFails() {
    var offline =
        FakeTerminal.pipedWith(Map.of("HF_HUB_OFFLINE", "1", "HF_HOME", folder.toString()), "");
    assertThat(offline.run("pull", "hf:owner/name")).isEqualTo(1);
    assertThat(offline.err()).contains("is not there in the cache");
  }
}
