package dev.fathom.edit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.model.TinyModels;
import dev.fathom.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EditFileTest {
  @TempDir private Path folder;

  private static final Card CARD = Card.of("edit", "by hand", "base", "ab".repeat(32));

  @Test
  void anEditComesBackFromAFileAsItWas() {
    try (var tiny = TinyModels.neox(DType.F64)) {
      Edit edit = Edit.of(tiny.model(), "all", EditsTest.everywhere(tiny.model(), new Random(3)));
      edit = edit.with(edit.card().with("k", "10").withSeed(7).withData("sentences.txt"));
      Path file = folder.resolve("all.safetensors");
      EditFile.write(file, edit.at(0.5));
      Edit found = EditFile.read(file);
      assertThat(found).isEqualTo(edit);
      assertThat(found.fingerprint()).isEqualTo(edit.fingerprint());
      assertThat(found.scale()).isEqualTo(1); // how it is used, not what it is
    }
  }

  @Test
  void f32NumbersAndEmptyEditsAreKeptToo() {
    var edit =
        new Edit(
            "small.edit",
            CARD,
            List.of(
                new Change.Rows(
                    "a.weight", 1, List.of(3, 0), Values.of(new float[] {1, 2, 3, -4}, 2, 2)),
                new Change.Rows("b.weight", 0, List.of(), Values.zeros(0, 5)),
                new Change.Bias("c.weight", 2, Values.of(new float[] {0.1f}, 1))),
            1);
    Path file = folder.resolve("small.edit");
    EditFile.write(file, edit);
    assertThat(EditFile.read(file)).isEqualTo(edit);
    EditFile.write(file, new Edit("small.edit", CARD, List.of(), 1));
    assertThat(EditFile.read(file).changes()).isEmpty();
  }

  private Path written(String description) {
    Path file = folder.resolve("bad.safetensors");
    Map<String, String> metadata = new HashMap<>(CARD.toMetadata());
    metadata.put("fathom.edit", description);
    var specs =
        List.of(
            TensorSpec.of("v", TensorType.F32, 1, 2),
            TensorSpec.of("i", TensorType.I64, 1),
            TensorSpec.of("far", TensorType.I64, 1),
            TensorSpec.of("nan", TensorType.F32, 1, 2));
    try (var writer = SafetensorsWriter.create(file, specs, metadata)) {
      writer.append("v", new float[] {1, 2});
      writer.append("i", MemorySegment.ofArray(new long[] {1}));
      writer.append("far", MemorySegment.ofArray(new long[] {1L << 40}));
      writer.append("nan", new float[] {1, Float.NaN});
      writer.commit();
    }
    return file;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {}                                                            | is an edit of format
          {"format":2,"changes":[]}                                     | this Fathom
          {"format":1}                                                  | expected a list
          {"format":1,"changes":[]}                                     | no change uses its tensors [far, i, nan, v]
          {"format":1,"changes":[{"kind":"magic"}]}                     | kind 'magic', which this Fathom
          {"format":1,"changes":[7]}                                    | kind ''
          {"format":1,"changes":[{"kind":"rows"}]}                      | 'tensor' must be a text
          {"format":1,"changes":[{"kind":"rows","tensor":"t","axis":"0"}]}  | 'axis' must be a whole number
          {"format":1,"changes":[{"kind":"rows","tensor":"t","axis":9,"indices":"i","values":"v"}]} | axes 0 and 1
          {"format":1,"changes":[{"kind":"rows","tensor":"t","axis":0,"indices":"v","values":"v"}]} | indices are a vector of I64
          {"format":1,"changes":[{"kind":"rows","tensor":"t","axis":0,"indices":"far","values":"v"}]} | no row has the index
          {"format":1,"changes":[{"kind":"rows","tensor":"t","axis":0,"indices":"i","values":"i"}]} | is used by another change too
          {"format":1,"changes":[{"kind":"rows","tensor":"t","axis":0,"indices":"i","values":"x"}]} | its tensor 'x' is missing
          {"format":1,"changes":[{"kind":"rows","tensor":"t","axis":0,"indices":"i","values":"nan"}]} | is not all numbers
          {"format":1,"changes":[{"kind":"bias","tensor":"t","from":0,"values":"v"}]} | a bias is a vector
          {"format":1,"changes":[{"kind":"bias","tensor":"t","from":-1,"values":"v"}]} | a bias is a vector
          {"format":1,"changes":[                                       | not valid JSON
          """)
  void aDescriptionThatIsNotSoundIsRefusedWithAReason(String description, String reason) {
    Path file = written(description);
    assertThatThrownBy(() -> EditFile.read(file))
        .isInstanceOf(FathomException.class)
        .hasMessageStartingWith(file.toString())
        .hasMessageContaining(reason);
  }

  @Test
  void aFileOfAnotherKindIsRefused() {
    Path file = folder.resolve("lens.safetensors");
    Card card = Card.of("lens", "tuned lens", "base", "ab".repeat(32));
    try (var writer = SafetensorsWriter.create(file, List.of(), card.toMetadata())) {
      writer.commit();
    }
    assertThatThrownBy(() -> EditFile.read(file))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("holds the lens 'tuned lens' where 'edit' is expected");
    assertThatThrownBy(() -> EditFile.read(folder.resolve("none")))
        .isInstanceOf(FathomException.class);
  }

  @Test
  void damagedFilesAreSoundOrRefused() throws IOException {
    Path file = folder.resolve("all.safetensors");
    try (var tiny = TinyModels.llama(DType.F32)) {
      EditFile.write(
          file,
          Edit.of(
              tiny.model(),
              "all",
              EditsTest.everywhere(tiny.model(), new Random(3)).subList(0, 6)));
    }
    byte[] sound = Files.readAllBytes(file);
    var random = new Random(11);
    int refused = 0;
    for (int i = 0; i < 300; i++) {
      byte[] bytes = sound.clone();
      for (int k = random.nextInt(4); k >= 0; k--) {
        bytes[random.nextInt(Math.min(bytes.length, 3000))] = (byte) random.nextInt(256);
      }
      Files.write(file, i % 10 == 0 ? Arrays.copyOf(bytes, random.nextInt(bytes.length)) : bytes);
      try {
        assertThat(EditFile.read(file).changes()).hasSize(6);
      } catch (FathomException expected) {
        assertThat(expected.getMessage()).isNotBlank();
        refused++;
      }
    }
    assertThat(refused).isGreaterThan(100);
  }
}
