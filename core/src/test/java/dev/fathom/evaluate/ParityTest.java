package dev.fathom.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import dev.fathom.arch.Models;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.model.SiteAddress;
import dev.fathom.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ParityTest {
  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

  @TempDir private Path folder;

  private static Path checkpoints() {
    try {
      return Path.of(
          Objects.requireNonNull(ParityTest.class.getResource("/fixtures/checkpoints")).toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  static List<String> families() throws IOException {
    try (Stream<Path> entries = Files.list(checkpoints())) {
      return entries
          .filter(Files::isDirectory)
          .map(entry -> String.valueOf(entry.getFileName()))
          .sorted()
          .toList();
    }
  }

  @Test
  void thereAreTwentyFourCheckpoints() throws IOException {
    assertThat(families()).hasSize(24);
  }

  @ParameterizedTest
  @MethodSource("families")
  void everyFamilyComputesWhatTransformersDoes(String family) {
    Path directory = checkpoints().resolve(family);
    try (var model = Models.load(directory, DType.F32)) {
      var ledger =
          Parity.of(
              model,
              directory.resolve("reference.safetensors"),
              () -> Models.load(directory, DType.F64));
      assertThat(ledger.rows()).allMatch(Parity.Row::passed);
      assertThat(ledger.ignored()).isEmpty();
      assertThat(ledger.rows())
          .extracting(Parity.Row::name)
          .contains("logits", "hidden_states.0", "hidden_states.3", "attentions.0");
      if (model.card().causal()) {
        assertThat(ledger.rows()).extracting(Parity.Row::name).contains("greedy_ids", "embed_grad");
      }
    }
  }

  @Test
  void aWrongValueStaysWrongInF64() throws IOException {
    Path directory = checkpoints().resolve("llama");
    Path damaged = damaged(directory.resolve("reference.safetensors"), "hidden_states.1", 1);
    try (var model = Models.load(directory, DType.F32)) {
      var ledger = Parity.of(model, damaged, () -> Models.load(directory, DType.F64));
      assertThat(ledger.passed()).isFalse();
      assertThat(ledger.rows().stream().filter(row -> !row.passed()))
          .singleElement()
          .satisfies(
              row -> {
                assertThat(row.name()).isEqualTo("hidden_states.1");
                assertThat(row.verdict()).isEqualTo(Parity.Verdict.DIFFERENT);
                assertThat(row.gapInF64()).isPresent();
              });
    }
  }

  @Test
  void aGapThatIsGoneInF64IsCalledRounding() {
    var gone = new Parity.Row("x", 2e-4, 1, 1e-4, OptionalDouble.of(1e-6), "");
    assertThat(gone.verdict()).isEqualTo(Parity.Verdict.ROUNDING);
    assertThat(gone.passed()).isFalse();
    var nan = new Parity.Row("x", Double.NaN, 1, 1e-4, OptionalDouble.empty(), "");
    assertThat(nan.verdict()).isEqualTo(Parity.Verdict.DIFFERENT);
  }

  @Test
  void aFileThatIsNoReferenceIsRefused() {
    Path directory = checkpoints().resolve("llama");
    try (var model = Models.load(directory, DType.F32)) {
      assertThatThrownBy(
              () -> Parity.of(model, directory.resolve("model.safetensors"), () -> model))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("no tensor input_ids");
    }
  }

  @Test
  void theKernelsOfThisMachineAreRight() {
    assertThat(SelfTest.run()).allMatch(SelfTest.Row::passed).hasSize(5);
  }

  @Test
  void whatIsCapturedOfManyPromptsIsWhatEachHasAlone() {
    Path directory = checkpoints().resolve("llama");
    var addresses = SiteAddress.parseAll("resid_post.all,pattern.1,z.0.h2@last,logits");
    var rows =
        Stream.of(new int[] {5, 6, 7, 8, 9}, new int[] {10, 11}, new int[] {12, 13, 14})
            .map(ids -> new CaptureFile.Row(ids, Optional.empty()))
            .toList();
    try (var model = Models.load(directory, DType.F32)) {
      Path all = folder.resolve("all.safetensors");
      CaptureFile.write(model, rows, addresses, all, true, Map.of(), _ -> {});
      try (var together = SafetensorsFile.open(all)) {
        assertThat(together.tensors().keySet())
            .containsExactlyInAnyOrder(
                "resid_post.0",
                "resid_post.1",
                "resid_post.2",
                "pattern.1",
                "z.0.h2@last",
                "logits",
                "input_ids",
                "attention_mask");
        for (int r = 0; r < rows.size(); r++) {
          Path one = folder.resolve(r + ".safetensors");
          CaptureFile.write(
              model, rows.subList(r, r + 1), addresses, one, false, Map.of(), _ -> {});
          try (var alone = SafetensorsFile.open(one)) {
            for (TensorInfo info : alone.tensors().values()) {
              assertRow(together, r, alone, info);
            }
          }
        }
        long[] mask = together.bytes("attention_mask").toArray(ValueLayout.JAVA_LONG_UNALIGNED);
        assertThat(mask).containsExactly(1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0);
        long[] ids = together.bytes("input_ids").toArray(ValueLayout.JAVA_LONG_UNALIGNED);
        assertThat(ids).containsExactly(5, 6, 7, 8, 9, 10, 11, 0, 0, 0, 12, 13, 14, 0, 0);
      }
    }
  }

  /// The row of the batch has the values it has alone, and zeros beyond them.
  private static void assertRow(
      SafetensorsFile together, int row, SafetensorsFile alone, TensorInfo one) {
    List<Long> many = Objects.requireNonNull(together.tensors().get(one.name())).shape();
    float[] found = together.bytes(one.name()).toArray(FLOAT);
    float[] expected = alone.bytes(one.name()).toArray(FLOAT);
    int each = found.length / Math.toIntExact(many.getFirst());
    float[] padded = new float[each];
    List<Long> shape = one.shape();
    for (int i = 0; i < expected.length; i++) {
      int rest = i;
      int at = 0;
      int stride = 1;
      for (int axis = shape.size() - 1; axis > 0; axis--) {
        at += rest % shape.get(axis).intValue() * stride;
        rest /= shape.get(axis).intValue();
        stride *= many.get(axis).intValue();
      }
      padded[at] = expected[i];
    }
    float[] here = Arrays.copyOfRange(found, row * each, (row + 1) * each);
    for (int i = 0; i < each; i++) {
      assertThat(here[i]).isCloseTo(padded[i], within(2e-4f));
    }
  }

  /// A copy of a file in which one value of a tensor is off.
  private Path damaged(Path file, String name, float by) throws IOException {
    Path copy = folder.resolve("damaged.safetensors");
    try (var source = SafetensorsFile.open(file)) {
      var specs =
          source.tensors().values().stream()
              .map(info -> new TensorSpec(info.name(), info.type(), info.shape()))
              .toList();
      try (var writer = SafetensorsWriter.create(copy, specs, Map.of())) {
        for (TensorSpec spec : specs) {
          byte[] bytes = source.bytes(spec.name()).toArray(ValueLayout.JAVA_BYTE);
          MemorySegment values = MemorySegment.ofArray(bytes);
          if (spec.name().equals(name)) {
            values.set(FLOAT, 0, values.get(FLOAT, 0) + by);
          }
          writer.append(spec.name(), values);
        }
        writer.commit();
      }
    }
    return copy;
  }
}
