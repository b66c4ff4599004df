package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

class ExitCommandTest {
  private static final String PROMPT = "The Eiffel Tower is located in the city of";

  private static void isMisuse(String sentence, String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).isEqualTo(Main.MISUSED);
    assertThat(terminal.err()).contains(sentence);
    assertThat(terminal.out()).isEmpty();
  }

  private static String runs(String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isEqualTo(Main.DONE);
    return terminal.out();
  }

  @Test
  void contradictoryOptionsAreRefusedBeforeTheModelIsOpened() {
    isMisuse("either --mod FILE or --confidence", "exit", "-m", "nowhere", "x");
    isMisuse(
        "either --mod FILE or --confidence",
        "exit",
        "-m",
        "nowhere",
        "x",
        "--mod",
        "f",
        "--confidence",
        "cosine",
        "--threshold",
        "0.9");
    isMisuse("needs --threshold X", "exit", "-m", "nowhere", "x", "--confidence", "max-prob");
    isMisuse(
        "go with --confidence", "exit", "-m", "nowhere", "x", "--mod", "f", "--min-layer", "2");
    isMisuse("--routes goes with --mod", "generate", "-m", "nowhere", "x", "--routes", "2");
    isMisuse("should be at least 1", "exit", "-m", "nowhere", "x", "--mod", "f", "--top-k", "0");
    isMisuse("either --mod or --recent", "generate", "x", "--mod", "f", "--recent", "9");
    isMisuse("at least 2", "exit", "-m", "nowhere", "x", "--mod", "f", "-n", "1");
  }

  @Test
  void aConfidenceExitIsMeasured(@TempDir Path folder) throws IOException {
    Path prompts = folder.resolve("p.jsonl");
    Files.writeString(
        prompts,
        """
        {"prompt": "The Eiffel Tower is located in the city of"}
        {"prompt": "Lima is located in the country of"}
        """);
    Path page = folder.resolve("page.html");
    String out =
        runs(
            "exit",
            "--confidence",
            "max-prob",
            "--threshold",
            "2",
            "--min-layer",
            "3",
            "--prompts",
            prompts.toString(),
            "-n",
            "3",
            "--ignore-eos",
            "--html",
            page.toString());
    assertThat(out)
        .contains("100.0 % of 6 tokens", "at most 8 / 3", "Where tokens are settled", "layer 8");
    assertThat(Files.readString(page)).contains("p.jsonl", "Leaving early");
  }

  @Test
  void aMixtureSpeaksAndIsMeasured(@TempDir Path folder) {
    String file = MixtureFile.in(folder);
    String[] speak = {"generate", PROMPT, "-n", "4", "--ignore-eos"};
    assertThat(runs(with(speak, "--mod", file)))
        .isEqualTo(runs(with(speak, "--mod", file, "--routes", "3")));
    assertThat(runs(with(speak, "--mod", file, "--routes", "1"))).isNotBlank();
    for (String mode : List.of("exact", "propagate")) {
      var json =
          JsonMapper.shared()
              .readTree(
                  runs(
                      "exit",
                      PROMPT,
                      "--mod",
                      file,
                      "--top-k",
                      "1",
                      "--mode",
                      mode,
                      "-n",
                      "4",
                      "--ignore-eos",
                      "--json",
                      "-"));
      assertThat(json.toString()).contains("8 / 6 = 1.33", "Where tokens are settled");
    }
  }

  private static String[] with(String[] args, String... more) {
    String[] all = Arrays.copyOf(args, args.length + more.length);
    System.arraycopy(more, 0, all, args.length, more.length);
    return all;
  }

  @Test
  void aMixtureWithoutSoManyRoutesIsRefused(@TempDir Path folder) {
    String file = MixtureFile.in(folder);
    isMisuse("mixes 3 layers", "generate", PROMPT, "--mod", file, "--routes", "4");
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run("generate", "-m", "tidepool-fair", PROMPT, "--mod", file))
        .isEqualTo(Main.FAILED);
    assertThat(terminal.err()).contains("was made from tidepool");
  }
}
