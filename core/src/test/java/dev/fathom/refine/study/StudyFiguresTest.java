package dev.fathom.refine.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import dev.fathom.References;
import dev.fathom.arch.Models;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.data.PromptTemplate;
import dev.fathom.explain.report.Figure;
import dev.fathom.explain.report.Figures;
import dev.fathom.model.Numbers;
import dev.fathom.model.Transformer;
import dev.fathom.refine.Distillation;
import dev.fathom.refine.InstructionRows;
import dev.fathom.refine.Lora;
import dev.fathom.refine.Refiner;
import dev.fathom.refine.study.Study.Variant;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizer;
import dev.fathom.train.Row;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StudyFiguresTest {
  private static final InstructionRows.Drawn ROWS =
      new InstructionRows.Drawn(
          List.of(
              new Row(new int[] {3, 1, 4, 1, 5}, 1),
              new Row(new int[] {9, 2, 6}, 1),
              new Row(new int[] {5, 3, 5, 8}, 1)),
          List.of(new Row(new int[] {9, 7, 9}, 1)),
          4);

  @TempDir private Path folder;
  private final List<String> told = new ArrayList<>();

  private static Transformer load(String family) {
    return Models.load(References.path("checkpoints/" + family), DType.F32);
  }

  private static Variants variants(Transformer model) {
    Lora lora = Lora.standard(model).withRank(2, 4).withDropout(0);
    return new Variants(lora, 2, Distillation.standard());
  }

  private List<Study.Run> study(Transformer model, String subject, List<Variant> variants) {
    var settings =
        new Study.Settings(
            List.of(1L, 2L),
            rows -> Refiner.training(rows, 2, 2, 1e-2).withWorkers(1),
            PromptTemplate.Wording.CLEAN,
            Set.of(),
            2,
            2);
    return Study.of(
            model,
            new Numbers(model.outputs()),
            new Study.Subject(subject, _ -> ROWS, Optional.empty()),
            settings,
            folder.resolve("studies"))
        .run(variants, _ -> {});
  }

  /// The page of these figures.
  private String page(Transformer model, String... ids) throws IOException {
    Tokenizer tokenizer = new Numbers(model.outputs());
    var config =
        Figures.Config.standard()
            .with(StudyFigures.of(Optional.of(folder.resolve("studies"))))
            .of(ids)
            .telling(told::add);
    return Files.readString(Figures.run(model, tokenizer, folder.resolve("figures"), config));
  }

  @Test
  void whatStudiesLeftIsDrawnAndTheRestIsMissing() throws IOException {
    try (Transformer model = load("llama")) {
      study(model, "arc-e", variants(model).tables());
      study(model, "arc-e", variants(model).ablations());
      study(model, "obqa", variants(model).grid());
      study(model, "mawps", variants(model).layers());
      String page =
          page(
              model,
              "4.7",
              "4.8",
              "5.2",
              "5.3",
              "5.4",
              "C.1",
              "C.2",
              "table-5.1",
              "table-5.2",
              "table-5.3");
      assertThat(page)
          .contains("<h2>Figure 4.7: ", "<h2>Figure 5.2: ", "<h2>Figure 5.4: ", "<h2>Figure C.1: ")
          .contains("<h2>Figure C.2: ", "<h2>Table 5.2: ")
          .doesNotContain("<h2>Figure 4.8", "<h2>Figure 5.3", "<h2>Table 5.1", "<h2>Table 5.3")
          .contains("obqa: best with k = ", "mawps, nats a token in the last quarter")
          .contains(
              "mean over arc-e (2 seeds): LoRA below ", "LoRA below + mixture, seed 1: layer 1");
      assertThat(page.substring(page.indexOf("Not here yet")))
          .contains("Figure 4.8: ", "Figure 5.3: ", "Table 5.1: ", "Table 5.3: ")
          .contains("<code>fathom study acceleration --run TUNED --tasks arc-e,arc-c -m MODEL")
          .doesNotContain("Figure 4.7");
      assertThat(told).anyMatch(line -> line.startsWith("table 5.3 is missing: fathom study"));
      try (var arrays = SafetensorsFile.open(folder.resolve("figures/table-5.2.safetensors"))) {
        assertThat(arrays.tensors()).containsOnlyKeys("held_out_arc-e");
      }
    }
  }

  @Test
  void aTableIsWhatItsStudyShowed() {
    try (Transformer model = load("llama")) {
      var runs = study(model, "arc-e", variants(model).tables());
      AccuracyStudy read =
          new StudyDirectory(folder.resolve("studies"), model).tables(false).orElseThrow();
      List<Study.Run> found = read.subjects().firstEntry().getValue();
      assertThat(found)
          .extracting(run -> run.name() + run.seed())
          .containsExactlyElementsOf(
              runs.stream()
                  .filter(run -> run.log().isPresent()) // nothing was asked of the model as it is
                  .map(run -> run.name() + run.seed())
                  .toList());
      for (Study.Run run : found) {
        Study.Run same =
            runs.stream()
                .filter(one -> one.name().equals(run.name()) && one.seed() == run.seed())
                .findFirst()
                .orElseThrow();
        assertThat(run.heldOut()).isEqualTo(same.heldOut());
        assertThat(run.title()).isEqualTo(same.title());
        assertThat(run.mod()).isEqualTo(same.mod());
        assertThat(run.counts()).isEqualTo(same.counts());
        assertThat(run.log().orElseThrow().steps()).hasSize(4);
        assertThat(run.log().orElseThrow().measures())
            .isEqualTo(same.log().orElseThrow().measures());
      }
    }
  }

  @Test
  void whatWasKilledDoesNotCountAndMoreIsDrawnNextTime() throws IOException {
    try (Transformer model = load("llama")) {
      study(model, "arc-e", variants(model).tables().subList(0, 3));
      Path log = folder.resolve("studies/arc-e/lora_below_mod-seed1/train/log.jsonl");
      String whole = Files.readString(log);
      Files.writeString(log, whole.lines().limit(2).reduce("", (a, b) -> a + b + "\n"));
      assertThat(page(model, "5.2", "table-5.2")).contains("seed 2").doesNotContain("seed 1");
      Files.writeString(log, whole);
      assertThat(page(model, "5.2")).contains("seed 1").doesNotContain("seed 2:");
    }
  }

  @Test
  void studiesOfAnotherModelAreRefused() throws IOException {
    try (Transformer model = load("llama");
        Transformer other = load("mistral")) {
      study(model, "arc-e", variants(model).tables().subList(0, 3));
      assertThatThrownBy(() -> page(other, "table-5.2"))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("was made from");
      assertThat(StudyFigures.of(Optional.empty())).extracting(Figure::id).contains("table-5.3");
    }
  }
}
