package dev.fathom.refine;

import static dev.fathom.refine.Mixtures.assertClose;
import static dev.fathom.refine.Mixtures.logits;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Card;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generator;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Taps;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Handles;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.train.Parameters;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class MixtureModelTest {
  private static final int[] IDS = TinyModel.idArray(9, 4);

  static Stream<Function<DType, TinyModel>> families() {
    return Mixtures.families();
  }

  @ParameterizedTest
  @MethodSource("families")
  void oneLayerIsTheModelToTheLastBit(Function<DType, TinyModel> family) {
    for (DType dtype : List.of(DType.F32, DType.F64)) {
      try (var tiny = family.apply(dtype);
          var scope = Scope.withoutGradients()) {
        Mod mod = Mixtures.random(tiny.model(), Mod.Config.dense(1), 1);
        var mixture = MixtureModel.of(tiny.model(), mod);
        assertThat(logits(mixture, IDS).sameAs(logits(tiny.model(), IDS))).isTrue();
        try (var session = mixture.session(1);
            var plain = tiny.model().session(1)) {
          assertThat(session.append(List.of(IDS)).sameAs(plain.append(List.of(IDS)))).isTrue();
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void allWeightOnTheLastRouteIsTheModel(Function<DType, TinyModel> family) {
    try (var tiny = family.apply(DType.F32);
        var scope = Scope.withoutGradients()) {
      Mod.Config config = Mod.Config.dense(2);
      var mixture = MixtureModel.of(tiny.model(), always(tiny.model(), config, 1, IDS));
      assertClose(logits(mixture, IDS), logits(tiny.model(), IDS), 1e-6);
    }
  }

  /// A mixture whose router gives these tokens' whole weight to one route; its norms are random.
  private static Mod always(Transformer model, Mod.Config config, int route, int[] ids) {
    var tensors = Mixtures.tensors(model, config, 7);
    tensors.put("router.weight", router(model, config, route, ids));
    return Mod.over(model, config, tensors);
  }

  /// Steps towards streams it does not yet agree with until it agrees with all (a perceptron).
  private static Tensor router(Transformer model, Mod.Config config, int route, int[] ids) {
    var streams = new ArrayList<double[]>();
    model.stream(
        Tensor.of(ids, ids.length),
        Pass.over(Layout.single(ids.length)),
        (row, x) -> {
          if (row == model.layers() - config.late()) {
            for (int t = 0; t < ids.length; t++) {
              streams.add(x.select(0, t).toDoubles());
            }
          }
        });
    double[] direction = new double[model.dModel()];
    boolean agrees = false;
    while (!agrees) {
      agrees = true;
      for (double[] x : streams) {
        if (dot(x, direction) < 1) {
          agrees = false;
          for (int i = 0; i < x.length; i++) {
            direction[i] += x[i];
          }
        }
      }
    }
    double[] weight = new double[model.dModel() * config.late()];
    for (int i = 0; i < direction.length; i++) {
      weight[i * config.late() + route] = 1000 * direction[i];
    }
    return Tensor.of(weight, model.dModel(), config.late()).to(Mixtures.wide(model));
  }

  private static double dot(double[] a, double[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> a[i] * b[i]).sum();
  }

  @Test
  void countingAllRoutesIsTheDenseMixture() {
    try (var tiny = TinyModels.llama(DType.F32);
        var scope = Scope.withoutGradients()) {
      Mod dense = Mixtures.random(tiny.model(), Mod.Config.dense(3), 2);
      assertThat(
              logits(MixtureModel.of(tiny.model(), dense.withTopK(3)), IDS)
                  .sameAs(logits(MixtureModel.of(tiny.model(), dense), IDS)))
          .isTrue();
      Tensor gate = dense.withTopK(2).gate(Tensor.of(new float[] {1, 2}, 2, 1).expand(2, 16));
      assertThat(gate.sum(1, false).sub(1).abs().max().item()).isLessThan(1e-6);
      for (int row = 0; row < 2; row++) {
        float[] weights = gate.select(0, row).toFloats();
        assertThat(IntStream.range(0, 3).filter(i -> weights[i] > 0).count()).isEqualTo(2);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void untrainedRoutesAreTheLogitLensAndEqualWeightsTheirMean(Function<DType, TinyModel> family) {
    try (var tiny = family.apply(DType.F32);
        var scope = Scope.withoutGradients()) {
      Transformer model = tiny.model();
      Mod.Config config = Mod.Config.dense(2).withUniform(true);
      var parameters = Parameters.zeros(Mod.shapes(model, config), DType.F32);
      try (parameters) {
        Mod.initialize(model, config, parameters, new SplittableRandom(1));
        Mod mod = Mod.over(model, config, parameters.tensors());
        var lens = new ArrayList<Tensor>();
        model.stream(
            Tensor.of(IDS, IDS.length),
            Pass.over(Layout.single(IDS.length)),
            (row, x) -> {
              if (row > model.layers() - 2) {
                lens.add(scope.keep(model.head().of(x)));
                assertClose(
                    model.head().shaped(model.head().out().of(mod.read(lens.size() - 1, x))),
                    lens.getLast(),
                    1e-5);
              }
            });
        assertClose(
            logits(MixtureModel.of(model, mod), IDS), lens.get(0).add(lens.get(1)).mul(0.5), 1e-5);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void readingOnGivesTheLogitsOfReadingAtOnce(Function<DType, TinyModel> family) {
    try (var tiny = family.apply(DType.F32);
        var scope = Scope.withoutGradients()) {
      for (int topK = 1; topK <= 3; topK++) {
        Mod.Config config = Mod.Config.dense(3).withTopK(topK);
        var mixture = MixtureModel.of(tiny.model(), Mixtures.random(tiny.model(), config, topK));
        int[] ids = TinyModel.idArray(14, topK);
        Tensor all = logits(mixture, ids);
        for (Exit exit : List.of(Exit.NONE, Exit.EXACT)) {
          try (var session = mixture.with(exit).session(1)) {
            int from = 0;
            for (int to : new int[] {4, 5, 6, 7, 8, 10, 11, 12, 13, 14}) {
              Tensor last = session.append(List.of(Arrays.copyOfRange(ids, from, to)));
              assertClose(last, all.narrow(0, to - 1, 1), 1e-4);
              from = to;
            }
          }
        }
      }
    }
  }

  @Test
  void onlyWhatIsWantedIsGiven() {
    for (var family : List.<Function<DType, TinyModel>>of(TinyModels::llama, TinyModels::gemma)) {
      try (var tiny = family.apply(DType.F32);
          var scope = Scope.withoutGradients()) {
        var mixture =
            MixtureModel.of(
                tiny.model(), Mixtures.random(tiny.model(), Mod.Config.dense(2).withTopK(1), 3));
        List<int[]> rows = List.of(TinyModel.idArray(4, 1), TinyModel.idArray(6, 2));
        Tensor all = logits(mixture, rows);
        int[] ids = rows.stream().flatMapToInt(Arrays::stream).toArray();
        Tensor some =
            mixture.logits(Tensor.of(ids, 10), Layout.rows(4, 6), Wanted.LAST.columns(7, 3, 11));
        assertClose(some, all.indexSelect(0, 3, 9).indexSelect(1, 7, 3, 11), 1e-5);
      }
    }
  }

  /// Reads rows of different lengths on, forks and drops some, cuts one.
  private static List<Tensor> story(EarlyExit model) {
    var heard = new ArrayList<Tensor>();
    try (var session = model.session(4)) {
      heard.add(session.append(Stream.of(3, 7, 3, 5).map(n -> TinyModel.idArray(n, n)).toList()));
      for (int t = 0; t < 4; t++) {
        heard.add(session.append(singles(4, t)));
      }
      session.select(2, 0, 2, 3, 2);
      for (int t = 0; t < 3; t++) {
        heard.add(session.append(singles(5, 10 + t)));
      }
      session.select(4, 1, 3);
      heard.add(session.append(List.of(new int[] {1, 2}, new int[] {3}, new int[] {4, 5, 6})));
      for (int cut = 1; cut < 6; cut += 2) {
        session.truncate(1, session.tokens(1).length - cut);
        heard.add(session.append(singles(3, 20 + cut)));
        heard.add(session.append(singles(3, 30 + cut)));
      }
      session.truncate(2, 0);
      heard.add(session.append(singles(3, 40)));
    }
    return heard;
  }

  private static List<int[]> singles(int rows, int seed) {
    return IntStream.range(0, rows).mapToObj(r -> TinyModel.idArray(1, 100L * seed + r)).toList();
  }

  @ParameterizedTest
  @MethodSource("families")
  void leavingEarlyAndMakingUpForItSaysWhatRunningEveryBlockSays(
      Function<DType, TinyModel> family) {
    try (var tiny = family.apply(DType.F64);
        var scope = Scope.withoutGradients()) {
      for (int late = 2; late <= 3; late++) {
        for (int topK = 1; topK < late; topK++) {
          Mod.Config config = Mod.Config.dense(late).withTopK(topK);
          var mixture = MixtureModel.of(tiny.model(), Mixtures.random(tiny.model(), config, late));
          List<Tensor> whole = story(mixture);
          List<Tensor> early = story(mixture.with(Exit.EXACT));
          for (int i = 0; i < whole.size(); i++) {
            assertClose(early.get(i), whole.get(i), 1e-10);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Exit.class)
  void whatWasDoneIsCounted(Exit exit) {
    try (var tiny = TinyModels.llama(DType.F32);
        var scope = Scope.withoutGradients()) {
      Mod mod = Mixtures.random(tiny.model(), Mod.Config.dense(3).withTopK(1), 5);
      var depths = new ArrayList<Long>(); // of each prediction
      try (var session = MixtureModel.of(tiny.model(), mod).with(exit).session(1)) {
        long before = 0;
        for (int t = 0; t < 20; t++) {
          session.append(List.of(t == 0 ? IDS : TinyModel.idArray(1, t)));
          depths.add(session.effort().blocksToExit() - before);
          before += depths.getLast();
        }
        ExitSession.Effort effort = session.effort();
        assertThat(depths).contains(1L, 2L, 3L);
        assertThat(effort.tokens()).isEqualTo(IDS.length + 19);
        assertThat(effort.predictions()).isEqualTo(20);
        assertThat(effort.routes()).isEqualTo(20);
        assertThat(effort.heads()).isEqualTo(20);
        assertThat(effort.exits().getFirst()).isZero();
        assertThat(effort.blocks())
            .isEqualTo(
                switch (exit) {
                  case NONE -> 3 * effort.tokens();
                  case EXACT -> madeUpFor(depths);
                  case PROPAGATE ->
                      3L * IDS.length + depths.stream().skip(1).mapToLong(d -> d).sum();
                });
      }
    }
  }

  /// A token passes as many blocks as the deepest prediction from it on.
  private static long madeUpFor(List<Long> depths) {
    long blocks = 0;
    long deepest = 0;
    for (int t = depths.size() - 1; t >= 0; t--) {
      deepest = Math.max(deepest, depths.get(t));
      blocks += deepest * (t == 0 ? IDS.length : 1);
    }
    return blocks;
  }

  @Test
  void propagatedKeysAndValuesAreThoseOfTheStreamTheTokenLeftWith() {
    for (var family :
        List.<Function<DType, TinyModel>>of(
            TinyModels::llama, TinyModels::gpt2, TinyModels::neox, TinyModels::gemma)) {
      try (var tiny = family.apply(DType.F64);
          var scope = Scope.withoutGradients()) {
        Transformer model = tiny.model();
        Mod mod = Mixtures.random(model, Mod.Config.dense(3).withTopK(1), 6);
        // the same, with the streams of tokens that have left put back after each block
        var mixture = MixtureModel.of(model, mod).with(Exit.PROPAGATE);
        int[] prompt = TinyModel.idArray(5, 1);
        int[] more = TinyModel.idArray(8, 2);
        try (var session = mixture.session(1);
            var plain = new FrozenStream(model, mod)) {
          session.append(List.of(prompt));
          plain.read(prompt);
          for (int id : more) {
            Tensor found = session.append(List.of(new int[] {id}));
            assertClose(found, plain.next(id), 1e-10);
          }
          assertThat(session.effort().blocks()).isLessThan(3L * 13);
        }
      }
    }
  }

  /// Runs every block, but goes on with the stream as it was after the layer that was needed last.
  private record FrozenStream(
      Transformer model, Mod mod, dev.fathom.model.KvCache cache, int[] length)
      implements AutoCloseable {
    FrozenStream(Transformer model, Mod mod) {
      this(model, mod, new dev.fathom.model.KvCache(1, 64), new int[1]);
    }

    void read(int[] ids) {
      model.stream(Tensor.of(ids, ids.length), Pass.over(Layout.single(ids.length)).with(cache));
      length[0] = ids.length;
    }

    Tensor next(int id) {
      var segment = new dev.fathom.model.Segment(0, length[0]++, 1);
      Pass pass = Pass.over(new Layout(List.of(segment))).with(cache);
      Tensor x = model.embed(Tensor.of(new int[] {id}, 1), pass);
      int route = -1;
      Tensor left = x;
      for (int layer = 0; layer < model.layers(); layer++) {
        if (layer == mod.routerRow()) {
          route = (int) mod.gate(x).argmax(-1).toLongs()[0];
        }
        Tensor next = model.block(layer, x, pass);
        boolean leaves = route >= 0 && layer > mod.layer(route);
        x = leaves ? x : next;
        left = x;
      }
      return model.head().shaped(model.head().out().of(mod.read(route, left)));
    }

    @Override
    public void close() {
      cache.close();
    }
  }

  @Test
  void textsAreGeneratedTogetherAsEachAlone() {
    try (var tiny = TinyModels.neox(DType.F64);
        var scope = Scope.withoutGradients()) {
      Mod mod = Mixtures.random(tiny.model(), Mod.Config.dense(3).withTopK(1), 8);
      for (Exit exit : Exit.values()) {
        var generator = Generator.of(MixtureModel.of(tiny.model(), mod).with(exit));
        var prompts = Stream.of(3, 9, 2, 3).map(n -> TinyModel.idArray(n, n)).toList();
        var together = generator.run(prompts, Decoding.greedy(10), Generator.Listener.NONE);
        for (int i = 0; i < prompts.size(); i++) {
          assertThat(together.get(i)).isEqualTo(generator.run(prompts.get(i), Decoding.greedy(10)));
        }
      }
      var whole = Generator.of(MixtureModel.of(tiny.model(), mod));
      var early = Generator.of(MixtureModel.of(tiny.model(), mod).with(Exit.EXACT));
      Decoding beams = Decoding.greedy(8).withBeams(3, 1);
      assertThat(early.run(IDS, beams)).isEqualTo(whole.run(IDS, beams));
    }
  }

  @Test
  void aTapSeesEachTokenOnceAndInPlace() {
    try (var tiny = TinyModels.llama(DType.F64);
        var scope = Scope.withoutGradients()) {
      Mod mod = Mixtures.random(tiny.model(), Mod.Config.dense(3).withTopK(1), 5);
      var site = Site.of(Kind.RESID_POST, 1);
      var positions = new ArrayList<Long>();
      var tap =
          Taps.capture(
              Set.of(site),
              (_, _, layout) -> Arrays.stream(layout.positions()).forEach(positions::add));
      try (var session = MixtureModel.of(tiny.model(), mod).with(Exit.EXACT).session(1, tap)) {
        session.append(List.of(IDS));
        for (int t = 0; t < 20; t++) {
          session.append(List.of(TinyModel.idArray(1, t)));
        }
      }
      assertThat(positions).isSorted().doesNotHaveDuplicates().startsWith(0L);
      var mixture = MixtureModel.of(tiny.model(), mod);
      var logits = Taps.capture(Set.of(Site.of(Kind.LOGITS, -1)), (_, _, _) -> {});
      assertThatThrownBy(() -> mixture.session(1, logits))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("logits");
    }
  }

  @Test
  void aSessionThatFailedReadsOn() {
    try (var tiny = TinyModels.llama(DType.F64);
        var scope = Scope.withoutGradients()) {
      Mod mod = Mixtures.random(tiny.model(), Mod.Config.dense(2).withTopK(1), 5);
      var mixture = MixtureModel.of(tiny.model(), mod).with(Exit.EXACT);
      try (var session = mixture.session(1)) {
        session.append(List.of(IDS));
        assertThatThrownBy(() -> session.append(List.of(new int[] {TinyModels.VOCABULARY})))
            .isInstanceOf(IllegalArgumentException.class);
        Tensor next = session.append(List.of(new int[] {5}));
        int[] all = Arrays.copyOf(IDS, IDS.length + 1);
        all[IDS.length] = 5;
        assertClose(next, logits(mixture, all).narrow(0, IDS.length, 1), 1e-10);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Exit.class)
  void nothingIsLeftBehind(Exit exit) {
    try (var tiny = TinyModels.gemma(DType.F32);
        var scope = Scope.withoutGradients()) {
      Mod mod = Mixtures.random(tiny.model(), Mod.Config.dense(3).withTopK(1), 5);
      var mixture = MixtureModel.of(tiny.model(), mod).with(exit);
      var sure = new ConfidenceExit.Rule(ConfidenceExit.Measure.COSINE, 0.5, 1);
      for (EarlyExit model : List.of(mixture, ConfidenceExit.of(tiny.model(), sure).with(exit))) {
        long handles = Handles.open();
        for (int i = 0; i < 3; i++) {
          try (var _ = Scope.open()) {
            story(model);
            logits(model, IDS);
          }
          assertThat(Handles.open()).isLessThanOrEqualTo(handles);
        }
      }
    }
  }

  @Test
  void aMixtureIsReadFromItsFileAndForItsModelOnly(@TempDir Path directory) {
    Path file = directory.resolve("mod.safetensors");
    Mod.Config config = Mod.Config.dense(2);
    try (var tiny = TinyModels.gpt2(DType.F32);
        var scope = Scope.withoutGradients()) {
      Transformer model = tiny.model();
      var tensors = new LinkedHashMap<String, Tensor>();
      Mod.shapes(model, config)
          .forEach((name, shape) -> {
            long[] sizes = shape.stream().mapToLong(n -> n).toArray();
            tensors.put(name, Tensor.full(0.3, DType.F32, sizes));
          });
      var card = Card.of(Mod.KIND, "test", model.card().name(), model.card().sha256().get());
      Mod.save(file, model, config, tensors, card);
      try (var mod = Mod.open(file, model)) {
        assertThat(mod.config()).isEqualTo(config);
        assertThat(
                logits(MixtureModel.of(model, mod), IDS)
                    .sameAs(logits(MixtureModel.of(model, Mod.over(model, config, tensors)), IDS)))
            .isTrue();
        assertThatThrownBy(() -> mod.withTopK(3)).isInstanceOf(IllegalArgumentException.class);
      }
      Path foreign = directory.resolve("foreign.safetensors");
      Mod.save(foreign, model, config, tensors, Card.of(Mod.KIND, "test", "another", "1"));
      assertThatThrownBy(() -> Mod.open(foreign, model))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("was made from another");
    }
  }

  @Test
  void anEncoderIsRefused() {
    try (var tiny = TinyModels.bert(DType.F32);
        var scope = Scope.withoutGradients()) {
      assertThatThrownBy(() -> Mod.over(tiny.model(), Mod.Config.lens(2), Map.of()))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }
}
