package dev.fathom.align.baseline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.align.Fitting;
import dev.fathom.align.Fittings;
import dev.fathom.align.Remedy;
import dev.fathom.align.lope.BiasNeurons;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edits;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Slice;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SubtractionTest {
  private static final int[] IDS = {5, 9, 2, 30, 7};

  @BeforeAll
  static void oneThread() {
    Threads.set(1); // more only wait for each other over products this small
  }

  private static double[] logits(Transformer model, Tap tap) {
    try (var scope = Scope.withoutGradients()) {
      Pass pass = Pass.over(Layout.single(IDS.length)).with(tap);
      return model.forward(Tensor.of(IDS, IDS.length), pass).toDoubles();
    }
  }

  private static Remedy.OfWeights fit(Subtraction method, Transformer model) {
    return (Remedy.OfWeights) method.fit(Fittings.of(model, Fittings.GENDER));
  }

  private static double[] vector(Transformer model, String neuron) {
    String[] parts = neuron.split("\\.", -1);
    int layer = Integer.parseInt(parts[1]);
    int index = Integer.parseInt(parts[2].substring(1));
    try (var scope = Scope.withoutGradients()) {
      return model.blocks().get(layer).mlp().out().weight().values().select(1, index).toDoubles();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "llama", "gpt_neox", "granite", "gptj"})
  void theLastStreamLosesAlphaTimesTheVectorAtEveryPosition(String family) {
    try (Transformer model = Fittings.load(family, DType.F64);
        var scope = Scope.withoutGradients()) {
      Remedy.OfWeights remedy = fit(new Subtraction(0.7, true), model);
      String neuron = Objects.requireNonNull(remedy.edit().card().parameters().get("neuron"));
      double[] v = vector(model, neuron);
      Tensor vector = Tensor.of(v, v.length);
      double length = vector.norm(0, false).item();
      Tap tap = Taps.add(Slice.of(Kind.RESID_POST, model.layers() - 1), vector, -0.7 / length);
      try (Remedy.Treated treated = remedy.applied(model)) {
        double[] found = logits(treated.transformer().orElseThrow(), Tap.NONE);
        double[] expected = logits(model, tap);
        double[] base = logits(model, Tap.NONE);
        assertThat(found).isNotEqualTo(base);
        for (int i = 0; i < found.length; i++) {
          assertThat(found[i]).isCloseTo(expected[i], within(1e-9));
        }
      }
      assertThat(remedy.edit().changes()).hasSize(1);
      assertThat(remedy.edit().changes().getFirst()).isInstanceOf(Change.Bias.class);
    }
  }

  @Test
  void theVectorIsTheOneMostLikeTheDirection() {
    try (Transformer model = Fittings.load("llama", DType.F32);
        var scope = Scope.withoutGradients()) {
      int width = model.dModel();
      double[] direction = new double[width];
      for (int i = 0; i < width; i++) {
        direction[i] = Math.sin(i + 1) * Math.sqrt(2.0 / width);
      }
      BiasNeurons.Found found =
          BiasNeurons.ofModel(model, Tensor.ofRows(List.of(direction)), 1).getFirst().getFirst();
      double best = -2;
      String expected = "";
      for (int layer = 0; layer < model.layers(); layer++) {
        long neurons = model.blocks().get(layer).mlp().out().in();
        for (int n = 0; n < neurons; n++) {
          double[] v = vector(model, "mlp_act.%d.n%d".formatted(layer, n));
          double dot = 0;
          double square = 0;
          for (int i = 0; i < width; i++) {
            dot += v[i] * direction[i];
            square += v[i] * v[i];
          }
          if (dot / Math.sqrt(square) > best) {
            best = dot / Math.sqrt(square);
            expected = layer + "/" + n;
          }
        }
      }
      assertThat(found.layer() + "/" + found.neuron()).isEqualTo(expected);
      assertThat(found.cosine()).isCloseTo(best, within(1e-6));
    }
  }

  @Test
  void alphaZeroChangesNothing() {
    try (Transformer model = Fittings.load("llama", DType.F32)) {
      Remedy.OfWeights remedy = fit(new Subtraction(0, true), model);
      try (Transformer edited = Edits.apply(model, List.of(remedy.edit()))) {
        assertThat(logits(edited, Tap.NONE)).isEqualTo(logits(model, Tap.NONE));
        assertThat(edited.card().sha256().get()).isEqualTo(model.card().sha256().get());
      }
    }
  }

  @Test
  void rawVectorsKeepTheirLength() {
    try (Transformer model = Fittings.load("gpt2", DType.F64)) {
      Remedy.OfWeights remedy = fit(new Subtraction(2, false), model);
      String neuron = Objects.requireNonNull(remedy.edit().card().parameters().get("neuron"));
      double[] v = vector(model, neuron);
      try (var scope = Scope.withoutGradients()) {
        double[] old =
            Objects.requireNonNull(model.blocks().getLast().mlp().out().bias()).toDoubles();
        var change = (Change.Bias) remedy.edit().changes().getFirst();
        double[] now = change.values().tensor(DType.F64).toDoubles();
        for (int i = 0; i < v.length; i++) {
          assertThat(now[i]).isCloseTo(old[i] - 2 * v[i], within(1e-12));
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"gemma2", "olmo2"})
  void modelsThatNormWhatTheMlpWritesAreRefused(String family) {
    try (Transformer model = Fittings.load(family, DType.F32)) {
      assertThatThrownBy(() -> fit(new Subtraction(1, true), model))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("normalises what its MLP writes")
          .hasMessageContaining("no bias is the same");
    }
  }

  @Test
  void itIsDescribed() {
    assertThat(Subtraction.grid()).hasSize(5);
    assertThat(new Subtraction(0.5, true).settings())
        .containsEntry("alpha", "0.5")
        .containsEntry("unit", "yes");
    try (Transformer model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      var edit = ((Remedy.OfWeights) new Subtraction(5, true).fit(fitting)).edit();
      assertThat(edit.name()).isEqualTo("subtraction");
      assertThat(edit.card().parameters())
          .containsEntry("domain", "gender")
          .containsEntry("alpha", "5")
          .containsKeys("neuron", "cosine");
      assertThat(edit.card().seed()).hasValue(7);
      var again = ((Remedy.OfWeights) new Subtraction(5, true).fit(fitting)).edit();
      assertThat(again.changes()).isEqualTo(edit.changes());
    }
  }
}
