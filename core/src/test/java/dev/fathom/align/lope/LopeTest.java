package dev.fathom.align.lope;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import dev.fathom.align.Basis;
import dev.fathom.align.Fitting;
import dev.fathom.align.Fittings;
import dev.fathom.align.Remedy;
import dev.fathom.align.lope.Lope.Acting;
import dev.fathom.align.lope.Lope.Layer;
import dev.fathom.align.probe.SpanRule;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.edit.EditFile;
import dev.fathom.edit.Edits;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.model.Kind;
import dev.fathom.model.Linear;
import dev.fathom.model.Linears;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Directions are random here but where probes are what is tested: what an edit does with them is
/// the same.
class LopeTest {
  private static final List<Integer> NEURONS = List.of(40, 3, 77, 11);

  private static Layer layer(int layer, List<double[]> directions, List<Integer> neurons) {
    return new Layer(
        layer,
        directions,
        neurons.stream().map(n -> new BiasNeurons.Found(layer, n, 0, 0.5)).toList());
  }

  /// Layers 0 and 2 have directions, layer 1 has none.
  private static List<Layer> layers(int directions) {
    return List.of(
        layer(0, Toys.directions(directions, 1), NEURONS),
        layer(1, List.of(), List.of()),
        layer(2, Toys.directions(directions, 2), NEURONS.subList(1, 4)));
  }

  private static Edit edit(Lope lope, Transformer model, List<Layer> layers) {
    return lope.edit(Fittings.of(model, Fittings.GENDER), layers);
  }

  private static Linear out(Transformer model, int layer) {
    return model.blocks().get(layer).mlp().out();
  }

  private static double[] vector(Transformer model, int layer, int neuron) {
    try (var scope = Scope.withoutGradients()) {
      return out(model, layer).weight().values().select(1, neuron).toDoubles();
    }
  }

  // ---------------------------------------------------------------- value vectors

  @ParameterizedTest
  @ValueSource(strings = {"llama", "gpt2", "gpt_neox", "gemma", "gemma2", "olmo2", "granite"})
  void onlyTheChosenValueVectorsChange(String family) {
    try (var scope = Scope.withoutGradients();
        var model = Fittings.load(family, DType.F32)) {
      List<Layer> layers = layers(3);
      Edit edit = edit(Lope.editOnly(), model, layers);
      assertThat(edit.changes()).hasSize(2).allMatch(Change.Rows.class::isInstance);
      try (var edited = Edits.apply(model, List.of(edit))) {
        List<Linear> before = Linears.of(model);
        List<Linear> after = Linears.of(edited);
        int touched = 0;
        for (int i = 0; i < before.size(); i++) {
          double[] old = before.get(i).weight().values().toDoubles();
          double[] now = after.get(i).weight().values().toDoubles();
          var columns = new TreeSet<Integer>();
          int in = (int) before.get(i).in();
          for (int j = 0; j < old.length; j++) {
            if (old[j] != now[j]) {
              columns.add(j % in);
            }
          }
          if (before.get(i) == out(model, 0)) {
            assertThat(columns).containsExactlyInAnyOrderElementsOf(NEURONS);
            touched++;
          } else if (before.get(i) == out(model, 2)) {
            assertThat(columns).containsExactlyInAnyOrderElementsOf(NEURONS.subList(1, 4));
            touched++;
          } else {
            assertThat(columns).isEmpty();
          }
          assertThat(after.get(i).bias() == before.get(i).bias()).isTrue();
        }
        assertThat(touched).isEqualTo(2);
        assertThat(Toys.logits(edited)).isNotEqualTo(Toys.logits(model));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "gpt2", "gpt_neox", "gemma", "gemma2", "olmo2", "granite"})
  void theProjectorLeavesNothingOfTheDirections(String family) {
    try (var scope = Scope.withoutGradients();
        var model = Fittings.load(family, DType.F32)) {
      List<double[]> directions = Toys.directions(3, 1);
      Edit edit = edit(Lope.editOnly(), model, layers(3));
      try (var edited = Edits.apply(model, List.of(edit))) {
        var block = model.blocks().getFirst();
        Tensor read = Written.read(block, Toys.matrix(directions));
        Tensor q = Basis.leading(read, 3).matrix(); // [3, dModel]
        for (int neuron : NEURONS) {
          double[] now = vector(edited, 0, neuron);
          double[] old = vector(model, 0, neuron);
          double[] stream = // as it reaches the stream
              Written.of(block, Tensor.of(now, 1, now.length)).toDoubles();
          for (double[] direction : directions) {
            assertThat(Toys.dot(stream, direction)).isCloseTo(0, within(1e-6));
          }
          double[] along = Tensor.of(old, 1, old.length).matmul(q.transpose(0, 1)).toDoubles();
          double kept = Toys.dot(now, now);
          assertThat(kept).isLessThanOrEqualTo(Toys.dot(old, old));
          assertThat(Toys.dot(old, old) - kept).isCloseTo(Toys.dot(along, along), within(1e-6));
          assertThat(Toys.dot(along, along)).isGreaterThan(1e-6); // there was something to lose
        }
      }
    }
  }

  @Test
  void takingOutTwiceIsTakingOutOnce() {
    try (var model = Fittings.load("gpt2", DType.F32)) {
      List<Layer> layers = layers(3);
      try (var once = Edits.apply(model, List.of(edit(Lope.editOnly(), model, layers)));
          var twice = Edits.apply(once, List.of(edit(Lope.editOnly(), once, layers)))) {
        for (int neuron : NEURONS) {
          assertThat(vector(twice, 0, neuron))
              .containsExactly(vector(once, 0, neuron), within(1e-7));
        }
      }
    }
  }

  @Test
  void ofOneProbeBothFormsAreTheSame() {
    try (var model = Fittings.load("llama", DType.F32);
        var projected = Edits.apply(model, List.of(edit(Lope.editOnly(), model, layers(1))));
        var thesis =
            Edits.apply(model, List.of(edit(Lope.thesis().withStrength(0), model, layers(1))))) {
      for (int neuron : NEURONS) {
        assertThat(vector(thesis, 0, neuron))
            .containsExactly(vector(projected, 0, neuron), within(1e-7));
      }
      assertThat(vector(thesis, 0, 3)).isNotEqualTo(vector(model, 0, 3));
    }
  }

  @Test
  void theThesisFormTurnsWhatLikeProbesShareRound() {
    double[] one = Toys.directions(1, 3).getFirst();
    List<double[]> five = List.of(one, one, one, one, one);
    Layer layer = layer(0, five, NEURONS);
    assertThat(layer.largestEigenvalue()).isCloseTo(5, within(1e-9));
    try (var model = Fittings.load("llama", DType.F32)) {
      Edit thesis = edit(Lope.thesis().withStrength(0), model, List.of(layer));
      Edit projector = edit(Lope.editOnly(), model, List.of(layer));
      assertThat(thesis.card().parameters()).containsEntry("largest eigenvalue", "5.000");
      assertThat(projector.card().parameters()).doesNotContainKey("largest eigenvalue");
      try (var turned = Edits.apply(model, List.of(thesis));
          var projected = Edits.apply(model, List.of(projector))) {
        double old = Toys.dot(vector(model, 0, 11), one);
        assertThat(Toys.dot(vector(turned, 0, 11), one)).isCloseTo(-4 * old, within(1e-6));
        assertThat(Toys.dot(vector(projected, 0, 11), one)).isCloseTo(0, within(1e-6));
      }
    }
  }

  @Test
  void theGreatestEigenvalueIsThatOfTheSumOfProducts() {
    List<double[]> two = Toys.directions(2, 4);
    double cosine = Math.abs(Toys.dot(two.getFirst(), two.getLast()));
    assertThat(layer(0, two, NEURONS).largestEigenvalue()).isCloseTo(1 + cosine, within(1e-12));
    List<double[]> seven = Toys.directions(7, 5);
    double[] x = Toys.directions(1, 6).getFirst(); // by powers of Σ θθᵀ
    double length = 0;
    for (int step = 0; step < 2000; step++) {
      double[] next = new double[x.length];
      for (double[] direction : seven) {
        double along = Toys.dot(direction, x);
        for (int i = 0; i < x.length; i++) {
          next[i] += along * direction[i];
        }
      }
      length = Math.sqrt(Toys.dot(next, next));
      double by = length;
      x = Arrays.stream(next).map(v -> v / by).toArray();
    }
    assertThat(layer(0, seven, NEURONS).largestEigenvalue()).isCloseTo(length, within(1e-6));
    assertThat(layer(0, Basis.random(5, 48, 1).directions(), NEURONS).largestEigenvalue())
        .isCloseTo(1, within(1e-12));
    assertThat(layer(0, List.of(), List.of()).largestEigenvalue()).isZero();
  }

  // ---------------------------------------------------------------- adjustment

  /// Neurons of a layer whose mean activation over the stereotypes is largest, or smallest.
  private static List<Integer> extreme(double[] means, boolean largest) {
    return IntStream.range(0, means.length)
        .boxed()
        .sorted((a, b) ->
            largest ? Double.compare(means[b], means[a]) : Double.compare(means[a], means[b]))
        .limit(4)
        .toList();
  }

  /// The mean activation of each neuron, by a pass for each stereotype.
  private static double[] activations(Fitting fitting, int layer) {
    Transformer model = fitting.model();
    double[] means = new double[(int) out(model, layer).in()];
    for (StereoSetItem item : fitting.items()) {
      int[] ids = fitting.tokenizer().encode(item.stereotype().text()).ids(); // with start token
      double[][] found = Toys.at(model, Site.of(Kind.MLP_ACT, layer), ids);
      for (int t = 1; t < ids.length; t++) {
        for (int n = 0; n < means.length; n++) {
          means[n] += found[t][n] / (ids.length - 1) / fitting.items().size();
        }
      }
    }
    return means;
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "gpt2", "gpt_neox", "gemma", "granite"})
  void theOutputShiftsByTheActivationAlongTheMeanDirection(String family) {
    try (var model = Fittings.load(family, DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      double[] means = activations(fitting, 1);
      List<Integer> chosen = extreme(means, true);
      double alpha = chosen.stream().mapToDouble(n -> means[n]).average().orElseThrow();
      assertThat(alpha).isPositive();
      List<double[]> directions = Toys.directions(2, 8);
      Layer layer = layer(1, directions, chosen);
      double gamma = 1.5;
      Edit edit = Lope.adjustOnly().withStrength(gamma).edit(fitting, List.of(layer));
      assertThat(edit.changes()).hasSize(1).allMatch(Change.Bias.class::isInstance);
      double[] mean = layer.mean();
      double length = Math.sqrt(Toys.dot(mean, mean));
      Site site = Site.of(Kind.MLP_OUT, 1);
      try (var scope = Scope.withoutGradients();
          var edited = Edits.apply(model, List.of(edit))) {
        double[][] before = Toys.at(model, site, Toys.IDS);
        double[][] after = Toys.at(edited, site, Toys.IDS);
        for (int t = 0; t < before.length; t++) {
          double shift = (Toys.dot(after[t], mean) - Toys.dot(before[t], mean)) / length;
          assertThat(shift).isCloseTo(-gamma * alpha * length, within(1e-5));
        }
        Tensor step = Tensor.of(mean, mean.length).to(DType.F32);
        double[] hooked = Toys.logits(model, Taps.add(Slice.of(site), step, -gamma * alpha));
        assertThat(Toys.logits(edited)).containsExactly(hooked, within(1e-4));
        assertThat(Toys.logits(edited)).isNotEqualTo(Toys.logits(model));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "gpt2"})
  void neuronsThatAreOffOnAverageAdjustNothing(String family) {
    try (var model = Fittings.load(family, DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      double[] means = activations(fitting, 1);
      List<Integer> chosen = extreme(means, false);
      assertThat(means[chosen.getLast()]).isNegative();
      Layer layer = layer(1, Toys.directions(2, 8), chosen);
      Edit edit = Lope.standard().edit(fitting, List.of(layer));
      assertThat(edit.changes()).hasSize(1).allMatch(Change.Rows.class::isInstance);
      assertThat(edit.card().parameters())
          .containsEntry("layers with probes", "1 of 3")
          .containsEntry("adjusted layers", "0");
      assertThat(Lope.adjustOnly().edit(fitting, List.of(layer)).changes()).isEmpty();
    }
  }

  @Test
  void theActivationsAreThoseOfTheUneditedModel() {
    try (var model = Fittings.load("gpt2", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      List<Integer> chosen = extreme(activations(fitting, 1), true);
      List<Layer> layers =
          List.of(
              layer(0, Toys.directions(3, 1), NEURONS), layer(1, Toys.directions(1, 2), chosen));
      Change both = Lope.standard().edit(fitting, layers).changes().getLast();
      Change alone = Lope.adjustOnly().edit(fitting, layers.subList(1, 2)).changes().getLast();
      assertThat(both).isInstanceOf(Change.Bias.class).isEqualTo(alone);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"gemma2", "olmo2"})
  void whereANormFollowsTheAdjustmentIsRefused(String family) {
    try (var model = Fittings.load(family, DType.F32)) {
      assertThatThrownBy(() -> edit(Lope.standard(), model, layers(1)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContainingAll(family, "normalises", "editOnly");
      assertThatThrownBy(() -> Lope.standard().fit(Fittings.of(model, Fittings.GENDER)))
          .hasMessageContaining("editOnly");
    }
  }

  // ---------------------------------------------------------------- nothing

  @Test
  void withoutNeuronsOrProbesTheModelStaysBitForBit(@TempDir Path folder) {
    try (var model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      Lope nobody = Lope.standard().with(new Acting.Reading(new SpanRule.Threshold(1)));
      for (Lope lope : List.of(Lope.allProbes().withNeurons(0), nobody)) {
        assertThat(lope.layers(fitting)).hasSize(3).allMatch(layer -> layer.neurons().isEmpty());
        Edit edit = edit(lope.fit(fitting));
        assertThat(edit.changes()).isEmpty();
        Path file = folder.resolve("nothing.safetensors");
        EditFile.write(file, edit);
        try (var edited = Edits.apply(model, List.of(EditFile.read(file)))) {
          assertThat(Toys.logits(edited)).isEqualTo(Toys.logits(model));
        }
      }
    }
  }

  private static Edit edit(Remedy remedy) {
    return ((Remedy.OfWeights) remedy).edit();
  }

  // ---------------------------------------------------------------- edits as edits

  @Test
  void editsRevertScaleAndStack(@TempDir Path folder) {
    try (var model = Fittings.load("gpt2", DType.F32)) {
      double[] base = Toys.logits(model);
      Edit made = edit(Lope.standard(), model, layers(2));
      Path file = folder.resolve("lope.safetensors");
      EditFile.write(file, made);
      Edit edit = EditFile.read(file);
      assertThat(edit.changes()).isEqualTo(made.changes());
      assertThat(edit.card().parameters()).isEqualTo(made.card().parameters());
      double[] edited;
      try (var once = Edits.apply(model, List.of(edit))) {
        edited = Toys.logits(once);
        assertThat(edited).isNotEqualTo(base);
        Layer another = layer(1, Toys.directions(2, 9), NEURONS);
        Edit second = edit(Lope.editOnly(), once, List.of(another));
        try (var stacked = Edits.apply(once, List.of(second));
            var together = Edits.apply(model, List.of(edit, second))) {
          assertThat(Toys.logits(stacked)).isNotEqualTo(edited);
          assertThat(Toys.logits(together)).isEqualTo(Toys.logits(stacked));
        }
      }
      assertThat(Toys.logits(model)).isEqualTo(base);
      try (var none = Edits.apply(model, List.of(edit.at(0)));
          var half = Edits.apply(model, List.of(edit.at(0.5)));
          var whole = Edits.apply(model, List.of(edit.at(1)))) {
        assertThat(Toys.logits(none)).isEqualTo(base);
        assertThat(Toys.logits(whole)).isEqualTo(edited);
        double[] old = vector(model, 0, 3);
        double[] full = vector(whole, 0, 3);
        double[] middle = vector(half, 0, 3);
        for (int i = 0; i < old.length; i++) {
          assertThat(middle[i]).isCloseTo((old[i] + full[i]) / 2, within(1e-7));
        }
      }
    }
  }

  @Test
  void anotherModelsEditIsRefused() {
    try (var model = Fittings.load("gpt2", DType.F32);
        var other = Fittings.load("llama", DType.F32)) {
      Edit edit = edit(Lope.editOnly(), model, layers(2));
      assertThatThrownBy(() -> Edits.apply(other, List.of(edit)))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("was made from");
    }
  }

  // ---------------------------------------------------------------- probes

  @Test
  void presetsChooseTheirProbes() {
    try (var model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      List<Layer> all = Lope.allProbes().layers(fitting);
      List<Layer> last = Lope.lastProbe().layers(fitting);
      List<Layer> own =
          Lope.standard().with(new Acting.Reading(new SpanRule.Own())).layers(fitting);
      assertThat(all).hasSize(3).allMatch(layer -> layer.directions().size() == 3);
      for (int l = 0; l < 3; l++) {
        Layer layer = all.get(l);
        assertThat(layer.layer()).isEqualTo(l);
        assertThat(layer.neurons()).hasSize(10).allMatch(found -> found.layer() == layer.layer());
        for (int d = 0; d < 3; d++) {
          double[] direction = layer.directions().get(d);
          assertThat(Toys.dot(direction, direction)).isCloseTo(1, within(1e-9));
          assertThat(direction).containsExactly(own.get(d).directions().getFirst());
        }
        assertThat(last.get(l).directions()).hasSize(1);
        assertThat(last.get(l).directions().getFirst())
            .containsExactly(own.getLast().directions().getFirst());
      }
    }
  }

  @Test
  void equalMethodsFindEqualEditsAndOthersOther() {
    try (var model = Fittings.load("gpt2", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      Edit edit = edit(Lope.allProbes().fit(fitting));
      assertThat(edit(Lope.allProbes().fit(fitting)).changes()).isEqualTo(edit.changes());
      assertThat(edit.changes()).isNotEmpty();
      var others = new ArrayList<List<Change>>();
      others.add(edit(Lope.lastProbe().fit(fitting)).changes());
      others.add(edit(Lope.allProbes().withNeurons(3).fit(fitting)).changes());
      others.add(edit(Lope.allProbes().with(Lope.Labels.ANTI).fit(fitting)).changes());
      others.add(edit(Lope.allProbes().with(Lope.Labels.UNRELATED).fit(fitting)).changes());
      for (List<Change> other : others) {
        assertThat(other).isNotEmpty().isNotEqualTo(edit.changes());
      }
      assertThat(new TreeSet<>(Lope.presets().stream().map(Lope::name).toList())).hasSize(6);
      assertThat(Lope.grid()).hasSize(8).doesNotHaveDuplicates().contains(Lope.standard());
      assertThat(Lope.thesis().settings())
          .containsEntry("labels", "rest")
          .containsEntry("probes", "AUC > 0.9")
          .containsEntry("form", "thesis")
          .containsEntry("k", "10")
          .containsEntry("gamma", "1.0");
    }
  }

  @Test
  void senselessSettingsAreRefused() {
    for (double strength : new double[] {-1, Double.NaN}) {
      assertThatThrownBy(() -> Lope.standard().withStrength(strength))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("at least 0");
    }
    assertThatThrownBy(() -> Lope.standard().withNeurons(-1)).hasMessageContaining("-1");
  }

  @Test
  void theDynamicAdjustmentIsWhatTheNeuronsDoAtEachToken() {
    try (Transformer model = Fittings.load("llama", DType.F64)) {
      List<Layer> layers = List.of(layer(0, Toys.directions(3, 1), NEURONS));
      Lope lope = Lope.adjustOnly().with(Lope.Alpha.DYNAMIC).withStrength(1.5);
      Edit nothing = lope.withStrength(0).edit(Fittings.of(model, Fittings.GENDER), layers);
      assertThat(nothing.changes()).isEmpty();
      double[][] before = Toys.at(model, Site.of(Kind.MLP_OUT, 0), Toys.IDS);
      double[][] m = Toys.at(model, Site.of(Kind.MLP_ACT, 0), Toys.IDS);
      double[] mean = layers.getFirst().mean();
      int adjusted = 0;
      try (var treated = lope.dynamic(nothing, layers).applied(model)) {
        Transformer changed = treated.transformer().orElseThrow();
        double[][] after = Toys.at(changed, Site.of(Kind.MLP_OUT, 0), Toys.IDS);
        for (int t = 0; t < before.length; t++) {
          double alpha = 0;
          for (int neuron : NEURONS) {
            alpha += m[t][neuron] / NEURONS.size();
          }
          adjusted += alpha > 0 ? 1 : 0;
          for (int i = 0; i < mean.length; i++) {
            double wanted = before[t][i] - 1.5 * Math.max(0, alpha) * mean[i];
            assertThat(after[t][i]).isCloseTo(wanted, within(1e-9));
          }
        }
      }
      assertThat(adjusted).isBetween(1, before.length - 1); // both cases are there
    }
  }

  private static List<List<BiasNeurons.Found>> neurons(List<Layer> layers) {
    return layers.stream().map(Layer::neurons).toList();
  }

  @Test
  void theControlHasAsManyDirectionsAndOthers() {
    try (Transformer model = Fittings.load("gpt2", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      Lope lope = Lope.allProbes();
      List<Layer> probes = lope.layers(fitting);
      List<Layer> drawn = lope.atRandom().layers(fitting);
      assertThat(lope.atRandom().name()).isEqualTo("allProbes-random");
      assertThat(neurons(drawn))
          .isEqualTo(neurons(lope.atRandom().layers(fitting)))
          .isNotEqualTo(neurons(probes));
      for (int l = 0; l < probes.size(); l++) {
        assertThat(drawn.get(l).directions()).hasSameSizeAs(probes.get(l).directions());
        assertThat(drawn.get(l).neurons()).hasSameSizeAs(probes.get(l).neurons());
        for (double[] direction : drawn.get(l).directions()) {
          assertThat(Toys.dot(direction, direction)).isCloseTo(1, within(1e-9));
        }
      }
    }
  }

  @Test
  void secondProbesActTooAndTheirSpanCanBeCut() {
    try (Transformer model = Fittings.load("gpt2", DType.F64)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      Lope first = Lope.allProbes();
      Lope both = first.with(new Lope.Directions(2, Integer.MAX_VALUE, false));
      int one = first.layers(fitting).getFirst().directions().size();
      assertThat(both.layers(fitting).getFirst().directions()).hasSizeGreaterThan(one);
      Lope cut = both.with(new Lope.Directions(2, 2, false)).withStrength(0);
      Edit edit = cut.edit(fitting, cut.layers(fitting));
      for (Change change : edit.changes()) {
        var rows = (Change.Rows) change;
        Linear out =
            Linears.places(model).stream()
                .map(Linears.Place::linear)
                .filter(linear -> linear.origin().tensor().equals(rows.tensor()))
                .findFirst()
                .orElseThrow();
        try (var scope = Scope.withoutGradients()) {
          long[] places = rows.indices().stream().mapToLong(i -> i).toArray();
          Tensor old = out.weight().values().indexSelect(1, places).transpose(0, 1);
          Tensor taken = old.sub(rows.values().tensor(DType.F64));
          double[] squares = taken.matmul(taken.transpose(0, 1)).eigen().values().toDoubles();
          double most = squares[squares.length - 1];
          assertThat(Arrays.stream(squares).filter(x -> x > 1e-12 * most).count())
              .isLessThanOrEqualTo(2);
        }
      }
    }
  }
}
