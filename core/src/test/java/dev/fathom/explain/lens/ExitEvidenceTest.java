package dev.fathom.explain.lens;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.data.Prompt;
import dev.fathom.data.TextWindows;
import dev.fathom.model.Numbers;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ExitEvidenceTest {
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);

  static List<Variant> variants() {
    return TinyModels.some(DType.F32);
  }

  private static TextWindows text(int... lengths) {
    var rows = new ArrayList<int[]>();
    for (int length : lengths) {
      rows.add(TinyModel.idArray(length, 5));
    }
    return new TextWindows(rows, 0);
  }

  private static ExitEvidenceResult evidence(TinyModel tiny, TextWindows text) {
    return ExitEvidence.run(tiny.model(), text, Reading.LOGIT, _ -> {});
  }

  @ParameterizedTest
  @MethodSource("variants")
  void aTextOfOneRowHasTheProfileOfThatPrompt(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      var prompt = Prompt.ofIds(NUMBERS, TinyModel.idArray(12, 5));
      var lens =
          LogitLens.run(tiny.model(), NUMBERS, prompt, LogitLens.Config.standard().keeping(50));
      var profile = ExitProfile.of(lens, variant.causal());
      var found = evidence(tiny, text(12));
      assertThat(found.agreement().values()).containsExactly(profile.agreement().values());
      assertThat(found.thresholds()).isEqualTo(profile.thresholds());
      assertThat(found.overthought()).isEqualTo(Double.valueOf(profile.overthought()));
      assertThat(found.meanCommitDepth()).isCloseTo(profile.meanCommitDepth(), within(1e-9));
      int rows = lens.rows();
      for (int row = 0; row < rows; row++) {
        double divergence = 0;
        double loss = 0;
        for (int t = 0; t < 12; t++) {
          divergence += lens.divergence().at(row, t) / 12;
          if (t < 11) {
            for (int k = 0; k < 50; k++) {
              if (lens.topIds().at(row, t, k) == prompt.ids()[t + 1]) {
                loss -= Math.log(lens.topProbability().at(row, t, k)) / 11;
              }
            }
          }
        }
        assertThat(found.divergence().at(row)).isCloseTo(divergence, within(1e-4));
        if (variant.causal()) {
          assertThat(found.loss().at(row)).isCloseTo(loss, within(1e-4));
        } else {
          assertThat(found.loss().at(row)).isNaN();
        }
      }
    }
  }

  @Test
  void sharesAreThoseOfAllRowsTogether() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var both = evidence(tiny, text(12, 30));
      var a = evidence(tiny, text(12));
      var b = evidence(tiny, text(30));
      assertThat(both.positions()).isEqualTo(42);
      float sum = 0;
      for (int row = 0; row < 4; row++) {
        assertThat(both.agreement().at(row))
            .isCloseTo(
                (12 * a.agreement().at(row) + 30 * b.agreement().at(row)) / 42, within(1e-6));
        assertThat(both.loss().at(row))
            .isCloseTo((11 * a.loss().at(row) + 29 * b.loss().at(row)) / 40, within(1e-5));
        sum += (float) both.settled().at(row);
      }
      assertThat(sum).isCloseTo(1, within(1e-6f));
      assertThat(both.agreement().at(3)).isEqualTo(1);
      assertThat(both.views()).hasSize(5);
      var read = new AtomicInteger();
      ExitEvidence.run(tiny.model(), text(12, 30), Reading.LOGIT, read::addAndGet);
      assertThat(read).hasValue(42);
    }
  }
}
