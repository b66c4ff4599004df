package dev.fathom.edit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.checkpoint.Card;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Linear;
import dev.fathom.model.Linears;
import dev.fathom.model.Pass;
import dev.fathom.model.Slice;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Handles;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class EditsTest {
  private static final int[] IDS = TinyModels.TinyModel.idArray(6, 3);

  static Stream<Variant> variants() {
    return TinyModels.some(DType.F64).stream();
  }

  static double[] logits(Transformer model, Tap tap, int... ids) {
    try (var scope = Scope.withoutGradients()) {
      Pass pass = Pass.over(Layout.single(ids.length)).with(tap);
      return model.forward(Tensor.of(ids, ids.length), pass).toDoubles();
    }
  }

  static void assertClose(double[] found, double[] expected, double tolerance) {
    assertThat(found).hasSameSizeAs(expected);
    double worst = 0;
    for (int i = 0; i < found.length; i++) {
      worst = Math.max(worst, Math.abs(found[i] - expected[i]));
    }
    assertThat(worst).isLessThanOrEqualTo(tolerance);
  }

  private static double[] logits(Transformer model) {
    return logits(model, Tap.NONE, IDS);
  }

  /// Random rows and columns of every map, and a bias for every other one.
  static List<Change> everywhere(Transformer model, Random random) {
    var changes = new ArrayList<Change>();
    try (var scope = Scope.withoutGradients()) {
      for (Linear linear : Linears.of(model)) {
        int out = Math.toIntExact(linear.out());
        int in = Math.toIntExact(linear.in());
        changes.add(
            Change.Rows.outputs(linear, List.of(out - 1, 1), normal(random, 2, linear.in())));
        if (linear.origin().from() == 0 && linear.origin().to() == whole(model, linear)) {
          changes.add(
              Change.Rows.inputs(linear, List.of(0, in - 1, 2), normal(random, 3, linear.out())));
        }
        if (random.nextBoolean()) {
          changes.add(Change.Bias.of(linear, normal(random, linear.out())));
        }
        changes.add(
            Change.LowRank.of(
                linear, normal(random, 2, linear.in()), normal(random, linear.out(), 2), 0.5));
      }
    }
    return changes;
  }

  private static long whole(Transformer model, Linear linear) {
    return Linears.of(model).stream()
        .filter(other -> other.origin().tensor().equals(linear.origin().tensor()))
        .mapToLong(other -> other.origin().to())
        .max()
        .orElseThrow();
  }

  static Tensor normal(Random random, long... shape) {
    int count = 1;
    for (long size : shape) {
      count *= Math.toIntExact(size);
    }
    double[] values = random.doubles(count, -0.5, 0.5).toArray();
    return Tensor.of(values, shape);
  }

  @ParameterizedTest
  @MethodSource("variants")
  void scaleZeroIsTheBaseBitForBitAndTheBaseNeverChanges(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      double[] base = logits(tiny.model());
      Edit edit = Edit.of(tiny.model(), "everywhere", everywhere(tiny.model(), new Random(1)));
      try (var none = Edits.apply(tiny.model(), List.of(edit.at(0)))) {
        assertThat(logits(none)).isEqualTo(base);
        assertThat(none.card().sha256().get()).isEqualTo(tiny.model().card().sha256().get());
      }
      try (var edited = Edits.apply(tiny.model(), List.of(edit))) {
        assertThat(logits(edited)).isNotEqualTo(base);
        assertThat(edited.card().name()).isEqualTo(tiny.model().card().name() + " + everywhere");
        assertThat(edited.card().sha256().get())
            .hasSize(64)
            .isNotEqualTo(tiny.model().card().sha256().get());
        assertThat(logits(tiny.model())).isEqualTo(base);
      }
      assertThat(logits(tiny.model())).isEqualTo(base);
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void everyMapHasTheRowsColumnsAndBiasThatWereGivenAndNoOther(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      List<Change> changes = everywhere(tiny.model(), new Random(2));
      Edit edit = Edit.of(tiny.model(), "everywhere", changes);
      for (double scale : new double[] {1, 0.3}) {
        try (var edited = Edits.apply(tiny.model(), List.of(edit.at(scale)))) {
          List<Linear> before = Linears.of(tiny.model());
          List<Linear> after = Linears.of(edited);
          for (int i = 0; i < before.size(); i++) {
            Linear expected = oracle(before.get(i), changes, scale);
            assertSame(after.get(i).weight().values(), expected.weight().values());
            if (expected.bias() == null) {
              assertThat(after.get(i).bias()).isNull();
            } else {
              assertSame(java.util.Objects.requireNonNull(after.get(i).bias()), expected.bias());
            }
          }
        }
      }
    }
  }

  /// Number by number, in the coordinates of the stored tensor.
  private static Linear oracle(Linear linear, List<Change> changes, double scale) {
    int out = (int) linear.out();
    int in = (int) linear.in();
    double[] weight = linear.weight().values().toDoubles();
    double[] bias = linear.bias() == null ? null : linear.bias().toDoubles();
    for (Change change : changes) {
      switch (change) {
        case Change.OfMap map when !map.tensor().equals(linear.origin().tensor()) -> {}
        case Change.Rows rows -> {
          double[] given = rows.values().tensor(DType.F64).toDoubles();
          int length = (int) (long) rows.values().shape().getLast();
          for (int k = 0; k < rows.indices().size(); k++) {
            for (int j = 0; j < length; j++) {
              int stored0 = rows.axis() == 0 ? rows.indices().get(k) : j;
              int stored1 = rows.axis() == 0 ? j : rows.indices().get(k);
              int o =
                  (linear.origin().transposed() ? stored1 : stored0) - (int) linear.origin().from();
              int i = linear.origin().transposed() ? stored0 : stored1;
              if (o >= 0 && o < out) {
                int at = o * in + i;
                weight[at] += scale * (given[k * length + j] - weight[at]);
              }
            }
          }
        }
        case Change.LowRank step -> {
          double[] a = step.a().tensor(DType.F64).toDoubles();
          double[] b = step.b().tensor(DType.F64).toDoubles();
          int rank = (int) step.rank();
          for (int j = 0; j < b.length / rank; j++) {
            int o = step.from() + j - (int) linear.origin().from();
            for (int k = 0; o >= 0 && o < out && k < rank * in; k++) {
              weight[o * in + k % in] += scale * step.factor() * b[j * rank + k / in] * a[k];
            }
          }
        }
        case Change.Bias given -> {
          double[] values = given.values().tensor(DType.F64).toDoubles();
          for (int j = 0; j < values.length; j++) {
            int o = given.from() + j - (int) linear.origin().from();
            if (o >= 0 && o < out) {
              bias = bias == null ? new double[out] : bias;
              bias[o] += scale * (values[j] - bias[o]);
            }
          }
        }
      }
    }
    return new Linear(
        dev.fathom.tensor.Weight.of(Tensor.of(weight, out, in)),
        bias == null ? null : Tensor.of(bias, out),
        linear.origin());
  }

  private static void assertSame(Tensor found, Tensor expected) {
    assertThat(found.shape()).isEqualTo(expected.shape());
    assertThat(found.sub(expected).abs().max().item()).isLessThan(1e-15);
  }

  @ParameterizedTest
  @MethodSource("variants")
  void aZeroedNeuronOrHeadIsTheInterventionAtEveryPosition(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      List<Slice> units =
          List.of(
              Slice.of(Kind.MLP_ACT, 1).neurons(0, 7),
              Slice.of(Kind.MLP_ACT, 2).neurons(31),
              Slice.of(Kind.Z, 0).heads(1, 3));
      Tap tap = Taps.of(units.stream().<Intervention>map(Intervention.Zero::new).toList());
      try (var edited = Edits.apply(tiny.model(), List.of(Zeroing.of(tiny.model(), units)))) {
        assertClose(logits(edited), logits(tiny.model(), tap, IDS), 1e-9);
      }
    }
  }

  @Test
  void editsStackInOrder() {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.llama(DType.F64)) {
      Linear out = tiny.model().blocks().get(1).mlp().out();
      Edit first = rows(tiny.model(), "first", out, 1, 0, 5);
      Edit second = rows(tiny.model(), "second", out, 2, 5, 9);
      try (var both = Edits.apply(tiny.model(), List.of(first, second.at(0.5)));
          var one = Edits.apply(tiny.model(), List.of(first));
          var two = Edits.apply(one, List.of(onTopOf(one, second).at(0.5)))) {
        Tensor columns = both.blocks().get(1).mlp().out().weight().values().indexSelect(1, 0, 5, 9);
        double untouched = out.weight().values().select(0, 3).select(0, 9).item();
        double[] row = columns.select(0, 3).toDoubles();
        assertThat(row[0]).isEqualTo(1);
        assertThat(row[1]).isEqualTo(1.5);
        assertThat(row[2]).isCloseTo(untouched + 0.5 * (2 - untouched), within(1e-15));
        assertThat(both.card().name()).endsWith(" + first + second:0.5");
        assertThat(logits(two)).isEqualTo(logits(both));
        assertThat(two.card().sha256().get()).isEqualTo(both.card().sha256().get());
        // what was made from an edited model needs those edits
        Edit later = onTopOf(one, second);
        try (var again = Edits.apply(tiny.model(), List.of(first, later.at(0.5)))) {
          assertThat(logits(again)).isEqualTo(logits(both));
        }
        assertThatThrownBy(() -> Edits.apply(tiny.model(), List.of(later)))
            .isInstanceOf(FathomException.class)
            .hasMessageContaining("was made from " + one.card().name());
      }
    }
  }

  private static Edit rows(
      Transformer model, String name, Linear linear, double value, Integer... inputs) {
    Tensor values = Tensor.full(value, DType.F64, inputs.length, linear.out());
    return Edit.of(model, name, List.of(Change.Rows.inputs(linear, List.of(inputs), values)));
  }

  private static Edit onTopOf(Transformer model, Edit edit) {
    return Edit.of(model, edit.card().method(), edit.changes());
  }

  @Test
  void tensorsThatNoEditTouchesAreShared() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      Edit edit = Zeroing.of(tiny.model(), List.of(Slice.of(Kind.MLP_ACT, 1).neurons(3)));
      try (var edited = Edits.apply(tiny.model(), List.of(edit))) {
        List<Linear> before = Linears.of(tiny.model());
        List<Linear> after = Linears.of(edited);
        int touched = 0;
        for (int i = 0; i < before.size(); i++) {
          touched += before.get(i).weight() == after.get(i).weight() ? 0 : 1;
        }
        assertThat(touched).isEqualTo(1);
        assertThat(edited.embedding()).isSameAs(tiny.model().embedding());
        assertThat(edited.card().parameters()).isEqualTo(tiny.model().card().parameters());
      }
    }
  }

  @Test
  void anEditOfATiedHeadUntiesItAndSaysSo() {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.gemma(DType.F64)) {
      Linear head = tiny.model().head().out();
      Edit edit =
          Edit.of(
              tiny.model(),
              "head",
              List.of(
                  Change.Rows.outputs(head, List.of(4), Tensor.zeros(DType.F64, 1, head.in()))));
      assertThat(Edits.notes(tiny.model(), List.of(edit)))
          .singleElement()
          .asString()
          .contains("lm_head.weight", "the embedding stays");
      assertThat(Edits.notes(tiny.model(), List.of(edit.at(0)))).isEmpty();
      try (var edited = Edits.apply(tiny.model(), List.of(edit))) {
        assertThat(edited.embedding().table().select(0, 4).abs().sum().item()).isPositive();
        assertThat(edited.head().out().origin().tied()).isFalse();
        assertThat(edited.card().parameters())
            .isEqualTo(tiny.model().card().parameters() + head.in() * head.out());
        double[] before = logits(tiny.model());
        double[] after = logits(edited);
        for (int i = 0; i < before.length; i++) {
          assertThat(after[i]).isEqualTo(i % TinyModels.VOCABULARY == 4 ? 0 : before[i]);
        }
      }
    }
  }

  @Test
  void anotherBaseIsRefusedByNameAndFingerprint() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      Edit edit = Zeroing.of(tiny.model(), List.of(Slice.of(Kind.Z, 1).heads(3)));
      Edit foreign = edit.with(Card.of("edit", "m", "models/other", "f".repeat(64))).named("mine");
      assertThatThrownBy(() -> Edits.apply(tiny.model(), List.of(foreign)))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("mine: this edit was made from models/other (weights ffffffffffff)")
          .hasMessageContaining(tiny.model().card().name() + " (weights 000000000000)");
    }
  }

  @Test
  void whatDoesNotFitIsRefusedWithAReason() {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.llama(DType.F64)) {
      Linear out = tiny.model().blocks().get(0).mlp().out();
      String tensor = out.origin().tensor();
      refused(
          tiny.model(), new Change.Rows("x", 0, List.of(), Values.zeros(0, 1)), "no linear map");
      refused(
          tiny.model(),
          new Change.Rows("model.embed_tokens.weight", 0, List.of(1), Values.zeros(1, 16)),
          "no linear map");
      refused(
          tiny.model(),
          new Change.Rows(tensor, 0, List.of(16), Values.zeros(1, 32)),
          "the last at 16; that tensor is [16, 32]");
      refused(
          tiny.model(),
          new Change.Rows(tensor, 1, List.of(0), Values.zeros(1, 15)),
          "of length 15");
      refused(tiny.model(), new Change.Bias(tensor, 1, Values.zeros(16)), "reaches to output 17");
      assertThatThrownBy(() -> Change.Rows.inputs(out, List.of(32), Tensor.zeros(DType.F64, 1, 16)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("inputs 0 to 31, not 32");
      assertThatThrownBy(() -> new Change.Rows("x", 0, List.of(1, 1), Values.zeros(2, 3)))
          .hasMessageContaining("each once");
      assertThatThrownBy(() -> new Change.Rows("x", 2, List.of(1), Values.zeros(1, 3)))
          .hasMessageContaining("axes 0 and 1");
      assertThatThrownBy(() -> Zeroing.of(tiny.model(), List.of(Slice.of(Kind.MLP_ACT, 1))))
          .hasMessageContaining("say which neurons or heads");
      assertThatThrownBy(() -> Zeroing.of(tiny.model(), List.of(Slice.of(Kind.Q, 1).heads(1))))
          .hasMessageContaining("neurons are zeroed at mlp_act, heads at z");
    }
  }

  private static void refused(Transformer model, Change change, String reason) {
    Edit edit = Edit.of(model, "edit", List.of(change));
    assertThatThrownBy(() -> Edits.apply(model, List.of(edit)))
        .isInstanceOf(FathomException.class)
        .hasMessageStartingWith("edit: ")
        .hasMessageContaining(reason);
  }

  @Test
  void closingFreesAllThatTheEditMade() {
    try (var tiny = TinyModels.neox(DType.F32)) {
      Edit edit = Edit.of(tiny.model(), "everywhere", everywhere(tiny.model(), new Random(4)));
      for (int i = 0; i < 8; i++) {
        long handles = Handles.open();
        try (var edited = Edits.apply(tiny.model(), List.of(edit, edit.at(0.5)))) {
          assertThat(edited.layers()).isEqualTo(TinyModels.LAYERS);
        }
        assertThat(Handles.open()).isLessThanOrEqualTo(handles);
      }
    }
  }

  /// Large enough for prepared copies: the base's are made first, and must not be met.
  @Test
  void preparedCopiesOfTheBaseAreNotMet(@TempDir Path cache) {
    try (var base = Models.load(Bundled.TIDEPOOL.open(cache), DType.F32)) {
      int[] ids = {5, 9, 100, 17, 33};
      double[] before = logits(base, Tap.NONE, ids);
      List<Slice> units = List.of(Slice.of(Kind.MLP_ACT, 3).neurons(1, 2, 3, 4, 5, 6, 7, 8));
      Tap tap = Taps.of(List.of(new Intervention.Zero(units.getFirst())));
      try (var edited = Edits.apply(base, List.of(Zeroing.of(base, units)))) {
        double[] after = logits(edited, Tap.NONE, ids);
        assertThat(after).isNotEqualTo(before);
        assertClose(after, logits(base, tap, ids), 1e-4);
      }
      assertThat(logits(base, Tap.NONE, ids)).isEqualTo(before);
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void aLowRankStepAddsItsProductToTheMap(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var random = new Random(5);
      for (Linear linear : Linears.of(model)) {
        Tensor a = normal(random, 3, linear.in());
        Tensor b = normal(random, linear.out(), 3);
        List<Integer> all = IntStream.range(0, (int) linear.out()).boxed().toList();
        Tensor sum = linear.weight().values().add(b.matmul(a).mul(0.25 * 2));
        Edit step = Edit.of(model, "step", List.of(Change.LowRank.of(linear, a, b, 0.25))).at(2);
        Edit rows = Edit.of(model, "rows", List.of(Change.Rows.outputs(linear, all, sum)));
        try (Transformer stepped = Edits.apply(model, List.of(step));
            Transformer replaced = Edits.apply(model, List.of(rows))) {
          assertClose(logits(stepped), logits(replaced), 1e-9);
        }
      }
    }
  }

  @Test
  void aLowRankStepThatDoesNotFitIsRefused() {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.llama(DType.F32)) {
      Linear linear = tiny.model().blocks().getFirst().mlp().out();
      var change =
          new Change.LowRank(
              linear.origin().tensor(),
              1,
              Values.zeros(2, linear.in()),
              Values.zeros(linear.out(), 2),
              1);
      Edit edit = Edit.of(tiny.model(), "step", List.of(change));
      assertThatThrownBy(() -> Edits.apply(tiny.model(), List.of(edit)))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("rank 2 of " + linear.origin().tensor());
      assertThatThrownBy(
              () -> new Change.LowRank("w", 0, Values.zeros(2, 4), Values.zeros(4, 3), 1))
          .hasMessageContaining("B is [outputs, rank] and A [rank, in]");
    }
  }
}
