package dev.fathom.align.lope;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.align.Fittings;
import dev.fathom.align.Words;
import dev.fathom.align.lope.BiasNeurons.Found;
import dev.fathom.align.lope.NeuronSurveyResult.Group;
import dev.fathom.align.lope.NeuronSurveyResult.Neuron;
import dev.fathom.align.probe.Features;
import dev.fathom.align.probe.Probing;
import dev.fathom.align.probe.ProbingResult;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.edit.Edits;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.model.Kind;
import dev.fathom.model.Linear;
import dev.fathom.model.Site;
import dev.fathom.model.Transformer;
import dev.fathom.render.Json;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.SpecialTokens;
import dev.fathom.view.Grid;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NeuronSurveyTest {
  private static final List<StereoSetItem> ITEMS = Fittings.items(Fittings.GENDER);
  private static final NeuronSurvey.Config FOUR = NeuronSurvey.Config.standard().withNeurons(4);

  private static StereotypeSurvey survey(Transformer model, NeuronSurvey.Config config) {
    return StereotypeSurvey.run(
        model,
        new Words(model.outputs(), true),
        ITEMS,
        StereotypeSurvey.Config.standard().with(config),
        _ -> {});
  }

  private static NeuronSurveyResult again(
      Transformer model, ProbingResult probing, NeuronSurvey.Config config, String... texts) {
    return NeuronSurvey.run(
        model,
        new Words(model.outputs(), true),
        probing,
        List.of(new NeuronSurvey.Texts("some", List.of(texts))),
        config,
        _ -> {});
  }

  /// The model with a value vector of its own.
  private static Transformer planted(Transformer model, int layer, int neuron, double[] vector) {
    Linear out = model.blocks().get(layer).mlp().out();
    try (var scope = Scope.withoutGradients()) {
      Tensor values = Tensor.of(vector, 1, vector.length).to(DType.F32);
      var rows = Change.Rows.inputs(out, List.of(neuron), values);
      return Edits.apply(model, List.of(Edit.of(model, "planted", List.of(rows))));
    }
  }

  private static double[] times(double factor, double[] vector) {
    return Arrays.stream(vector).map(x -> factor * x).toArray();
  }

  @Test
  void aPlantedNeuronIsFoundFirstAndByItsProbe() {
    try (var model = Fittings.load("llama", DType.F32)) {
      ProbingResult probing = survey(model, FOUR).probing();
      double[] direction = probing.layers().get(1).probe().direction();
      try (var changed = planted(model, 2, 17, times(3, direction))) {
        NeuronSurveyResult result = again(changed, probing, FOUR, "Every word of it");
        Found first = result.found().get(1).getFirst();
        assertThat(List.of(first.layer(), first.neuron())).containsExactly(2, 17);
        assertThat(first.cosine()).isCloseTo(1, within(1e-6));
        assertThat(result.neurons())
            .filteredOn(neuron -> neuron.name().equals("2.17"))
            .singleElement()
            .satisfies(neuron -> {
              assertThat(neuron.probe()).isEqualTo(1);
              assertThat(neuron.foundBy()).isBetween(1, 3);
              assertThat(neuron.promotes()).hasSize(5);
            });
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "gpt2", "gemma2", "olmo2"})
  void activationsAreThoseOfThePass(String family) {
    String[] texts = {"Every man in town is bold", "A woman", "It rains again today in town"};
    try (var model = Fittings.load(family, DType.F32)) {
      NeuronSurveyResult result = again(model, survey(model, FOUR).probing(), FOUR, texts);
      Group group = result.groups().getFirst();
      var words = new Words(model.outputs(), true);
      assertThat(group.tokens()).isEqualTo(6 + 2 + 6);
      double layerSum = 0;
      int ofLayer = 0;
      int layer = result.neurons().getFirst().layer();
      for (int n = 0; n < result.neurons().size(); n++) {
        Neuron neuron = result.neurons().get(n);
        double sum = 0;
        int positive = 0;
        for (String text : texts) {
          int[] ids = words.encode(text, SpecialTokens.AS_CONFIGURED).ids();
          double[][] all = Toys.at(model, Site.of(Kind.MLP_ACT, neuron.layer()), ids);
          for (int t = 1; t < all.length; t++) { // the start token does not count
            sum += all[t][neuron.index()];
            positive += all[t][neuron.index()] > 0 ? 1 : 0;
          }
        }
        assertThat(group.means().get(n)).isCloseTo(sum / 14, within(1e-5));
        assertThat(group.rates().get(n)).isCloseTo(positive / 14.0, within(1e-9));
        layerSum += neuron.layer() == layer ? sum / 14 : 0;
        ofLayer += neuron.layer() == layer ? 1 : 0;
      }
      assertThat(group.mean().value().at(layer)).isCloseTo(layerSum / ofLayer, within(1e-5));
      assertThat(group.mean().low().at(layer)).isLessThan(group.mean().value().at(layer));
    }
  }

  @Test
  void whatPointsAgainstAProbeCountsWithTheOtherSign() {
    try (var model = Fittings.load("llama", DType.F32)) {
      ProbingResult probing = survey(model, FOUR).probing();
      double[] direction = probing.layers().get(0).probe().direction();
      try (var changed = planted(model, 1, 30, times(-2, direction))) {
        String text = "Every man in town is bold";
        NeuronSurveyResult usual = again(changed, probing, FOUR, text);
        assertThat(usual.found().getFirst())
            .noneMatch(one -> one.layer() == 1 && one.neuron() == 30)
            .allMatch(one -> one.cosine() > 0);
        NeuronSurveyResult result = again(changed, probing, FOUR.withAbsolute(), text);
        Found first = result.found().getFirst().getFirst();
        assertThat(first.neuron()).isEqualTo(30);
        assertThat(first.cosine()).isCloseTo(-1, within(1e-6));
        assertThat(result.found().getFirst())
            .hasSize(4)
            .extracting(one -> Math.abs(one.cosine()))
            .isSortedAccordingTo((a, b) -> Double.compare(b, a));
        int place = result.neurons().stream().map(Neuron::name).toList().indexOf("1.30");
        int[] ids =
            new Words(model.outputs(), true).encode(text, SpecialTokens.AS_CONFIGURED).ids();
        double[][] all = Toys.at(changed, Site.of(Kind.MLP_ACT, 1), ids);
        double sum = 0;
        for (int t = 1; t < all.length; t++) {
          sum += all[t][30];
        }
        assertThat(result.groups().getFirst().means().get(place))
            .isCloseTo(-sum / (all.length - 1), within(1e-5));
      }
    }
  }

  @Test
  void everythingIsShownInEightyColumnsAndAsArrays() {
    try (var model = Fittings.load("gpt2", DType.F32)) {
      StereotypeSurvey survey = survey(model, FOUR);
      NeuronSurveyResult result = survey.neurons();
      assertThat(survey.probing().layers().getFirst().probes()).hasSize(2);
      assertThat(result.groups())
          .extracting(Group::name)
          .containsExactly("stereotype", "anti", "unrelated");
      var text = new StringBuilder();
      for (View view : result.views()) {
        text.append(Terminal.render(view, TerminalStyle.plain()));
      }
      assertThat(text.toString())
          .contains("Neurons along each probe", "stereotype (16 texts): above 0 for ", "promotes")
          .doesNotContain("gated");
      assertThat(text.toString().lines())
          .allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
      assertThat(Json.render(result)).contains("\"bias-neurons\"", "found_cosine");
      Grid counts = Objects.requireNonNull(result.arrays().get("found_count"));
      assertThat(Arrays.stream(counts.integers()).sum()).isEqualTo(4L * model.layers());
      assertThat(result.arrays()).containsKeys("activation_rate_low", "neuron_mean");
      assertThat(result.near()).isEqualTo(1); // three layers are all near each other
      assertThat(result.nearByChance()).isEqualTo(1);
    }
  }

  @Test
  void aSeedGivesTheSameAndFewerSentencesAreDrawn() {
    try (var model = Fittings.load("gpt2", DType.F32)) {
      var config = StereotypeSurvey.Config.standard().with(FOUR).withMost(5);
      var words = new Words(model.outputs(), true);
      var read = new ArrayList<Integer>();
      var one = StereotypeSurvey.run(model, words, ITEMS, config, read::add).neurons();
      assertThat(read.stream().mapToInt(n -> n).sum())
          .isEqualTo(StereotypeSurvey.texts(ITEMS, config))
          .isEqualTo(48 + 3 * 5);
      assertThat(one.groups()).allMatch(group -> group.texts() == 5);
      var two = StereotypeSurvey.run(model, words, ITEMS, config, _ -> {}).neurons();
      assertThat(two.arrays()).isEqualTo(one.arrays());
      var neutral = config.withNeutral(List.of("One line", "Another")).with(Lope.Labels.ANTI);
      var three = StereotypeSurvey.run(model, words, ITEMS, neutral, _ -> {}).neurons();
      assertThat(three.groups()).hasSize(4).last().returns(2, Group::texts);
    }
  }

  @Test
  void probesOfSomethingElseAreRefused() {
    try (var model = Fittings.load("gpt2", DType.F32)) {
      var words = new Words(model.outputs(), true);
      var data = StereotypeTexts.classes(ITEMS, Lope.Labels.REST);
      var texts = data.texts().stream().map(Features.Text::of).toList();
      var sites = Features.Config.of(Features.everyLayer(model, Kind.MLP_ACT));
      try (var features = Features.of(model, words, texts, sites, _ -> {})) {
        ProbingResult probing =
            Probing.run(
                model,
                features,
                data,
                StereotypeTexts.split(data, 0),
                Probing.Config.standard().withShuffles(0),
                () -> {});
        assertThatThrownBy(() -> again(model, probing, FOUR, "a text"))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("value vectors lie in the stream");
      }
      assertThatThrownBy(() -> FOUR.withNeurons(0)).hasMessageContaining("At least 1 neuron");
      assertThatThrownBy(() -> new NeuronSurvey.Texts("none", List.of()))
          .hasMessageContaining("no text of the kind 'none'");
    }
  }
}
