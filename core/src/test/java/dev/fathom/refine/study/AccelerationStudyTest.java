package dev.fathom.refine.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import dev.fathom.References;
import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.model.Numbers;
import dev.fathom.model.Transformer;
import dev.fathom.refine.Lora;
import dev.fathom.refine.Mod;
import dev.fathom.refine.Refinement;
import dev.fathom.refine.Refiner;
import dev.fathom.refine.Tuned;
import dev.fathom.refine.study.AccelerationStudy.Measured;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizer;
import dev.fathom.train.Row;
import dev.fathom.view.View;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AccelerationStudyTest {
  private static final AccelerationStudy.Config CONFIG = new AccelerationStudy.Config(6, 2, 0.02);

  @TempDir private Path folder;
  private Transformer model;
  private Tokenizer tokenizer;
  private Tuned tuned;

  @BeforeEach
  void tune() {
    model = Models.load(References.path("checkpoints/llama"), DType.F32);
    tokenizer = new Numbers(model.outputs());
    List<Row> rows = List.of(new Row(new int[] {3, 1, 4, 1, 5}, 1), new Row(new int[] {9, 2}, 1));
    Lora lora = Lora.standard(model).withRank(2, 4).withDropout(0);
    Refiner.Outcome outcome =
        Refiner.of(
                model,
                Refinement.Config.of(List.of(lora), Mod.Config.dense(2)),
                Refiner.training(2, 4, 2, 3e-2).withWorkers(1))
            .run(rows, List.of(), folder.resolve("run"), _ -> {});
    tuned = Tuned.of(model, outcome);
  }

  @AfterEach
  void close() {
    tuned.close();
    model.close();
  }

  private AccelerationStudy study(AccelerationStudy.Config config, Consumer<String> listener) {
    var subjects = new LinkedHashMap<String, List<Prompt>>();
    subjects.put(
        "arc-e",
        List.of(
            Prompt.ofIds(tokenizer, new int[] {1, 7, 3}),
            Prompt.ofIds(tokenizer, new int[] {4, 2}),
            Prompt.ofIds(tokenizer, new int[] {8, 6, 5, 9})));
    return AccelerationStudy.run(
        model.card(), tuned, tokenizer, subjects, config, folder, listener);
  }

  private static List<Measured> all(AccelerationStudy study) {
    return study.subjects().firstEntry().getValue();
  }

  private static Measured of(AccelerationStudy study, String title, int batch) {
    return all(study).stream()
        .filter(one -> one.title().equals(title) && one.batch() == batch)
        .findFirst()
        .orElseThrow();
  }

  @Test
  void everyWayToLeaveIsMeasuredOverTextsOfOneLength() {
    var study = study(CONFIG, _ -> {});
    List<Measured> all = all(study);
    assertThat(all)
        .extracting(one -> one.title() + " " + one.batch())
        .containsExactly(
            "dense 1",
            "top-1, exact 1",
            "confidence, exact 1",
            "top-1, propagate 1",
            "confidence, propagate 1",
            "dense 2",
            "top-1, exact 2",
            "confidence, exact 2",
            "top-1, propagate 2",
            "confidence, propagate 2");
    int n = model.layers();
    for (Measured one : all) {
      assertThat(one.tokens()).isEqualTo(3 * 6);
      assertThat(one.bound()).isEqualTo((double) n / (n - 1));
      assertThat(one.blocks()).isBetween(n - 1.0, (double) n);
      assertThat(one.milliseconds()).isPositive();
      assertThat(one.ratio()).isCloseTo(one.other() / one.milliseconds(), within(one.ratio()));
      assertThat(one.agreement()).isBetween(0.0, 1.0);
    }
    assertThat(of(study, "dense", 1).blocks()).isEqualTo(n);
    assertThat(of(study, "top-1, exact", 1).heads()).isEqualTo(1);
    assertThat(of(study, "confidence, exact", 1).heads()).isGreaterThanOrEqualTo(1);
    // rows of a batch say what they say alone
    for (String way : List.of("dense", "top-1, exact", "confidence, exact")) {
      assertThat(of(study, way, 2).agreement()).isEqualTo(of(study, way, 1).agreement());
      assertThat(of(study, way, 2).settled()).isEqualTo(of(study, way, 1).settled());
    }
  }

  @Test
  void aLayerThatIsNeverSureAgreesAsTheLastLayerDoes() {
    var study = study(new AccelerationStudy.Config(6, 1, 2), _ -> {});
    Measured never = of(study, "confidence, exact", 1);
    assertThat(never.settled()).isEqualTo(model.layers());
    assertThat(never.blocks()).isEqualTo(model.layers());
    assertThat(all(study)).hasSize(5);
  }

  @Test
  void aKilledStudyGoesOnAndKeepsWhatItMeasured() {
    var told = new ArrayList<String>();
    assertThatThrownBy(() ->
            study(
                CONFIG,
                what -> {
                  if (told.size() == 3) {
                    throw new IllegalStateException("killed");
                  }
                  told.add(what);
                }))
        .hasMessage("killed");
    var after = new ArrayList<String>();
    var study = study(CONFIG, after::add);
    assertThat(after).hasSize(7).doesNotContainAnyElementsOf(told);
    var again = study(CONFIG, _ -> after.add("measured again"));
    assertThat(again.subjects()).isEqualTo(study.subjects());
    assertThat(after).hasSize(7);
    assertThatThrownBy(() -> study(new AccelerationStudy.Config(7, 2, 0.02), _ -> {}))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("tokens = 6, but this run has 7");
  }

  @Test
  void itIsShownOnATerminal() {
    var study = study(new AccelerationStudy.Config(4, 2, 0.5), _ -> {});
    var text = new StringBuilder();
    for (View view : study.views()) {
      text.append(Terminal.render(view, TerminalStyle.plain())).append('\n');
    }
    assertThat(text.toString())
        .contains("A mixture of k = 2 layers", "2 texts together", "top-1, propagate", "same %");
    assertThat(text.toString().lines()).allMatch(line -> line.length() <= 80);
    assertThat(study.arrays()).containsKeys("ratio_arc-e", "agreement_arc-e");
    assertThat(study.provenance().model()).endsWith(" + lora + mod");
  }

  @Test
  void withoutLayersToLeaveOutThereIsNothingToStudy() {
    try (var plain = Tuned.of(model, List.of(), Optional.empty())) {
      assertThatThrownBy(() ->
              AccelerationStudy.run(
                  model.card(), plain, tokenizer, new LinkedHashMap<>(), CONFIG, folder, _ -> {}))
          .hasMessageContaining("has no mixture of late layers");
    }
  }
}
