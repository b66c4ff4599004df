package dev.fathom.align.lope;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.align.Fittings;
import dev.fathom.align.lope.BiasNeurons.Found;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.edit.Edits;
import dev.fathom.model.Linear;
import dev.fathom.model.Norm;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BiasNeuronsTest {
  private static final int WIDTH = 48;

  /// The model with these value vectors of a layer.
  private static Transformer with(
      Transformer model, int layer, List<Integer> neurons, double[]... vectors) {
    Linear out = model.blocks().get(layer).mlp().out();
    try (var scope = Scope.withoutGradients()) {
      double[] all = Arrays.stream(vectors).flatMapToDouble(Arrays::stream).toArray();
      Tensor values = Tensor.of(all, vectors.length, WIDTH).to(DType.F32);
      Edit edit = Edit.of(model, "planted", List.of(Change.Rows.inputs(out, neurons, values)));
      return Edits.apply(model, List.of(edit));
    }
  }

  private static double[] times(double factor, double[] vector) {
    return Arrays.stream(vector).map(x -> factor * x).toArray();
  }

  private static List<Found> ofLayer(Transformer model, int layer, int k, double[]... directions) {
    try (var scope = Scope.withoutGradients()) {
      return BiasNeurons.ofLayer(model, layer, Toys.matrix(List.of(directions)), k);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "gpt2", "gpt_neox", "gemma"})
  void theCosineIsThatOfEachColumnOfTheDownProjection(String family) {
    try (var scope = Scope.withoutGradients();
        var model = Fittings.load(family, DType.F32)) {
      List<double[]> directions = Toys.directions(3, 1);
      for (int layer = 0; layer < model.layers(); layer++) {
        Linear out = model.blocks().get(layer).mlp().out();
        float[] weight = out.weight().values().toFloats(); // [dModel, dMlp]
        int neurons = (int) out.in();
        double[] found = BiasNeurons.cosines(model, layer, Toys.matrix(directions)).toDoubles();
        assertThat(found).hasSize(3 * neurons);
        for (int d = 0; d < 3; d++) {
          for (int n = 0; n < neurons; n++) {
            double product = 0;
            double square = 0;
            for (int i = 0; i < WIDTH; i++) {
              double v = weight[i * neurons + n];
              product += v * directions.get(d)[i];
              square += v * v;
            }
            assertThat(found[d * neurons + n]).isCloseTo(product / Math.sqrt(square), within(1e-9));
          }
        }
      }
    }
  }

  @Test
  void aNormBehindTheMlpBelongsToTheVector() {
    try (var scope = Scope.withoutGradients();
        var model = Fittings.load("gemma2", DType.F32)) {
      var block = model.blocks().get(1);
      double[] direction = Toys.directions(1, 2).getFirst();
      Norm norm = Objects.requireNonNull(block.steps().post2());
      double[] gain = norm.gain().toDoubles();
      Tensor vectors = block.mlp().out().weight().values().transpose(0, 1); // [dMlp, dModel]
      double[] first = vectors.select(0, 0).toDoubles();
      double product = 0;
      double square = 0;
      for (int i = 0; i < WIDTH; i++) {
        product += gain[i] * first[i] * direction[i];
        square += gain[i] * first[i] * gain[i] * first[i];
      }
      double found = BiasNeurons.cosines(model, 1, Toys.matrix(List.of(direction))).toDoubles()[0];
      assertThat(found).isCloseTo(product / Math.sqrt(square), within(1e-9));
      // what passes forward and what is read backward is the same number
      Tensor theta = Toys.matrix(List.of(direction));
      Tensor read = Written.read(block, theta);
      double[] ahead = Written.of(block, vectors).matmul(theta.transpose(0, 1)).toDoubles();
      double[] back = vectors.to(DType.F64).matmul(read.transpose(0, 1)).toDoubles();
      double length = ahead[0] / back[0];
      assertThat(back).containsExactly(times(1 / length, ahead), within(1e-9));
      assertThat(read.norm(1, false).item()).isCloseTo(1, within(1e-12));
    }
  }

  @Test
  void plantedVectorsAreFoundFirstWhateverTheirLength() {
    try (var model = Fittings.load("llama", DType.F32)) {
      double[] direction = Toys.directions(1, 3).getFirst();
      List<Found> before = ofLayer(model, 1, 5, direction);
      for (double length : new double[] {1e-3, 1, 100}) {
        try (var planted = with(model, 1, List.of(17), times(length, direction))) {
          List<Found> found = ofLayer(planted, 1, 5, direction);
          assertThat(found.getFirst().neuron()).isEqualTo(17);
          assertThat(found.getFirst().cosine()).isCloseTo(1, within(1e-6));
          assertThat(found.getFirst().layer()).isEqualTo(1);
        }
      }
      try (var planted = with(model, 1, List.of(17), times(-3, direction))) {
        assertThat(ofLayer(planted, 1, 80, direction).getLast().neuron()).isEqualTo(17);
      }
      // another length of a vector moves nobody
      int neuron = before.get(2).neuron();
      try (var scope = Scope.withoutGradients()) {
        double[] own =
            model.blocks().get(1).mlp().out().weight().values().select(1, neuron).toDoubles();
        try (var longer = with(model, 1, List.of(neuron), times(8, own))) {
          assertThat(ofLayer(longer, 1, 5, direction))
              .extracting(Found::neuron)
              .isEqualTo(before.stream().map(Found::neuron).toList());
        }
      }
    }
  }

  @Test
  void equalNeuronsComeInTheirOrderAndZerosCount() {
    try (var model = Fittings.load("llama", DType.F32)) {
      double[] direction = Toys.directions(1, 4).getFirst();
      double[] zero = new double[WIDTH];
      try (var planted =
          with(model, 0, List.of(50, 9, 30, 2), direction, direction, direction, zero)) {
        assertThat(ofLayer(planted, 0, 3, direction))
            .extracting(Found::neuron)
            .containsExactly(9, 30, 50);
        assertThat(ofLayer(planted, 0, 80, direction))
            .filteredOn(found -> found.neuron() == 2)
            .extracting(Found::cosine)
            .containsExactly(0.0);
        // the first of equal directions, too
        assertThat(ofLayer(planted, 0, 2, Toys.directions(1, 5).getFirst(), direction, direction))
            .extracting(Found::direction)
            .containsExactly(1, 1);
      }
    }
  }

  @Test
  void asManyAsThereAreAreAll() {
    try (var model = Fittings.load("llama", DType.F32)) {
      double[] direction = Toys.directions(1, 6).getFirst();
      for (int k : new int[] {80, 1000}) {
        assertThat(ofLayer(model, 2, k, direction))
            .hasSize(80)
            .extracting(Found::neuron)
            .containsExactlyInAnyOrderElementsOf(IntStream.range(0, 80).boxed().toList());
      }
      assertThat(ofLayer(model, 2, 0, direction)).isEmpty();
      assertThat(ofLayer(model, 2, 80, direction))
          .extracting(Found::cosine)
          .isSortedAccordingTo((a, b) -> Double.compare(b, a));
    }
  }

  @Test
  void theBestOfTheWholeModelAreChosenForEachDirection() {
    try (var scope = Scope.withoutGradients();
        var model = Fittings.load("gpt2", DType.F32)) {
      List<double[]> directions = Toys.directions(2, 7);
      List<List<Found>> found = BiasNeurons.ofModel(model, Toys.matrix(directions), 6);
      assertThat(found).hasSize(2);
      for (int d = 0; d < 2; d++) {
        var all =
            IntStream.range(0, model.layers())
                .boxed()
                .flatMap(layer -> ofLayer(model, layer, 10_000, directions.getFirst()).stream())
                .toList();
        if (d == 0) {
          assertThat(found.getFirst())
              .isEqualTo(
                  all.stream()
                      .sorted((a, b) -> Double.compare(b.cosine(), a.cosine()))
                      .limit(6)
                      .toList());
        }
        int direction = d;
        assertThat(found.get(d)).hasSize(6).allMatch(one -> one.direction() == direction);
      }
    }
  }
}
