package dev.fathom.align.probe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.References;
import dev.fathom.arch.Models;
import dev.fathom.data.LabelledText;
import dev.fathom.edit.Edits;
import dev.fathom.edit.Zeroing;
import dev.fathom.model.Capture;
import dev.fathom.model.Captured;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Numbers;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import dev.fathom.text.Encoding;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Specials;
import dev.fathom.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class FeaturesTest {
  private static final Numbers NUMBERS = new Numbers(1000);

  /// Lengths of texts, equal ones among them, none in order.
  private static final int[] LENGTHS = {4, 7, 1, 7, 5, 2, 4};

  @BeforeAll
  static void oneThread() {
    Threads.set(1); // more only wait for each other over products this small
  }

  static List<String> families() throws IOException {
    try (Stream<Path> entries = Files.list(References.path("checkpoints"))) {
      return entries
          .filter(Files::isDirectory)
          .map(entry -> String.valueOf(entry.getFileName()))
          .sorted()
          .toList();
    }
  }

  private static Transformer load(String family) {
    return Models.load(References.path("checkpoints/" + family), DType.F32);
  }

  /// Texts of numbers, which are their own tokens; of each the second number is the word.
  private static List<Features.Text> texts() {
    var random = new Random(5);
    var texts = new ArrayList<Features.Text>();
    for (int length : LENGTHS) {
      List<String> words =
          random.ints(length, 10, 60).mapToObj(Integer::toString).collect(Collectors.toList());
      texts.add(new Features.Text(String.join(" ", words), length > 1 ? 3 : 0, length > 1 ? 5 : 2));
    }
    return texts;
  }

  /// Every site that has a vector a token, and some heads and neurons.
  private static List<Slice> slices(Transformer model) {
    var slices = new ArrayList<Slice>();
    for (Kind kind : Kind.values()) {
      for (int layer = 0; layer < (kind.layered() ? model.layers() : 1); layer++) {
        if (!kind.pairwise() && model.refusal(Site.of(kind, layer)).isEmpty()) {
          slices.add(Slice.of(Site.of(kind, layer)));
        }
      }
    }
    slices.add(Slice.of(Kind.Z, 1).heads(1));
    slices.add(Slice.of(Kind.HEAD_OUT, 0).heads(0, 1));
    slices.add(Slice.of(Kind.MLP_ACT, 1).neurons(2, 5, 7));
    return slices;
  }

  /// What a textbook would do: one text, all tokens kept, then the mean.
  private static double[] alone(Transformer model, int[] ids, Slice slice, int from, int to) {
    var capture = Capture.of(slice);
    try (var scope = Scope.withoutGradients()) {
      model.forward(Tensor.of(ids, ids.length), Pass.over(Layout.single(ids.length)).with(capture));
    }
    Captured captured = capture.get(slice);
    double[] mean = new double[captured.vector(0, 0).length];
    for (int t = from; t < to; t++) {
      float[] vector = captured.vector(0, t);
      for (int i = 0; i < mean.length; i++) {
        mean[i] += vector[i] / (to - from);
      }
    }
    return mean;
  }

  private static double[] vector(Features features, Slice slice, int text) {
    try (var scope = Scope.withoutGradients()) {
      return features.at(slice).select(0, text).toDoubles();
    }
  }

  private static void assertClose(String what, double[] found, double[] expected) {
    double size = 1;
    for (double e : expected) {
      size = Math.max(size, Math.abs(e));
    }
    assertThat(found).as(what).containsExactly(expected, within(1e-4 * size));
  }

  @ParameterizedTest
  @MethodSource("families")
  void packedTextsGiveAtEverySiteWhatEachGivesAlone(String family) {
    try (var model = load(family)) {
      List<Slice> slices = slices(model);
      for (var reduction : Features.Reduction.values()) {
        var config = Features.Config.of(slices).with(reduction).tokensAtOnce(12);
        var done = new AtomicInteger();
        try (var features = Features.of(model, NUMBERS, texts(), config, done::addAndGet)) {
          assertThat(done).hasValue(LENGTHS.length);
          for (int t = 0; t < LENGTHS.length; t++) {
            int[] ids = NUMBERS.encode(texts().get(t).text()).ids();
            int word = Math.min(1, ids.length - 1);
            int from =
                switch (reduction) {
                  case MEAN -> 0;
                  case LAST -> ids.length - 1;
                  case WORD -> word;
                };
            int to = reduction == Features.Reduction.WORD ? word + 1 : ids.length;
            for (Slice slice : slices) {
              assertClose(
                  "%s, %s, text %d".formatted(slice, reduction, t),
                  vector(features, slice, t),
                  alone(model, ids, slice, from, to));
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"bert_mlm", "llama"})
  void startAndEndTokensCountOnlyIfAskedFor(String family) {
    try (var model = load(family)) {
      Slice slice = Slice.of(Kind.RESID_POST, 0);
      // a decoder's texts go on, so that they have no end token
      int[] ids = model.card().causal() ? new int[] {1, 30, 40} : new int[] {1, 30, 40, 2};
      var config = Features.Config.of(List.of(slice));
      var texts = List.of(Features.Text.of("30 40"));
      var framed = new Framed();
      try (var content = Features.of(model, framed, texts, config, _ -> {});
          var all = Features.of(model, framed, texts, config.withSpecial(), _ -> {});
          var last =
              Features.of(model, framed, texts, config.with(Features.Reduction.LAST), _ -> {});
          var bare = Features.of(model, framed, texts, config.startToken(false), _ -> {})) {
        assertClose("content", vector(content, slice, 0), alone(model, ids, slice, 1, 3));
        assertClose("all", vector(all, slice, 0), alone(model, ids, slice, 0, ids.length));
        assertClose("last", vector(last, slice, 0), alone(model, ids, slice, 2, 3));
        int[] rest = Arrays.copyOfRange(ids, 1, ids.length);
        assertClose("without", vector(bare, slice, 0), alone(model, rest, slice, 0, 2));
      }
    }
  }

  /// Numbers between a start token, 1, and an end token, 2.
  private static final class Framed implements Tokenizer {
    @Override
    public Encoding encode(String text, SpecialTokens special) {
      Encoding plain = NUMBERS.encode(text, special);
      if (special == SpecialTokens.NONE) {
        return plain;
      }
      return new Encoding(
          framed(plain.ids(), 1, 2),
          Stream.of(Stream.of("1"), plain.pieces().stream(), Stream.of("2"))
              .flatMap(pieces -> pieces)
              .toList(),
          framed(plain.starts(), 0, text.length()),
          framed(plain.ends(), 0, text.length()));
    }

    private static int[] framed(int[] values, int first, int last) {
      return IntStream.concat(
              IntStream.concat(IntStream.of(first), Arrays.stream(values)), IntStream.of(last))
          .toArray();
    }

    @Override
    public int size() {
      return NUMBERS.size();
    }

    @Override
    public String decode(int[] ids, boolean skipSpecial) {
      return NUMBERS.decode(ids, skipSpecial);
    }

    @Override
    public String piece(int id) {
      return NUMBERS.piece(id);
    }

    @Override
    public String display(int id) {
      return NUMBERS.display(id);
    }

    @Override
    public OptionalInt id(String piece) {
      return NUMBERS.id(piece);
    }

    @Override
    public boolean isSpecial(int id) {
      return id == 1 || id == 2;
    }

    @Override
    public Specials specials() {
      var none = OptionalInt.empty();
      return new Specials(
          OptionalInt.of(1), OptionalInt.of(2), none, none, none, none, none, true, true);
    }

    @Override
    public Optional<String> chatTemplate() {
      return Optional.empty();
    }
  }

  @Test
  void theWordOfATextIsWhereItOccursLast() {
    var labelled = LabelledText.of("a nurse met a nurse.", "x").at("nurse");
    assertThat(Features.Text.of(labelled))
        .isEqualTo(new Features.Text("a nurse met a nurse.", 14, 19));
    assertThat(Features.Text.of(LabelledText.of("ab", "x")))
        .isEqualTo(new Features.Text("ab", 0, 2));
  }

  @Test
  void aSecondRunReadsTheFileAndMakesNoPass(@TempDir Path folder) throws IOException {
    try (var model = load("llama")) {
      List<Slice> slices = Features.everyLayer(model, Kind.RESID_POST);
      var config = Features.Config.of(slices);
      Path kept;
      try (var inMemory = Features.of(model, NUMBERS, texts(), config, _ -> {});
          var first = Features.cached(model, NUMBERS, texts(), config, folder, _ -> {})) {
        assertThat(first.computed()).isTrue();
        kept = first.file().orElseThrow();
        var written = Files.getLastModifiedTime(kept);
        try (var second = Features.cached(model, NUMBERS, texts(), config, folder, _ -> {})) {
          assertThat(second.computed()).isFalse();
          assertThat(Files.getLastModifiedTime(kept)).isEqualTo(written);
          for (Slice slice : slices) {
            for (int t = 0; t < LENGTHS.length; t++) {
              double[] expected = vector(inMemory, slice, t);
              assertThat(vector(first, slice, t)).isEqualTo(expected);
              assertThat(vector(second, slice, t)).isEqualTo(expected);
            }
          }
        }
      }
      Files.write(kept, new byte[] {1, 2, 3});
      try (var again = Features.cached(model, NUMBERS, texts(), config, folder, _ -> {})) {
        assertThat(again.computed()).isTrue();
      }
    }
  }

  @Test
  void whatDecidesTheNumbersDecidesTheFile(@TempDir Path folder) {
    try (var model = load("llama")) {
      var config = Features.Config.of(Features.everyLayer(model, Kind.RESID_POST));
      isComputed(model, texts(), config, folder);
      var others = new ArrayList<>(texts());
      others.set(3, Features.Text.of("11 12 13"));
      isComputed(model, others, config, folder);
      isComputed(model, texts().reversed(), config, folder);
      isComputed(model, texts(), config.with(Features.Reduction.LAST), folder);
      isComputed(model, texts(), Features.Config.of(config.slices().subList(0, 1)), folder);
      var edit = Zeroing.of(model, List.of(Slice.of(Kind.MLP_ACT, 0).neurons(1, 2, 3)));
      try (var edited = Edits.apply(model, List.of(edit))) {
        isComputed(edited, texts(), config, folder);
      }
    }
  }

  private static void isComputed(
      Transformer model, List<Features.Text> texts, Features.Config config, Path folder) {
    for (boolean computed : new boolean[] {true, false}) {
      try (var features = Features.cached(model, NUMBERS, texts, config, folder, _ -> {})) {
        assertThat(features.computed()).isEqualTo(computed);
      }
    }
  }

  @Test
  void anEditedModelHasFeaturesOfItsOwn() {
    try (var model = load("gpt2")) {
      int neurons = (int) model.blocks().getFirst().mlp().out().in();
      var all = Slice.of(Kind.MLP_ACT, 0).neurons(IntStream.range(0, neurons).toArray());
      try (var edited = Edits.apply(model, List.of(Zeroing.of(model, List.of(all))))) {
        Slice slice = Slice.of(Kind.RESID_POST, 1);
        var config = Features.Config.of(List.of(slice));
        try (var features = Features.of(edited, NUMBERS, texts(), config, _ -> {})) {
          int[] ids = NUMBERS.encode(texts().getFirst().text()).ids();
          double[] found = vector(features, slice, 0);
          assertClose("edited", found, alone(edited, ids, slice, 0, ids.length));
          assertThat(found).isNotEqualTo(alone(model, ids, slice, 0, ids.length));
        }
      }
    }
  }

  @Test
  void whatCannotBeReadIsRefused() {
    try (var model = load("llama")) {
      Slice slice = Slice.of(Kind.RESID_POST, 0);
      var config = Features.Config.of(List.of(slice));
      assertThatThrownBy(() -> Features.of(model, NUMBERS, texts(), config.within(1000), _ -> {}))
          .hasMessageContaining("the features of 7 texts at 1 sites take")
          .hasMessageContaining("cache directory");
      assertThatThrownBy(() -> Features.of(model, NUMBERS, List.of(), config, _ -> {}))
          .hasMessageContaining("at least one text");
      String longText =
          IntStream.range(0, 5000).mapToObj(_ -> "7").collect(Collectors.joining(" "));
      var tooLong = List.of(Features.Text.of("7"), Features.Text.of(longText));
      assertThatThrownBy(() -> Features.of(model, NUMBERS, tooLong, config, _ -> {}))
          .hasMessageContaining("text 2 ('7 7")
          .hasMessageContaining("has 5000 tokens");
      var missing = Features.Config.of(List.of(Slice.of(Site.of(Kind.POS_EMBED))));
      assertThatThrownBy(() -> Features.of(model, NUMBERS, texts(), missing, _ -> {}))
          .hasMessageContaining("site pos_embed does not exist on this llama model");
      try (var features = Features.of(model, NUMBERS, texts(), config, _ -> {});
          var scope = Scope.open()) {
        assertThatThrownBy(() -> features.at(Slice.of(Kind.RESID_POST, 1)))
            .hasMessageContaining("resid_post.1 was not read");
      }
    }
    assertThatThrownBy(() -> Features.Config.of(List.of(Slice.of(Kind.PATTERN, 0))))
        .hasMessageContaining("pattern.0 has a matrix a head");
    assertThatThrownBy(() -> Features.Config.of(List.of(Slice.of(Kind.Z, 0).at(-1))))
        .hasMessageContaining("the reduction says");
    assertThatThrownBy(() -> new Features.Text("abc", 2, 4)).hasMessageContaining("no part");
  }
}
