package dev.fathom.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.tensor.DType;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class ArgumentsTest {
  @Test
  void aDirectoryAloneMeansEverythingInF32() {
    Arguments arguments = Arguments.parse("model");
    assertThat(arguments.model()).isEqualTo(Path.of("model"));
    assertThat(arguments.tasks()).containsExactly(Task.values());
    assertThat(arguments.dtype()).isEqualTo(DType.F32);
    assertThat(arguments.dtypeName()).isEqualTo("float32");
  }

  @Test
  void tasksAndElementTypeAreNamed() {
    Arguments arguments =
        Arguments.parse("--tasks", "lens,forward_8x256", "model", "--dtype", "bf16");
    assertThat(arguments.tasks()).containsExactly(Task.LENS, Task.FORWARD_8X256);
    assertThat(arguments.dtypeName()).isEqualTo("bfloat16");
  }

  @Test
  void whatIsNotUnderstoodIsNamed() {
    assertThatThrownBy(() -> Arguments.parse("model", "--tasks", "lense"))
        .hasMessageContaining("no task 'lense'")
        .hasMessageContaining("lens,");
    assertThatThrownBy(() -> Arguments.parse("model", "--dtype", "f16"))
        .hasMessageContaining("found f16");
    assertThatThrownBy(() -> Arguments.parse("model", "--speed", "high"))
        .hasMessageContaining("--speed");
    assertThatThrownBy(() -> Arguments.parse("model", "--dtype"))
        .hasMessageContaining("needs a value");
    assertThatThrownBy(Arguments::parse).hasMessageContaining("one model directory");
  }
}
