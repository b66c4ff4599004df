package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

class DoctorCommandTest {
  @Test
  void everyCheckHasALine() {
    var terminal = FakeTerminal.piped();
    terminal.run("doctor");
    assertThat(terminal.out())
        .contains("java", "processor", "memory", "native cache", "model cache", "terminal");
    assertThat(terminal.err()).isEmpty();
  }

  @Test
  void jsonHasTheSameChecks() {
    var terminal = FakeTerminal.piped();
    terminal.run("doctor", "--json", "-");
    var document = JsonMapper.builder().build().readTree(terminal.out());
    assertThat(document.get("format").asString()).isEqualTo("fathom.doctor/1");
    assertThat(document.get("checks")).hasSize(MachineChecks.ALL.size() + NativeChecks.ALL.size());
    assertThat(document.get("checks"))
        .allSatisfy(
            check -> assertThat(check.get("status").asString()).isIn("ok", "note", "problem"));
  }

  @Test
  void aCheckThatThrowsIsAProblemAndNotTheEnd() {
    var check =
        new Check(
            "broken",
            _ -> {
              throw new IllegalStateException("no answer");
            });
    var finding = check.run(FakeTerminal.piped().console());
    assertThat(finding.status()).isEqualTo(Check.Status.PROBLEM);
    assertThat(finding.found()).contains("no answer");
  }

  @Test
  void theFirstUseOfNativeLibrariesIsAnnounced(@TempDir Path folder) throws Exception {
    var cache = new NativeCache(folder, List.of("pytorch-1-linux-x86_64.jar"));
    var first = FakeTerminal.piped();
    cache.announce(first.console());
    assertThat(first.err()).contains("unpacking native libraries to " + folder, "446 MB");

    Files.createDirectory(folder.resolve("pytorch-1-linux-x86_64.jar"));
    var second = FakeTerminal.piped();
    cache.announce(second.console());
    assertThat(second.err()).isEmpty();
  }
}
