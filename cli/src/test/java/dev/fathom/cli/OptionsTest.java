package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

class OptionsTest {
  /// A verb with every group of options.
  @Command(name = "everything")
  private static final class Everything {
    @Mixin private final ModelOptions model = new ModelOptions();
    @Mixin private final PromptOptions prompt = new PromptOptions();
    @Mixin private final OutputOptions output = new OutputOptions();
    @Mixin private final SeedOption seed = new SeedOption();

    static Everything parse(String... args) {
      var everything = new Everything();
      new CommandLine(everything).parseArgs(args);
      return everything;
    }
  }

  private static Console console(String input) {
    return FakeTerminal.pipedWith(Map.of(), input).console();
  }

  @Test
  void defaultsLeaveTheChoiceToTheLibrary() {
    var e = Everything.parse("--model", "m", "Hello");
    assertThat(e.model.model()).isEqualTo("m");
    assertThat(e.model.dtype()).isEqualTo(ComputeOptions.Dtype.f32);
    assertThat(e.model.threads()).isEmpty();
    assertThat(e.model.device()).isEqualTo("cpu");
    assertThat(e.prompt.source(console(""))).isEqualTo(new PromptOptions.Source.Text("Hello"));
    assertThat(e.prompt.chat()).isFalse();
    assertThat(e.prompt.bos()).isEmpty();
    assertThat(e.prompt.position()).isEmpty();
    assertThat(e.output.json().showsText()).isTrue();
    assertThat(e.output.html()).isEmpty();
    assertThat(e.output.out()).isEmpty();
    assertThat(e.seed.seed()).isZero();
  }

  @Test
  void everyOptionIsUnderstood() {
    var e =
        Everything.parse(
            "-m",
            "hf:a/b",
            "--dtype",
            "bf16",
            "--threads",
            "3",
            "--device",
            "cuda:0",
            "--system",
            "Be brief.",
            "--no-bos",
            "--position",
            "-1",
            "--html",
            "r.html",
            "--out",
            "x.safetensors",
            "--seed",
            "7",
            "Hi");
    assertThat(e.model.dtype()).isEqualTo(ComputeOptions.Dtype.bf16);
    assertThat(e.model.threads()).hasValue(3);
    assertThat(e.prompt.chat()).isTrue();
    assertThat(e.prompt.system()).contains("Be brief.");
    assertThat(e.prompt.bos()).contains(false);
    assertThat(e.prompt.position()).hasValue(-1);
    assertThat(e.output.html()).contains(Path.of("r.html"));
    assertThat(e.output.out()).contains(Path.of("x.safetensors"));
    assertThat(e.seed.seed()).isEqualTo(7);
    assertThat(Everything.parse("--bos", "x").prompt.bos()).contains(true);
  }

  @Test
  void aPromptMayComeFromStandardInputOrAFile() {
    assertThat(Everything.parse("-").prompt.source(console("two\nlines\n")))
        .isEqualTo(new PromptOptions.Source.Text("two\nlines"));
    assertThat(Everything.parse("--prompts", "p.jsonl").prompt.source(console("")))
        .isEqualTo(new PromptOptions.Source.Lines(Path.of("p.jsonl")));
  }

  @Test
  void theModelIsTheBundledOneUnlessNamed() {
    assertThat(Everything.parse("x").model.model()).isEqualTo("tidepool");
  }

  @Test
  void senselessCombinationsAreRefusedInWords() {
    assertThatThrownBy(() -> Everything.parse("--threads", "0").model.threads())
        .hasMessageContaining("at least 1, not 0");
    assertThatThrownBy(() -> Everything.parse().prompt.source(console("")))
        .hasMessageContaining("No prompt given");
    assertThatThrownBy(() -> Everything.parse("").prompt.source(console("")))
        .hasMessageContaining("The prompt is empty");
    assertThatThrownBy(() -> Everything.parse("--prompts", "p", "x").prompt.source(console("")))
        .hasMessageContaining("not both");
  }

  @Test
  void jsonOnStandardOutputIsAlone(@TempDir Path folder) throws Exception {
    var terminal = FakeTerminal.piped();
    var toOut = Everything.parse("--json", "-").output.json();
    assertThat(toOut.showsText()).isFalse();
    toOut.writeJson(terminal.console(), "{}\n");
    assertThat(terminal.out().strip()).isEqualTo("{}");

    var file = folder.resolve("r.json");
    var toFile = Everything.parse("--json", file.toString()).output.json();
    assertThat(toFile.showsText()).isTrue();
    toFile.writeJson(terminal.console(), "{}");
    assertThat(file).hasContent("{}");
    assertThat(Files.list(folder)).containsExactly(file);
  }
}
