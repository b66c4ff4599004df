package dev.fathom.explain.lens;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import dev.fathom.data.Prompt;
import dev.fathom.explain.lens.TunedLensTraining.Config;
import dev.fathom.explain.lens.TunedLensTraining.Method;
import dev.fathom.explain.lens.TunedLensTraining.Progress;
import dev.fathom.model.Numbers;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class TunedLensTest {
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);
  private static final Consumer<Progress> SILENT = _ -> {};
  private static final Config SHORT = Config.standard().withSteps(40, 64).withRate(0.01);

  static List<Variant> variants() {
    return TinyModels.some(DType.F64);
  }

  private static List<int[]> texts(int rows) {
    return IntStream.range(0, rows).mapToObj(row -> TinyModel.idArray(12, row)).toList();
  }

  private static LensResult read(TinyModel tiny, Reading lens) {
    var prompt = Prompt.ofIds(NUMBERS, TinyModel.idArray(9, 77));
    return LogitLens.run(
        tiny.model(), NUMBERS, prompt, LogitLens.Config.standard().withTarget(7), lens);
  }

  private static TunedLens train(TinyModel tiny, Config config, Path folder) {
    return TunedLensTraining.run(tiny.model(), texts(100), "random", config, folder, SILENT);
  }

  @ParameterizedTest
  @MethodSource("variants")
  void beforeTrainingItIsTheLogitLens(Variant variant) {
    try (var tiny = TinyModels.of(variant);
        var lens = TunedLens.identity(tiny.model(), false);
        var biases = TunedLens.identity(tiny.model(), true)) {
      LensResult logit = read(tiny, Reading.LOGIT);
      for (TunedLens one : List.of(lens, biases)) {
        LensResult tuned = read(tiny, one);
        assertThat(tuned.targetProbability()).isEqualTo(logit.targetProbability());
        assertThat(tuned.topIds()).isEqualTo(logit.topIds());
        assertThat(tuned.divergence()).isEqualTo(logit.divergence());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void trainingBringsEveryLayerCloserToTheModelAndLeavesTheLastRow(
      Variant variant, @TempDir Path folder) {
    try (var tiny = TinyModels.of(variant);
        var lens = train(tiny, SHORT, folder)) {
      for (int layer = 0; layer < TinyModels.LAYERS; layer++) {
        assertThat(lens.tunedDivergence()[layer]).isLessThan(lens.logitDivergence()[layer]);
      }
      LensResult logit = read(tiny, Reading.LOGIT);
      LensResult tuned = read(tiny, lens);
      int last = TinyModels.LAYERS;
      for (int t = 0; t < logit.positions(); t++) {
        assertThat(tuned.targetProbability().at(last, t))
            .isEqualTo(logit.targetProbability().at(last, t));
        assertThat(tuned.divergence().at(last, t)).isEqualTo(0, within(1e-6));
      }
    }
  }

  @Test
  void biasesAloneAndTheOfficialDescentLearnToo(@TempDir Path folder) {
    try (var tiny = TinyModels.llama(DType.F32);
        var biases = train(tiny, SHORT.withBiasOnly(true), folder.resolve("a"));
        var official = train(tiny, SHORT.with(Method.SGD), folder.resolve("b"))) {
      for (int layer = 0; layer < TinyModels.LAYERS; layer++) {
        assertThat(biases.tunedDivergence()[layer]).isLessThan(biases.logitDivergence()[layer]);
        assertThat(official.tunedDivergence()[layer]).isLessThan(official.logitDivergence()[layer]);
      }
    }
  }

  /// The first step of Adam moves each parameter by the rate against its gradient's sign, and that
  /// of SGD by the gradient itself: here it is compared with the slope of the divergence.
  @Test
  void theGradientIsTheSlopeOfTheDivergence(@TempDir Path folder) {
    try (var tiny = TinyModels.gemma(DType.F64);
        var scope = Scope.withoutGradients()) {
      var config = SHORT.with(Method.SGD).withSteps(1, 512).withRate(1e-3);
      try (var lens = train(tiny, config, folder)) {
        // one step down the gradient g changes the loss by about -|step|·|g|; the step is
        // rate · (1 + momentum) · g, hence loss falls by |step|² / (rate · 1.9)
        Tensor step = lens.of(0, Tensor.zeros(DType.F64, 1, TinyModels.D_MODEL)); // the bias
        Tensor rows = Tensor.of(identity(), TinyModels.D_MODEL, TinyModels.D_MODEL);
        Tensor matrix = lens.of(0, rows).sub(rows).sub(step);
        double squared = step.square().sum().item() + matrix.square().sum().item();
        double fall = lens.logitDivergence()[0] - lens.tunedDivergence()[0];
        assertThat(fall).isEqualTo(squared / (1e-3 * 1.9), within(0.5 * fall));
      }
    }
  }

  private static double[] identity() {
    double[] values = new double[TinyModels.D_MODEL * TinyModels.D_MODEL];
    for (int i = 0; i < TinyModels.D_MODEL; i++) {
      values[i * TinyModels.D_MODEL + i] = 1;
    }
    return values;
  }

  @Test
  void aKilledTrainingGoesOnAndEndsTheSame(@TempDir Path folder) {
    try (var tiny = TinyModels.neox(DType.F32);
        var whole = train(tiny, SHORT, folder.resolve("whole"))) {
      Consumer<Progress> killer =
          progress -> {
            if (progress.layer() == 1 && progress.step() == 5) {
              throw new IllegalStateException("killed");
            }
          };
      Path killed = folder.resolve("killed");
      assertThatThrownBy(() ->
              TunedLensTraining.run(tiny.model(), texts(100), "random", SHORT, killed, killer))
          .hasMessage("killed");
      var layers = new TreeSet<Integer>();
      try (var again =
          TunedLensTraining.run(
              tiny.model(), texts(100), "random", SHORT, killed, p -> layers.add(p.layer()))) {
        assertThat(layers).containsExactly(1, 2);
        assertThat(again.tunedDivergence()).containsExactly(whole.tunedDivergence());
        assertThat(read(tiny, again).targetProbability())
            .isEqualTo(read(tiny, whole).targetProbability());
      }
      assertThatThrownBy(() -> train(tiny, SHORT.withSeed(1), killed))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("seed = 0, but this run has 1");
    }
  }

  @Test
  void aSavedLensComesBackAndRefusesAnotherModel(@TempDir Path folder) {
    Path file = folder.resolve("lens.safetensors");
    try (var tiny = TinyModels.llama(DType.F32);
        var lens = train(tiny, SHORT.withBiasOnly(true), folder.resolve("run"))) {
      lens.save(file);
      try (var loaded = TunedLens.load(file, tiny.model())) {
        assertThat(loaded.card()).isEqualTo(lens.card());
        assertThat(read(tiny, loaded).targetProbability())
            .isEqualTo(read(tiny, lens).targetProbability());
        assertThat(loaded.tunedDivergence()[0]).isEqualTo(lens.tunedDivergence()[0], within(1e-6));
      }
      assertThatThrownBy(() -> TunedLens.load(file, otherwise(tiny.model())))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("but the model here is other");
    }
  }

  /// The same parts with other weights, as far as anybody can tell.
  private static Transformer otherwise(Transformer model) {
    var card = model.card();
    var other =
        new Transformer.Card(
            card.family(),
            "other",
            () -> "1".repeat(64),
            card.context(),
            card.parameters(),
            card.dtype(),
            card.causal(),
            card.labels());
    return new Transformer(other, model.embedding(), model.blocks(), model.head(), () -> {});
  }

  @Test
  void oneRowOfTextIsRefused(@TempDir Path folder) {
    try (var tiny = TinyModels.llama(DType.F32)) {
      assertThatThrownBy(() ->
              TunedLensTraining.run(tiny.model(), texts(1), "", SHORT, folder.resolve("x"), SILENT))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("at least two rows");
    }
  }
}
