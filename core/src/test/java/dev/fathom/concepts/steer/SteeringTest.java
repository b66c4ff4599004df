package dev.fathom.concepts.steer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.align.Basis;
import dev.fathom.align.Fittings;
import dev.fathom.concepts.ConceptAtoms;
import dev.fathom.concepts.decompose.Code;
import dev.fathom.concepts.decompose.ElasticNet;
import dev.fathom.concepts.decompose.MatchingPursuit;
import dev.fathom.evaluate.Likelihood;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generation;
import dev.fathom.model.Generator;
import dev.fathom.model.Kind;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SteeringTest {
  private static final Site STREAM = Site.of(Kind.RESID_POST, 1);

  static List<String> decoders() throws IOException {
    return Fittings.decoders();
  }

  /// Something of everything, at layers 0 and 1.
  private static List<Steering> steerings(Transformer model) {
    int width = model.dModel();
    int head = model.blocks().getFirst().attention().width();
    return List.of(
        new Steering.ShiftHeads(
            0, Map.of(0, Steered.direction(head, 1), 1, Steered.direction(head, 2)), 3),
        new Steering.Add(Site.of(Kind.MLP_OUT, 0), Steered.direction(width, 3), -2),
        new Steering.ProjectOut(STREAM, Steered.direction(width, 4), 1),
        new Steering.Add(STREAM, Steered.direction(width, 5), 2));
  }

  @Test
  void aStepIsAsLongAsItsStrengthInSpreads() {
    try (var model = Fittings.load("llama", DType.F64)) {
      Direction direction = Steered.direction(model.dModel(), 1);
      var steering = new Steering.Add(STREAM, direction, -3);
      List<double[]> before = Steered.at(model, Tap.NONE, STREAM, Steered.IDS);
      Tap tap = Steering.tap(model, List.of(steering), Steering.Tokens.ALL);
      List<double[]> after = Steered.at(model, tap, STREAM, Steered.IDS);
      for (int t = 0; t < before.size(); t++) {
        double score = direction.score(SteeringVector.dot(before.get(t), direction.unit()));
        assertThat(direction.score(SteeringVector.dot(after.get(t), direction.unit())))
            .isCloseTo(score - 3, within(1e-9));
      }
      assertThat(direction.random(7).spread()).isEqualTo(direction.spread());
      assertThat(direction.random(7)).isEqualTo(direction.random(7)).isNotEqualTo(direction);
    }
  }

  /// Those of a concept are much alike from layer to layer, so that their steps add up.
  @Test
  void aControlIsOneDirectionAtAllLayersAndOneForEachHead() {
    var steerings = new ArrayList<Steering>();
    for (int layer = 0; layer < 3; layer++) {
      Direction own = Direction.of(Steered.direction(16, layer).unit(), 1 + layer, 0);
      steerings.add(new Steering.Add(Site.of(Kind.RESID_POST, layer), own, 2));
      steerings.add(new Steering.ProjectOut(Site.of(Kind.ATTN_OUT, layer), own, 1));
      steerings.add(new Steering.ProjectOut(Site.of(Kind.MLP_OUT, layer), own, 1));
    }
    List<Direction> control = directions(Steering.random(steerings, 7));
    double[] first = control.getFirst().unit();
    assertThat(control).allSatisfy(one -> assertThat(one.unit()).containsExactly(first));
    assertThat(control.stream().map(Direction::spread))
        .containsExactly(1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0);
    double[] next = directions(Steering.random(steerings, 8)).getFirst().unit();
    assertThat(Math.abs(SteeringVector.dot(first, next))).isLessThan(0.9);

    Map<Integer, Direction> heads =
        Map.of(0, Steered.direction(16, 1), 1, Steered.direction(16, 2));
    List<Steering> shifts =
        List.of(new Steering.ShiftHeads(0, heads, 1), new Steering.ShiftHeads(1, heads, 1));
    assertThat(directions(Steering.random(shifts, 7))).hasSize(4).doesNotHaveDuplicates();
  }

  private static List<Direction> directions(List<Steering> steerings) {
    return steerings.stream()
        .flatMap(steering ->
            switch (steering) {
              case Steering.Add add -> Stream.of(add.direction());
              case Steering.ProjectOut out -> Stream.of(out.direction());
              case Steering.ShiftHeads shift -> shift.heads().values().stream();
              case Steering.Remove _ -> Stream.<Direction>of();
            })
        .toList();
  }

  @Test
  void whatIsProjectedOutIsGoneAndTwiceIsOnce() {
    try (var model = Fittings.load("gpt2", DType.F32)) {
      Direction direction = Steered.direction(model.dModel(), 4);
      var out = new Steering.ProjectOut(STREAM, direction, 1);
      Tap once = Steering.tap(model, List.of(out), Steering.Tokens.ALL);
      Tap twice = Steering.tap(model, List.of(out, out), Steering.Tokens.ALL);
      List<double[]> before = Steered.at(model, Tap.NONE, STREAM, Steered.IDS);
      List<double[]> after = Steered.at(model, once, STREAM, Steered.IDS);
      List<double[]> again = Steered.at(model, twice, STREAM, Steered.IDS);
      for (int t = 0; t < after.size(); t++) {
        double[] v = direction.unit();
        double had = SteeringVector.dot(before.get(t), v);
        assertThat(Math.abs(had)).isGreaterThan(1e-3); // there was something to take
        assertThat(SteeringVector.dot(after.get(t), v)).isCloseTo(0, within(1e-5));
        assertThat(again.get(t)).containsExactly(after.get(t), within(1e-5));
        for (int i = 0; i < v.length; i++) {
          assertThat(after.get(t)[i]).isCloseTo(before.get(t)[i] - had * v[i], within(1e-5));
        }
      }
    }
  }

  @Test
  void withoutStrengthOrUndesiredConceptsNothingChangesByABit() {
    try (var model = Fittings.load("llama", DType.F32);
        var scope = Scope.withoutGradients();
        var concepts = concepts(model.dModel(), 6)) {
      double[] before = Steered.logits(model, Steered.IDS);
      var none = new Steering.Remove(STREAM, concepts, Set.of(), MatchingPursuit.standard(), 1);
      assertThat(Steered.logits(SteeredModel.of(model, List.of(none)), Steered.IDS))
          .isEqualTo(before);
      List<Steering> all = Steering.times(steerings(model), 0);
      assertThat(Steered.logits(SteeredModel.of(model, all), Steered.IDS)).isEqualTo(before);
      assertThat(SteeredModel.of(model, all).card().name()).isEqualTo(model.card().name());
      assertThat(Steered.logits(SteeredModel.of(model, steerings(model)), Steered.IDS))
          .isNotEqualTo(before);
    }
  }

  private static ConceptAtoms concepts(int width, int count) {
    List<String> names = IntStream.range(0, count).mapToObj(i -> "c" + i).toList();
    return ConceptAtoms.of(names, Basis.random(count, width, 9).matrix());
  }

  @Test
  void withAllConceptsUndesiredOnlyTheResidualIsLeft() {
    try (var model = Fittings.load("llama", DType.F64);
        var scope = Scope.withoutGradients();
        var some = concepts(model.dModel(), 6);
        var spanning = concepts(model.dModel(), model.dModel())) {
      var all = new TreeSet<>(IntStream.range(0, 6).boxed().toList());
      List<double[]> before = Steered.at(model, Tap.NONE, STREAM, Steered.IDS);
      for (var solver : List.of(ElasticNet.standard(), MatchingPursuit.standard())) {
        var remove = new Steering.Remove(STREAM, some, all, solver, 1);
        Tap tap = Steering.tap(model, List.of(remove), Steering.Tokens.ALL);
        List<double[]> after = Steered.at(model, tap, STREAM, Steered.IDS);
        for (int t = 0; t < after.size(); t++) {
          Code code = some.code(before.get(t), solver);
          assertThat(code.support()).isNotEmpty();
          assertThat(Math.sqrt(SteeringVector.dot(after.get(t), after.get(t))))
              .isCloseTo(code.residual(), within(1e-9));
        }
      }
      var every = new TreeSet<>(IntStream.range(0, model.dModel()).boxed().toList());
      var exact = new MatchingPursuit(model.dModel(), false);
      var remove = new Steering.Remove(STREAM, spanning, every, exact, 1);
      Tap tap = Steering.tap(model, List.of(remove), Steering.Tokens.ALL);
      for (double[] row : Steered.at(model, tap, STREAM, Steered.IDS)) {
        assertThat(Math.sqrt(SteeringVector.dot(row, row))).isLessThan(1e-4); // nothing remains
      }
    }
  }

  @Test
  void onlyTheUndesiredConceptsAreTakenOff() {
    try (var model = Fittings.load("llama", DType.F64);
        var scope = Scope.withoutGradients();
        var concepts = concepts(model.dModel(), 6)) {
      var solver = new MatchingPursuit(6, false);
      var remove = new Steering.Remove(STREAM, concepts, concepts.places(List.of("c2")), solver, 1);
      Tap tap = Steering.tap(model, List.of(remove), Steering.Tokens.ALL);
      List<double[]> before = Steered.at(model, Tap.NONE, STREAM, Steered.IDS);
      List<double[]> after = Steered.at(model, tap, STREAM, Steered.IDS);
      for (int t = 0; t < after.size(); t++) {
        Code had = concepts.code(before.get(t), solver);
        Code has = concepts.code(after.get(t), solver);
        for (int i = 0; i < 6; i++) { // atoms are at right angles
          double expected = i == 2 ? 0 : had.coefficients().getOrDefault(i, 0.0);
          assertThat(has.coefficients().getOrDefault(i, 0.0)).isCloseTo(expected, within(1e-9));
        }
      }
      var control = remove.random(3);
      assertThat(control.undesired()).hasSize(1).doesNotContain(2);
      assertThatThrownBy(() -> concepts.places(List.of("joy")))
          .hasMessageContaining("no direction of a concept 'joy'")
          .hasMessageContaining("c0");
    }
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void readTokenByTokenItIsSteeredAsReadAtOnce(String family) {
    try (var model = Fittings.load(family, DType.F64)) {
      var steered = SteeredModel.of(model, steerings(model));
      int[] start = Arrays.copyOf(Steered.IDS, 4);
      Generation text = Generator.of(steered).run(start, Decoding.greedy(6));
      int[] whole =
          IntStream.concat(Arrays.stream(start), text.tokens().stream().mapToInt(i -> i)).toArray();
      double[] logits = Steered.logits(steered, whole);
      int vocabulary = steered.outputs();
      for (int t = start.length; t < whole.length; t++) {
        int from = (t - 1) * vocabulary;
        double best = Arrays.stream(logits, from, from + vocabulary).max().orElseThrow();
        assertThat(logits[from + whole[t]]).isCloseTo(best, within(1e-9));
      }
      try (var session = steered.session(2);
          var scope = Scope.withoutGradients()) {
        Tensor _ = session.append(List.of(Arrays.copyOf(whole, 3), Arrays.copyOf(whole, 5)));
        session.select(1);
        double[] last = session.append(List.of(new int[] {whole[5]})).toDoubles();
        assertThat(last)
            .containsExactly(
                Arrays.copyOfRange(logits, 5 * vocabulary, 6 * vocabulary), within(1e-9));
      }
      assertThat(Steered.logits(model, whole)).isNotEqualTo(logits);
    }
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void textsAreScoredAsTheSteeredModelPredictsThem(String family) {
    try (var model = Fittings.load(family, DType.F64)) {
      var steered = SteeredModel.of(model, steerings(model));
      int[] longer = {5, 17, 99, 23, 64, 3, 120, 8, 31, 90, 4, 77, 12, 50, 11, 2};
      int[] other = longer.clone();
      other[15] = 9;
      List<int[]> rows = List.of(longer, Steered.IDS, other); // two begin alike
      List<float[]> scores = steered.score(rows, Likelihood.Config.standard());
      for (int r = 0; r < rows.size(); r++) {
        int[] row = rows.get(r);
        try (var scope = Scope.withoutGradients()) {
          double[] logits = Steered.logits(steered, row);
          Tensor p = Tensor.of(logits, row.length, steered.outputs()).logSoftmax(-1);
          for (int i = 1; i < row.length; i++) {
            assertThat((double) scores.get(r)[i - 1])
                .isCloseTo(p.select(0, i - 1).select(0, row[i]).item(), within(1e-5));
          }
        }
      }
    }
  }

  @Test
  void onlyWhatIsGeneratedIsSteeredIfThatIsAskedFor() {
    try (var model = Fittings.load("llama", DType.F64)) {
      Direction direction = Steered.direction(model.dModel(), 1);
      Tap tap =
          Steering.tap(
              model, List.of(new Steering.Add(STREAM, direction, 5)), Steering.Tokens.GENERATED);
      List<double[]> before = Steered.at(model, Tap.NONE, STREAM, Steered.IDS);
      List<double[]> after = Steered.at(model, tap, STREAM, Steered.IDS);
      int last = Steered.IDS.length - 1;
      for (int t = 0; t < last; t++) {
        assertThat(after.get(t)).isEqualTo(before.get(t));
      }
      assertThat(after.get(last)).isNotEqualTo(before.get(last));
      // many like prompts: what they begin with stays as it is
      int[] prompt = IntStream.range(0, 20).map(i -> 3 + 5 * i).toArray();
      int[] other = prompt.clone();
      other[19] = 2;
      var generator = Generator.of(model).with(tap);
      List<Generation> together =
          generator.run(List.of(prompt, other), Decoding.greedy(4), Generator.Listener.NONE);
      assertThat(together.getFirst().tokens())
          .isEqualTo(generator.run(prompt, Decoding.greedy(4)).tokens());
      assertThat(together.getLast().tokens())
          .isEqualTo(generator.run(other, Decoding.greedy(4)).tokens());
    }
  }

  @Test
  void whatDoesNotFitIsRefused() {
    try (var model = Fittings.load("gpt_neox", DType.F32)) {
      Direction narrow = Steered.direction(10, 1);
      Direction wide = Steered.direction(model.dModel(), 1);
      assertThatThrownBy(() -> SteeredModel.of(model, List.of(new Steering.Add(STREAM, narrow, 1))))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("wide on this model, but the direction 10");
      assertThatThrownBy(() ->
              SteeredModel.of(
                  model, List.of(new Steering.Add(Site.of(Kind.RESID_POST, 99), wide, 1))))
          .hasMessageContaining("resid_post.99 does not exist");
      assertThatThrownBy(() ->
              SteeredModel.of(model, List.of(new Steering.ShiftHeads(0, Map.of(50, narrow), 1))))
          .hasMessageContaining("z.0 has heads 0 to");
      assertThatThrownBy(() -> new Steering.Add(Site.of(Kind.MLP_ACT, 0), wide, 1))
          .hasMessageContaining("as wide as the stream");
      assertThatThrownBy(() -> new Steering.Add(STREAM, wide, Double.NaN))
          .hasMessageContaining("a strength is a number");
      assertThatThrownBy(() -> Direction.of(new double[4])).hasMessageContaining("points nowhere");
      assertThatThrownBy(() -> Direction.of(new double[] {1}, 0, 0))
          .hasMessageContaining("spread is a number above 0");
    }
  }
}
