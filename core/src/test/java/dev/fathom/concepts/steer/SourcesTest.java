package dev.fathom.concepts.steer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.align.Fittings;
import dev.fathom.align.Words;
import dev.fathom.align.probe.Features;
import dev.fathom.align.probe.Probes;
import dev.fathom.align.probe.Probing;
import dev.fathom.align.probe.Split;
import dev.fathom.align.probe.TwoClasses;
import dev.fathom.concepts.ConceptAtoms;
import dev.fathom.concepts.ConceptFixtures;
import dev.fathom.concepts.Reading;
import dev.fathom.data.ContrastPair;
import dev.fathom.data.LabelledText;
import dev.fathom.model.Kind;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Where directions come from.
class SourcesTest {
  @TempDir private Path folder = Path.of("");

  /// Texts that end in one word or another.
  private static List<ContrastPair> pairs(int count) {
    var pairs = new ArrayList<ContrastPair>();
    for (int i = 0; i < count; i++) {
      pairs.add(
          new ContrastPair(
              "day %d was truly %s".formatted(i, i % 2 == 0 ? "good" : "fine"),
              "day %d was truly %s".formatted(i, i % 2 == 0 ? "bad" : "dull")));
    }
    return pairs;
  }

  private static Tokenizer words(Transformer model) {
    return new Words(model.outputs(), true);
  }

  /// The stream at a text's last token.
  private static double[] last(Transformer model, String text, Site site) {
    return Steered.at(model, Tap.NONE, site, words(model).encode(text).ids()).getLast();
  }

  @Test
  void ofFewPairsTheDirectionIsTheMeanDifferenceAtTheLastTokens() {
    try (var model = Fittings.load("llama", DType.F32)) {
      List<ContrastPair> pairs = pairs(3);
      Contrast contrast =
          Contrast.of(
              model, words(model), pairs, "good", Contrast.Config.of(List.of(0, 2)), _ -> {});
      assertThat(contrast.judge()).isEmpty();
      assertThat(contrast.auc().get(2)).isNaN();
      Site site = Site.of(Kind.RESID_POST, 2);
      double[] difference = new double[model.dModel()];
      var all = new ArrayList<double[]>();
      for (ContrastPair pair : pairs) {
        double[] with = last(model, pair.positive(), site);
        double[] without = last(model, pair.negative(), site);
        for (int i = 0; i < difference.length; i++) {
          difference[i] += (with[i] - without[i]) / pairs.size();
        }
        all.addAll(List.of(with, without));
      }
      Direction direction = contrast.vector().at(2);
      double length = Math.sqrt(SteeringVector.dot(difference, difference));
      assertThat(direction.unit())
          .containsExactly(Arrays.stream(difference).map(x -> x / length).toArray(), within(1e-5));
      double[] along =
          all.stream().mapToDouble(h -> SteeringVector.dot(h, direction.unit())).toArray();
      double mean = Arrays.stream(along).average().orElseThrow();
      double spread =
          Math.sqrt(Arrays.stream(along).map(x -> (x - mean) * (x - mean)).average().orElseThrow());
      assertThat(direction.spread()).isCloseTo(spread, within(1e-3));
      assertThat(direction.centre()).isCloseTo(mean, within(1e-3));
      assertThat(contrast.gap().get(2)).isCloseTo(length / spread, within(1e-4));
    }
  }

  @Test
  void halfOfThePairsIsKeptToJudgeBy() {
    try (var model = Fittings.load("gpt2", DType.F32)) {
      var config = Contrast.Config.of(List.of(0, 1, 2));
      List<ContrastPair> pairs = pairs(12);
      Contrast contrast = Contrast.of(model, words(model), pairs, "good", config, _ -> {});
      Contrast again = Contrast.of(model, words(model), pairs, "good", config, _ -> {});
      assertThat(again.vector().directions()).isEqualTo(contrast.vector().directions());
      SteeringVector judge = contrast.judge().orElseThrow();
      assertThat(judge.at(1)).isNotEqualTo(contrast.vector().at(1));
      assertThat(contrast.auc().values()).allMatch(auc -> auc > 0.8); // the last word tells
      assertThat(SteeringVector.dot(judge.at(1).unit(), contrast.vector().at(1).unit()))
          .isGreaterThan(0.5);
      assertThat(contrast.vector().card().parameters())
          .containsEntry("pairs", "6")
          .containsEntry("concept", "good");
      assertThat(
              Contrast.of(model, words(model), pairs, "good", config.withSeed(5), _ -> {})
                  .vector()
                  .at(1))
          .isNotEqualTo(contrast.vector().at(1));
      assertThat(
              Contrast.of(
                      model,
                      words(model),
                      pairs,
                      "good",
                      config.with(Features.Reduction.MEAN),
                      _ -> {})
                  .vector()
                  .card()
                  .parameters())
          .containsEntry("read", "mean");
      assertThatThrownBy(() -> config.with(Features.Reduction.WORD))
          .hasMessageContaining("pairs have no words");
      var same = List.of(new ContrastPair("the same", "the same"));
      assertThatThrownBy(() -> Contrast.of(model, words(model), same, "x", config, _ -> {}))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("layer 0")
          .hasMessageContaining("points nowhere");
    }
  }

  @Test
  void ofEquallyGoodLayersTheMiddleOneIsBest() {
    try (var model = Fittings.load("gpt2", DType.F32)) {
      var vector =
          Contrast.of(
                  model,
                  words(model),
                  pairs(3),
                  "good",
                  Contrast.Config.of(List.of(0, 1, 2)),
                  _ -> {})
              .vector();
      var ties = new TreeMap<>(Map.of(0, 1.0, 1, 1.0, 2, 1.0));
      assertThat(new Contrast(vector, Optional.empty(), ties, ties).bestLayer(3)).isEqualTo(1);
      var last = new TreeMap<>(Map.of(0, 0.7, 1, 0.8, 2, 0.9));
      assertThat(new Contrast(vector, Optional.empty(), last, ties).bestLayer(3)).isEqualTo(2);
    }
  }

  @Test
  void headsAreChosenByHeldOutTextsAndShiftedAlongTheirMeanDifference() {
    try (var model = Fittings.load("llama", DType.F32)) {
      List<ContrastPair> pairs = pairs(20);
      HeadProbes found =
          HeadProbes.of(
              model, words(model), pairs, List.of(0, 1), Reading.MEAN_DIFFERENCE, 3, _ -> {});
      int heads = model.blocks().getFirst().attention().heads();
      assertThat(found.heads()).hasSize(2 * heads);
      assertThat(found.held()).isEqualTo(8);
      assertThat(found.heads())
          .isSortedAccordingTo((a, b) -> Double.compare(b.accuracy(), a.accuracy()));
      assertThat(found.heads().getFirst().accuracy()).isGreaterThan(0.7);
      HeadProbes.Head best = found.heads().getFirst();
      Slice slice = Slice.of(Kind.Z, best.layer()).heads(best.head());
      var texts =
          pairs.stream()
              .flatMap(pair -> Stream.of(pair.positive(), pair.negative()))
              .map(text -> z(model, text, slice))
              .toList();
      double[] difference = new double[best.direction().width()];
      for (int t = 0; t < texts.size(); t++) {
        for (int i = 0; i < difference.length; i++) {
          difference[i] += (t % 2 == 0 ? 1 : -1) * texts.get(t)[i];
        }
      }
      double cosine =
          SteeringVector.dot(difference, best.direction().unit())
              / Math.sqrt(SteeringVector.dot(difference, difference));
      assertThat(cosine).isCloseTo(1, within(1e-5));
      List<Steering> shifts = found.shifted(3, 2);
      assertThat(
              shifts.stream().mapToInt(shift -> ((Steering.ShiftHeads) shift).heads().size()).sum())
          .isEqualTo(3);
      assertThatThrownBy(() -> found.best(1000)).hasMessageContaining("not 1000");
      assertThatThrownBy(() ->
              HeadProbes.of(
                  model, words(model), pairs(3), List.of(0), Reading.MEAN_DIFFERENCE, 3, _ -> {}))
          .hasMessageContaining("at least 4 pairs, found 3");
    }
  }

  /// A head's z at a text's last token.
  private static double[] z(Transformer model, String text, Slice slice) {
    double[] all = last(model, text, slice.site());
    int width = model.blocks().getFirst().attention().width();
    int head = slice.units().getFirst();
    return Arrays.copyOfRange(all, head * width, (head + 1) * width);
  }

  @Test
  void aConceptOfADictionaryHasItsSpreadAndCentre() {
    try (var model = Fittings.load("llama", DType.F32);
        var dictionary = ConceptFixtures.write(folder.resolve("concepts"), model)) {
      SteeringVector joy = SteeringVector.of(dictionary, "joy", List.of(dictionary.bestLayer()));
      assertThat(joy.layers()).containsExactly(1);
      assertThat(joy.site()).isEqualTo(Kind.RESID_POST);
      assertThat(joy.at(1).spread()).isEqualTo(ConceptFixtures.SPREAD);
      assertThat(joy.at(1).unit()).containsExactly(dictionary.direction(1, "joy"), within(1e-6));
      double sum = Arrays.stream(joy.at(1).unit()).sum();
      assertThat(joy.at(1).centre()).isCloseTo(0.1 * sum, within(1e-5));
      joy.requireModel(model, folder);
      assertThatThrownBy(() -> SteeringVector.of(dictionary, "calm", List.of(2)))
          .hasMessageContaining("layer 2: a direction of length 0.0 points nowhere");
      assertThatThrownBy(() -> SteeringVector.of(dictionary, "jy", List.of(1)))
          .hasMessageContaining("there is no concept 'jy'");
      try (var atoms = ConceptAtoms.of(dictionary, 2, true)) {
        assertThat(atoms.names()).containsExactly("joy", "anger"); // calm is nothing there
      }
      assertThat(joy.everywhere(1, List.of(0, 1, 2)).at(2)).isEqualTo(joy.at(1));
      assertThat(joy.unwritten()).hasSize(2);
    }
  }

  @Test
  void aProbesSpreadAddsOneToTheLogOdds() {
    try (var model = Fittings.load("llama", DType.F32)) {
      var texts = new ArrayList<LabelledText>();
      pairs(20)
          .forEach(pair -> {
            texts.add(LabelledText.of(pair.positive(), "good"));
            texts.add(LabelledText.of(pair.negative(), "bad"));
          });
      var classes = TwoClasses.of(texts, Optional.of("good"), Optional.empty());
      var config = Features.Config.of(Features.everyLayer(model, Kind.RESID_POST));
      Path file = folder.resolve("probes.safetensors");
      try (var features =
          Features.of(
              model,
              words(model),
              classes.texts().stream().map(Features.Text::of).toList(),
              config,
              _ -> {})) {
        var result =
            Probing.run(
                model,
                features,
                classes,
                Split.random(classes.positive(), 0.2, 1),
                Probing.Config.standard().withShuffles(0),
                () -> {});
        Probes.of(model, result, "test").save(file);
      }
      Probes probes = Probes.load(file, model);
      assertThat(SteeringVector.layers(probes)).startsWith(0, 1, 2);
      SteeringVector vector = SteeringVector.of(probes, "good", List.of(1));
      var probe = probes.at(Slice.of(Kind.RESID_POST, 1)).getFirst();
      Direction direction = vector.at(1);
      double middle = direction.centre();
      assertThat(probe.logOdds(middle)).isCloseTo(0, within(1e-9));
      assertThat(probe.logOdds(middle + direction.spread())).isCloseTo(1, within(1e-9));
      assertThat(direction.score(middle + direction.spread())).isCloseTo(1, within(1e-9));
    }
  }
}
