package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.model.Generation.Stop;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Memory;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class GeneratorTest {
  private static final Decoding TEN = Decoding.greedy(10);

  static Stream<Variant> decoders() {
    return TinyModels.some(DType.F64).stream().filter(Variant::causal);
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void greedyWithACacheIsGreedyByRecomputation(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      int[] prompt = TinyModel.idArray(5, variant.seed());
      assertThat(Generator.of(tiny.model()).run(prompt, TEN).tokens())
          .isEqualTo(recomputed(tiny.model(), prompt, 10));
    }
  }

  private static List<Integer> recomputed(Transformer model, int[] prompt, int tokens) {
    int[] ids = prompt;
    try (var scope = Scope.withoutGradients()) {
      for (int i = 0; i < tokens; i++) {
        Tensor logits =
            model.logits(Tensor.of(ids, ids.length), Layout.single(ids.length), Wanted.ALL);
        ids = Arrays.copyOf(ids, ids.length + 1);
        ids[ids.length - 1] = (int) logits.select(0, ids.length - 2).argmax(-1).toLongs()[0];
      }
    }
    return Arrays.stream(ids, prompt.length, ids.length).boxed().toList();
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void promptsThatBeginAlikeAreEachAlone(Variant variant) {
    int[] beginning = TinyModel.idArray(20, 5);
    var prompts =
        IntStream.of(21, 29, 25, 21, 40)
            .mapToObj(n -> joined(beginning, TinyModel.idArray(n - 20, n)))
            .toList();
    try (var tiny = TinyModels.of(variant)) {
      var generator = Generator.of(tiny.model());
      var together = generator.run(prompts, TEN, Generator.Listener.NONE);
      for (int i = 0; i < prompts.size(); i++) {
        assertThat(together.get(i)).isEqualTo(generator.run(prompts.get(i), TEN));
      }
    }
  }

  private static int[] joined(int[] a, int[] b) {
    return IntStream.concat(IntStream.of(a), IntStream.of(b)).toArray();
  }

  @Test
  void whatPromptsBeginWithIsReadOnceButATapSeesItInEveryRow() {
    int[] beginning = TinyModel.idArray(20, 5);
    var prompts = List.of(joined(beginning, new int[] {1, 2}), joined(beginning, new int[] {3}));
    try (var tiny = TinyModels.llama(DType.F32)) {
      var read = new ArrayList<Integer>();
      var counting = new CountingModel(tiny.model(), read);
      Generator.of(counting).run(prompts, Decoding.greedy(2), Generator.Listener.NONE);
      assertThat(read).containsExactly(20, 2 + 1, 1 + 1);
      read.clear();
      Tap sees =
          Taps.capture(Set.of(Site.of(Kind.EMBED)), (_, value, _) -> read.add((int) value.size(0)));
      Generator.of(tiny.model())
          .with(sees)
          .run(prompts, Decoding.greedy(2), Generator.Listener.NONE);
      assertThat(read).containsExactly(22 + 21, 1 + 1);
    }
  }

  /// Notes how many tokens each append reads.
  private record CountingModel(LanguageModel model, List<Integer> read) implements LanguageModel {
    @Override
    public Transformer.Card card() {
      return model.card();
    }

    @Override
    public int outputs() {
      return model.outputs();
    }

    @Override
    public Tensor logits(Tensor ids, Layout layout, Wanted wanted) {
      return model.logits(ids, layout, wanted);
    }

    @Override
    public Session session(int rows, Tap tap) {
      Session session = model.session(rows, tap);
      return new Session() {
        @Override
        public int rows() {
          return session.rows();
        }

        @Override
        public int[] tokens(int row) {
          return session.tokens(row);
        }

        @Override
        public Tensor append(List<int[]> tokens) {
          read.add(tokens.stream().mapToInt(row -> row.length).sum());
          return session.append(tokens);
        }

        @Override
        public void select(int... rows) {
          session.select(rows);
        }

        @Override
        public void truncate(int row, int length) {
          session.truncate(row, length);
        }

        @Override
        public long bytes() {
          return session.bytes();
        }

        @Override
        public void close() {
          session.close();
        }
      };
    }
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void promptsOfDifferentLengthsTogetherAreEachAlone(Variant variant) {
    var prompts = IntStream.of(3, 9, 1, 3, 5).mapToObj(n -> TinyModel.idArray(n, n)).toList();
    try (var tiny = TinyModels.of(variant)) {
      var generator = Generator.of(tiny.model());
      var together = generator.run(prompts, TEN, Generator.Listener.NONE);
      for (int i = 0; i < prompts.size(); i++) {
        assertThat(together.get(i)).isEqualTo(generator.run(prompts.get(i), TEN));
      }
    }
  }

  @Test
  void rowsThatStopEarlyDoNotDisturbTheOthers() {
    var prompts = IntStream.range(0, 6).mapToObj(n -> TinyModel.idArray(4, n)).toList();
    try (var tiny = TinyModels.llama(DType.F64)) {
      var generator = Generator.of(tiny.model());
      var open = generator.run(prompts, TEN, Generator.Listener.NONE);
      int common = open.get(2).tokens().get(3);
      var stopped = generator.run(prompts, TEN.stopAt(Set.of(common)), Generator.Listener.NONE);
      for (int i = 0; i < prompts.size(); i++) {
        List<Integer> all = open.get(i).tokens();
        int at = all.indexOf(common);
        assertThat(stopped.get(i).tokens()).isEqualTo(at < 0 ? all : all.subList(0, at + 1));
        assertThat(stopped.get(i).stop()).isEqualTo(at < 0 ? Stop.MAX_TOKENS : Stop.STOP_TOKEN);
      }
      assertThat(stopped).extracting(Generation::stop).contains(Stop.STOP_TOKEN);
    }
  }

  @Test
  void theSameSeedDrawsTheSameAndAnotherDrawsOthers() {
    try (var tiny = TinyModels.gpt2(DType.F32)) {
      var generator = Generator.of(tiny.model());
      int[] prompt = TinyModel.idArray(4, 1);
      var sampled = TEN.with(Sampling.at(1, 5).withTopP(0.95));
      var first = generator.run(prompt, sampled);
      assertThat(generator.run(prompt, sampled)).isEqualTo(first);
      assertThat(generator.run(prompt, TEN.with(Sampling.at(1, 6).withTopP(0.95))))
          .isNotEqualTo(first);
      var twins = generator.run(List.of(prompt, prompt), sampled, Generator.Listener.NONE);
      assertThat(twins.getFirst()).isEqualTo(first);
      assertThat(twins.getLast()).isNotEqualTo(first);
    }
  }

  @Test
  void samplingTheLikeliestOnlyIsGreedy() {
    try (var tiny = TinyModels.gpt2(DType.F32)) {
      var generator = Generator.of(tiny.model());
      int[] prompt = TinyModel.idArray(4, 1);
      assertThat(generator.run(prompt, TEN.with(Sampling.at(1, 5).withTopK(1))))
          .isEqualTo(generator.run(prompt, TEN));
    }
  }

  @Test
  void theRepetitionPenaltyKnowsPromptAndText() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      int[] prompt = TinyModel.idArray(6, 2);
      var tokens =
          Generator.of(tiny.model())
              .run(prompt, TEN.with(Sampling.GREEDY.withRepetitionPenalty(1e6)))
              .tokens();
      assertThat(tokens).doesNotHaveDuplicates();
      assertThat(tokens).doesNotContainAnyElementsOf(Arrays.stream(prompt).boxed().toList());
    }
  }

  @Test
  void aFullContextStopsWithThatReason() {
    try (var tiny = TinyModels.gpt2(DType.F32)) {
      var generator = Generator.of(tiny.model());
      var near = generator.run(TinyModel.idArray(60, 1), TEN);
      assertThat(near.tokens()).hasSize(4);
      assertThat(near.stop()).isEqualTo(Stop.CONTEXT);
      var full = generator.run(TinyModel.idArray(64, 1), TEN);
      assertThat(full.tokens()).isEmpty();
      assertThat(full.stop()).isEqualTo(Stop.CONTEXT);
      assertThatThrownBy(() -> generator.run(TinyModel.idArray(65, 1), TEN))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("has 65 tokens, but this model reads at most 64");
    }
  }

  @Test
  void whatIsToldIsTheText() {
    try (var tiny = TinyModels.bloom(DType.F32)) {
      var generator = Generator.of(tiny.model(), new ByteTokenizer());
      var prompts = List.of(new int[] {3}, new int[] {30, 31, 32, 1, 2}, new int[] {4});
      var told = new TreeMap<Integer, StringBuilder>();
      var texts =
          generator.run(
              prompts,
              Decoding.greedy(40).with(Sampling.at(1.5, 3)),
              (row, text) -> told.computeIfAbsent(row, _ -> new StringBuilder()).append(text));
      for (int i = 0; i < prompts.size(); i++) {
        assertThat(told.get(i)).hasToString(texts.get(i).text());
        int[] ids = texts.get(i).tokens().stream().mapToInt(Integer::intValue).toArray();
        assertThat(texts.get(i).text()).hasSizeGreaterThan(20);
        assertThat(new ByteTokenizer().decode(ids, true)).isEqualTo(texts.get(i).text());
      }
    }
  }

  @Test
  void aStopTextEndsTheTextBeforeIt() {
    try (var tiny = TinyModels.bloom(DType.F32)) {
      var generator = Generator.of(tiny.model(), new ByteTokenizer());
      int[] prompt = TinyModel.idArray(3, 1);
      var sampled = Decoding.greedy(30).with(Sampling.at(1.5, 3));
      Generation open = generator.run(prompt, sampled);
      String stopText = open.text().substring(4, 7);
      Generation cut = generator.run(prompt, sampled.stopAt(List.of("never", stopText)));
      assertThat(cut.stop()).isEqualTo(Stop.STOP_TEXT);
      assertThat(cut.text()).isEqualTo(open.text().substring(0, open.text().indexOf(stopText)));
      assertThat(open.tokens()).startsWith(cut.tokens().toArray(Integer[]::new));
    }
  }

  @Test
  void aConversationReadsOnlyWhatIsNew() {
    try (var tiny = TinyModels.llama(DType.F64);
        var session = tiny.model().session(1)) {
      var generator = Generator.of(tiny.model());
      var read = new ArrayList<Integer>();
      int[] first = TinyModel.idArray(6, 1);
      Generation one = generator.run(session, first, TEN, Generator.Listener.NONE);
      assertThat(one).isEqualTo(generator.run(first, TEN));
      int[] second = TinyModel.idArray(9, 2);
      System.arraycopy(first, 0, second, 0, 6);
      read.add(session.tokens(0).length);
      Generation two = generator.run(session, second, TEN, Generator.Listener.NONE);
      assertThat(two).isEqualTo(generator.run(second, TEN));
      assertThat(read).containsExactly(15); // the last token was not read
      assertThat(generator.run(session, second, TEN, Generator.Listener.NONE)).isEqualTo(two);
    }
  }

  /// What a tap saw: for each site the vector of each position.
  private static Map<Site, Map<Integer, float[]>> seen(Set<Site> sites) {
    var seen = new TreeMap<Site, Map<Integer, float[]>>();
    sites.forEach(site -> seen.put(site, new TreeMap<>()));
    return seen;
  }

  private static Tap watching(Map<Site, Map<Integer, float[]>> seen) {
    return Taps.capture(
        seen.keySet(),
        (site, value, rows) -> {
          long[] positions = rows.positions();
          for (int t = 0; t < positions.length; t++) {
            Map<Integer, float[]> here = seen.getOrDefault(site, Map.of());
            assertThat(here).doesNotContainKey((int) positions[t]);
            here.put((int) positions[t], value.select(0, t).toFloats());
          }
        });
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void aTapSeesAndDoesTheSameAsInOnePassOverTheWholeText(Variant variant) {
    var sites = new TreeSet<Site>();
    for (int layer = 0; layer < TinyModels.LAYERS; layer++) {
      sites.addAll(
          Set.of(
              Site.of(Kind.RESID_POST, layer), Site.of(Kind.Z, layer), Site.of(Kind.K_ROT, layer)));
    }
    sites.add(Site.of(Kind.LOGITS));
    int[] prompt = TinyModel.idArray(5, 3);
    try (var tiny = TinyModels.of(variant);
        var scope = Scope.withoutGradients()) {
      float[] push = new float[TinyModels.D_MODEL];
      for (int i = 0; i < push.length; i++) {
        push[i] = i % 3 - 1; // not constant: a LayerNorm would not notice
      }
      Tap steering = Taps.add(Slice.of(Kind.RESID_POST, 1), Tensor.of(push, push.length), 2);
      var stepwise = seen(sites);
      var text =
          Generator.of(tiny.model())
              .with(steering.then(watching(stepwise)))
              .run(prompt, TEN)
              .tokens();
      int[] whole =
          IntStream.concat(
                  Arrays.stream(prompt), text.stream().limit(9).mapToInt(Integer::intValue))
              .toArray();
      var atOnce = seen(sites);
      var pass = Pass.over(Layout.single(14)).with(steering.then(watching(atOnce)));
      Tensor logits = tiny.model().forward(Tensor.of(whole, 14), pass);
      assertThat(logits.argmax(-1).toLongs()[13]).isEqualTo(text.getLast().longValue());
      atOnce.forEach((site, byPosition) -> {
        var found = stepwise.getOrDefault(site, Map.of());
        assertThat(found).hasSameSizeAs(byPosition).hasSize(14);
        byPosition.forEach((position, values) -> {
          for (int i = 0; i < values.length; i++) {
            assertThat(found.getOrDefault(position, new float[values.length])[i])
                .as("%s at %d", site, position)
                .isCloseTo(values[i], within(1e-5f));
          }
        });
      });
      Tensor unsteered = tiny.model().logits(Tensor.of(whole, 14), Layout.single(14), Wanted.ALL);
      assertThat(unsteered.sub(logits).abs().max().item()).isGreaterThan(1e-3);
    }
  }

  @Test
  void aSiteThatDoesNotExistIsRefusedBeforeAnythingIsRead() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var generator = Generator.of(tiny.model()).with(Taps.zero(Slice.of(Kind.RESID_POST, 77)));
      assertThatThrownBy(() -> generator.run(new int[] {1}, TEN))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("resid_post.77");
    }
  }

  @Test
  void anEncoderIsRefused() {
    try (var tiny = TinyModels.bert(DType.F32)) {
      var generator = Generator.of(tiny.model());
      for (int beams : new int[] {1, 2}) {
        assertThatThrownBy(() -> generator.run(new int[] {1}, TEN.withBeams(beams, 1)))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("cannot continue a text");
      }
    }
  }

  @Test
  void misuseIsRefused() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var generator = Generator.of(tiny.model());
      assertThatThrownBy(() -> generator.run(new int[0], TEN)).hasMessageContaining("is empty");
      assertThatThrownBy(() -> generator.run(new int[] {1}, TEN.stopAt(List.of("x"))))
          .hasMessageContaining("need a tokenizer");
      assertThatThrownBy(() -> TEN.stopAt(List.of(""))).hasMessageContaining("empty");
      assertThatThrownBy(() -> Decoding.greedy(0)).hasMessageContaining("at least 1");
      assertThatThrownBy(() -> TEN.withBeams(0, 1)).hasMessageContaining("at least 1");
      assertThatThrownBy(() -> TEN.with(Sampling.at(1, 0)).withBeams(2, 1))
          .hasMessageContaining("draws nothing");
      assertThat(generator.run(List.of(), TEN, Generator.Listener.NONE)).isEmpty();
    }
  }

  @Test
  void generatingLeavesNoMemoryBehind() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var generator = Generator.of(tiny.model());
      var prompts = IntStream.of(3, 30).mapToObj(n -> TinyModel.idArray(n, n)).toList();
      Runnable work =
          () -> {
            generator.run(prompts, Decoding.greedy(30), Generator.Listener.NONE);
            generator.run(prompts, TEN.withBeams(3, 1), Generator.Listener.NONE);
          };
      assertThat(leastGrowth(work)).isLessThan(24L << 20);
    }
  }

  /// By how much resident memory grows over 60 runs, the least of four times: a leak grows each
  /// time, the Java heap of the tests before does now and then.
  private static long leastGrowth(Runnable work) {
    long least = Long.MAX_VALUE;
    long before = Long.MIN_VALUE; // nothing is counted while everything warms up
    for (int round = 0; round < 5; round++) {
      for (int i = 0; i < 60; i++) {
        work.run();
      }
      System.gc();
      long now = Memory.residentBytes();
      least = round == 0 ? least : Math.min(least, now - before);
      before = now;
    }
    return least;
  }
}
