package dev.fathom.refine;

import static dev.fathom.refine.Mixtures.assertClose;
import static dev.fathom.refine.Mixtures.logits;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.explain.lens.TunedLens;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generator;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.refine.ConfidenceExit.Measure;
import dev.fathom.refine.ConfidenceExit.Rule;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class ConfidenceExitTest {
  private static final int[] IDS = TinyModel.idArray(12, 4);

  static Stream<Function<DType, TinyModel>> families() {
    return Mixtures.families();
  }

  private static double never(Measure measure) {
    return measure == Measure.ENTROPY ? 0 : 1.0001;
  }

  private static double always(Measure measure) {
    return switch (measure) {
      case MAX_PROBABILITY, MARGIN -> 0;
      case ENTROPY -> 100;
      case COSINE -> -1.0001;
    };
  }

  @ParameterizedTest
  @EnumSource(Measure.class)
  void anUnreachableThresholdIsTheModelToTheLastBit(Measure measure) {
    try (var tiny = TinyModels.llama(DType.F32);
        var scope = Scope.withoutGradients()) {
      var early = ConfidenceExit.of(tiny.model(), new Rule(measure, never(measure), 1));
      assertThat(logits(early, IDS).sameAs(logits(tiny.model(), IDS))).isTrue();
      for (Exit exit : Exit.values()) {
        try (var session = early.with(exit).session(2);
            var plain = tiny.model().session(2)) {
          List<int[]> rows = List.of(IDS, TinyModel.idArray(5, 1));
          assertThat(session.append(rows).sameAs(plain.append(rows))).isTrue();
          List<int[]> next = List.of(new int[] {3}, new int[] {4});
          assertThat(session.append(next).sameAs(plain.append(next))).isTrue();
          assertThat(session.effort().exits()).containsExactly(0L, 0L, 0L, 4L);
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Measure.class)
  void aThresholdThatIsAlwaysReachedLeavesAtTheFirstLayerAllowed(Measure measure) {
    try (var tiny = TinyModels.gpt2(DType.F64);
        var scope = Scope.withoutGradients()) {
      for (int least = 1; least <= 3; least++) {
        var early = ConfidenceExit.of(tiny.model(), new Rule(measure, always(measure), least));
        Tensor lens = lens(tiny.model(), least);
        assertClose(logits(early, IDS), lens, 1e-12);
        try (var session = early.session(1)) {
          Tensor last = session.append(List.of(Arrays.copyOf(IDS, 7)));
          assertClose(last, lens.narrow(0, 6, 1), 1e-12);
          for (int t = 7; t < IDS.length; t++) {
            last = session.append(List.of(new int[] {IDS[t]}));
            assertClose(last, lens.narrow(0, t, 1), 1e-12);
          }
          assertThat(session.effort().exits().get(least)).isEqualTo(6);
          assertThat(session.effort().blocks()).isEqualTo((long) least * IDS.length);
        }
      }
    }
  }

  /// The logit lens of one layer.
  private static Tensor lens(Transformer model, int layer) {
    return model.head().of(stream(model, layer));
  }

  private static Tensor stream(Transformer model, int layer) {
    var found = new ArrayList<Tensor>();
    Scope scope = Scope.current();
    model.stream(
        Tensor.of(IDS, IDS.length),
        Pass.over(Layout.single(IDS.length)),
        (row, x) -> {
          if (row == layer) {
            found.add(scope.keep(x));
          }
        });
    return found.getFirst();
  }

  @Test
  void aTunedLensTranslatesAllLayersButTheLast(@TempDir Path directory) {
    Path file = directory.resolve("lens.safetensors");
    try (var tiny = TinyModels.llama(DType.F32);
        var scope = Scope.withoutGradients()) {
      Transformer model = tiny.model();
      var specs = new ArrayList<TensorSpec>();
      for (int layer = 0; layer < 3; layer++) {
        specs.add(TensorSpec.of(layer + ".bias", TensorType.F32, 16));
      }
      specs.add(TensorSpec.of("kl_logit", TensorType.F32, 3));
      specs.add(TensorSpec.of("kl_tuned", TensorType.F32, 3));
      var card = Card.of(TunedLens.KIND, "test", "tiny", model.card().sha256().get());
      try (var writer = SafetensorsWriter.create(file, specs, card.toMetadata())) {
        for (TensorSpec spec : specs) {
          float[] values = new float[(int) (spec.bytes() / Float.BYTES)];
          for (int i = 0; i < values.length; i++) {
            values[i] = i % 3 - 0.5f;
          }
          writer.append(spec.name(), values);
        }
        writer.commit();
      }
      try (var lens = TunedLens.load(file, model)) {
        for (int least = 1; least <= 3; least++) {
          var early = ConfidenceExit.of(model, new Rule(Measure.MARGIN, -1, least)).through(lens);
          Tensor stream = stream(model, least);
          Tensor read = least == 3 ? stream : lens.of(least, stream);
          assertClose(logits(early, IDS), model.head().of(read), 1e-6);
        }
      }
    }
  }

  /// A threshold about half of the positions reach at the first layer.
  private static Rule middling(Transformer model, Measure measure) {
    double low = -1;
    double high = measure == Measure.ENTROPY ? 5 : 1;
    for (int i = 0; i < 12; i++) {
      double middle = (low + high) / 2;
      var early = ConfidenceExit.of(model, new Rule(measure, middle, 1));
      long leaving = Arrays.stream(depths(early)).filter(depth -> depth == 1).count();
      boolean tooMany = leaving > IDS.length / 2;
      if (tooMany == (measure == Measure.ENTROPY)) {
        high = middle;
      } else {
        low = middle;
      }
    }
    return new Rule(measure, high, 1);
  }

  private static long[] depths(EarlyExit early) {
    long[] depths = new long[IDS.length];
    try (var scope = Scope.withoutGradients();
        var session = early.session(1)) {
      long before = 0;
      for (int t = 0; t < IDS.length; t++) {
        session.append(List.of(new int[] {IDS[t]}));
        depths[t] = session.effort().blocksToExit() - before;
        before += depths[t];
      }
    }
    return depths;
  }

  @ParameterizedTest
  @MethodSource("families")
  void leavingEarlySaysWhatReadingAtOnceSays(Function<DType, TinyModel> family) {
    try (var tiny = family.apply(DType.F64);
        var scope = Scope.withoutGradients()) {
      for (Measure measure : Measure.values()) {
        Rule rule = middling(tiny.model(), measure);
        var early = ConfidenceExit.of(tiny.model(), rule);
        assertThat(Arrays.stream(depths(early)).distinct().count()).isGreaterThan(1);
        Tensor all = logits(early, IDS);
        for (Exit exit : List.of(Exit.NONE, Exit.EXACT)) {
          try (var session = early.with(exit).session(2)) {
            int[] other = TinyModel.idArray(12, 9);
            session.append(List.of(Arrays.copyOf(IDS, 4), Arrays.copyOf(other, 1)));
            for (int t = 4; t < IDS.length; t++) {
              Tensor last = session.append(List.of(new int[] {IDS[t]}, new int[] {other[t - 3]}));
              assertClose(last.narrow(0, 0, 1), all.narrow(0, t, 1), 1e-10);
              if (t == 7) { // forked: the copy goes on as the first does
                session.select(0, 1, 0);
                session.select(2, 1);
              }
            }
          }
        }
      }
    }
  }

  @Test
  void theFirstLayerThatSatisfiesTheRuleSpeaks() {
    try (var tiny = TinyModels.llama(DType.F64);
        var scope = Scope.withoutGradients()) {
      Rule rule = middling(tiny.model(), Measure.MAX_PROBABILITY);
      Tensor found = logits(ConfidenceExit.of(tiny.model(), rule), IDS);
      for (int t = 0; t < IDS.length; t++) {
        int layer = 1;
        while (layer < 3 && best(lens(tiny.model(), layer), t) <= rule.threshold()) {
          layer++;
        }
        assertClose(found.select(0, t), lens(tiny.model(), layer).select(0, t), 1e-12);
      }
    }
  }

  private static double best(Tensor logits, int token) {
    return logits.select(0, token).softmax(-1).max().item();
  }

  @Test
  void propagatingRunsFewerBlocksThanMakingUp() {
    try (var tiny = TinyModels.llama(DType.F32);
        var scope = Scope.withoutGradients()) {
      var early = ConfidenceExit.of(tiny.model(), middling(tiny.model(), Measure.MARGIN));
      long exact = blocks(early.with(Exit.EXACT));
      long propagated = blocks(early.with(Exit.PROPAGATE));
      assertThat(propagated).isLessThan(exact);
      assertThat(exact).isLessThanOrEqualTo(3L * IDS.length);
    }
  }

  private static long blocks(EarlyExit early) {
    try (var session = early.session(1)) {
      for (int id : IDS) {
        session.append(List.of(new int[] {id}));
      }
      return session.effort().blocks();
    }
  }

  @Test
  void cosineAsksOneHeadAToken() {
    try (var tiny = TinyModels.llama(DType.F32);
        var scope = Scope.withoutGradients();
        var session = ConfidenceExit.of(tiny.model(), new Rule(Measure.COSINE, 2, 1)).session(1)) {
      session.append(List.of(IDS));
      session.append(List.of(new int[] {1}));
      assertThat(session.effort().heads()).isEqualTo(2);
    }
  }

  @Test
  void onlyWhatIsWantedIsGiven() {
    try (var tiny = TinyModels.gemma(DType.F64);
        var scope = Scope.withoutGradients()) {
      var early = ConfidenceExit.of(tiny.model(), middling(tiny.model(), Measure.ENTROPY));
      int[] ids = IntStream.concat(Arrays.stream(IDS), Arrays.stream(IDS, 0, 5)).toArray();
      Tensor all = logits(early, IDS);
      Tensor some = early.logits(Tensor.of(ids, 17), Layout.rows(12, 5), Wanted.LAST.columns(7, 3));
      assertClose(some, all.indexSelect(0, 11, 4).indexSelect(1, 7, 3), 1e-12);
    }
  }

  @Test
  void textsAreGenerated() {
    try (var tiny = TinyModels.neox(DType.F64)) {
      var early = ConfidenceExit.of(tiny.model(), middling(tiny.model(), Measure.MAX_PROBABILITY));
      var exact = Generator.of(early).run(IDS, Decoding.greedy(12));
      assertThat(Generator.of(early.with(Exit.NONE)).run(IDS, Decoding.greedy(12)))
          .isEqualTo(exact);
      assertThat(Generator.of(early.with(Exit.PROPAGATE)).run(IDS, Decoding.greedy(12)).tokens())
          .hasSize(12);
    }
  }

  @Test
  void whatNoModelCanDoIsRefused() {
    assertThatThrownBy(() -> new Rule(Measure.MARGIN, 0.5, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("found 0");
    try (var tiny = TinyModels.llama(DType.F32);
        var encoder = TinyModels.bert(DType.F32)) {
      assertThatThrownBy(() -> ConfidenceExit.of(tiny.model(), new Rule(Measure.MARGIN, 0.5, 4)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("layers up to 3");
      assertThatThrownBy(() -> ConfidenceExit.of(encoder.model(), new Rule(Measure.MARGIN, 0.5, 1)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("encoder");
    }
  }
}
