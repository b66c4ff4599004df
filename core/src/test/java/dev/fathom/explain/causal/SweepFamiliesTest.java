package dev.fathom.explain.causal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.arch.Models;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.data.Prompt;
import dev.fathom.explain.Predictions;
import dev.fathom.explain.Question;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Numbers;
import dev.fathom.model.Pass;
import dev.fathom.model.Slice;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import dev.fathom.view.Grid;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Ablation on a checkpoint of every family, in F32: the sweep against a whole forward pass for
/// each cell. No family refuses a part; masked models and classifiers read both ways.
class SweepFamiliesTest {
  private static final int CELLS = 12;
  private static final int LONGEST = 8;
  private static final Numbers NUMBERS = new Numbers(1000);

  @BeforeAll
  static void oneThread() {
    Threads.set(1); // more only wait for each other over products this small
  }

  private static Path checkpoints() {
    try {
      return Path.of(
          Objects.requireNonNull(SweepFamiliesTest.class.getResource("/fixtures/checkpoints"))
              .toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  static List<String> families() throws IOException {
    try (Stream<Path> entries = Files.list(checkpoints())) {
      return entries
          .filter(Files::isDirectory)
          .map(entry -> String.valueOf(entry.getFileName()))
          .sorted()
          .toList();
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void theSweepEqualsAForwardPassForEachCell(String family) {
    Path directory = checkpoints().resolve(family);
    try (var model = Models.load(directory, DType.F32)) {
      int[] ids = ids(directory);
      int read = model.card().causal() ? ids.length - 1 : model.card().labels().isEmpty() ? 2 : 0;
      int target = Predictions.best(model, ids, read);
      Question question = Question.of(Prompt.ofIds(NUMBERS, ids), target).at(read);
      AblationResult swept = Ablation.run(model, NUMBERS, question, Ablation.Config.standard());
      assertThat(swept.effects()).containsOnlyKeys(Ablation.Part.values());
      double clean = logit(model, ids, read, target);
      var random = new Random(family.hashCode());
      swept
          .effects()
          .forEach((part, effects) -> {
            int columns = effects.axis(1).size();
            for (int cell = 0; cell < CELLS; cell++) {
              int layer = random.nextInt(model.layers());
              int at = cell % 3 == 0 && part != Ablation.Part.HEAD ? read : random.nextInt(columns);
              double without =
                  logit(model, ids, read, target, changes(model, ids, part, layer, at));
              assertThat(effects.at(layer, at))
                  .as("%s: %s %d, %d", family, part.text(), layer, at)
                  .isCloseTo(clean - without, within(tolerance(effects)));
            }
          });
      var split =
          Ablation.run(model, NUMBERS, question, Ablation.Config.standard().within(1 << 20));
      assertSame(swept, split, "the budget");
      assertSame(swept, onTwoThreads(model, question), "the number of threads");
    }
  }

  private static double tolerance(Grid reference) {
    return 1e-4 * Math.max(1, largest(reference));
  }

  private static double largest(Grid grid) {
    double largest = 0;
    for (float value : grid.values()) {
      largest = Math.max(largest, Math.abs(value));
    }
    return largest;
  }

  private static AblationResult onTwoThreads(Transformer model, Question question) {
    Threads.set(2);
    try {
      var config = Ablation.Config.standard().of(Ablation.Part.BOTH, Ablation.Part.HEAD);
      return Ablation.run(model, NUMBERS, question, config);
    } finally {
      Threads.set(1);
    }
  }

  private static void assertSame(AblationResult expected, AblationResult found, String what) {
    found
        .effects()
        .forEach((part, effects) -> {
          float[] others = effects.values();
          float[] values = expected.effect(part).values();
          double limit = 1e-5 * Math.max(1, largest(effects));
          for (int i = 0; i < values.length; i++) {
            assertThat((double) others[i])
                .as("%s changes nothing of %s", what, part.text())
                .isCloseTo(values[i], within(limit));
          }
        });
  }

  /// What a part is, for a whole forward pass.
  private static Intervention[] changes(
      Transformer model, int[] ids, Ablation.Part part, int layer, int at) {
    var attention = new Intervention.Zero(Slice.of(Kind.ATTN_OUT, layer).at(at));
    var mlp = new Intervention.Zero(Slice.of(Kind.MLP_OUT, layer).at(at));
    return switch (part) {
      case ATTENTION -> new Intervention[] {attention};
      case MLP -> new Intervention[] {mlp};
      case BOTH -> new Intervention[] {attention, mlp};
      case HEAD -> new Intervention[] {new Intervention.Zero(Slice.of(Kind.Z, layer).heads(at))};
      case ATTENTION_TO_MLP -> {
        // what the MLP reads in a run without attention, put into a run with it
        float[][] seen = new float[1][];
        logit(
            model,
            ids,
            0,
            0,
            attention,
            new Intervention.Change(
                Slice.of(Kind.MLP_IN, layer).at(at),
                value -> {
                  seen[0] = value.toFloats();
                  return value;
                }));
        float[] read = Objects.requireNonNull(seen[0]);
        yield new Intervention[] {
          new Intervention.Change(
              Slice.of(Kind.MLP_IN, layer).at(at), _ -> Tensor.of(read, 1, read.length))
        };
      }
    };
  }

  private static double logit(
      Transformer model, int[] ids, int position, int target, Intervention... changes) {
    try (var scope = Scope.withoutGradients()) {
      Pass pass = Pass.over(Layout.single(ids.length)).with(Taps.of(List.of(changes)));
      Tensor logits = model.forward(Tensor.of(ids, ids.length), pass);
      return logits.select(0, logits.size(0) == 1 ? 0 : position).toDoubles()[target];
    }
  }

  /// The first row of the checkpoint's reference input.
  private static int[] ids(Path directory) {
    try (var file = SafetensorsFile.open(directory.resolve("reference.safetensors"))) {
      long[] ids = file.bytes("input_ids").toArray(ValueLayout.JAVA_LONG_UNALIGNED);
      int width =
          Math.toIntExact(
              Objects.requireNonNull(file.tensors().get("input_ids")).shape().getLast());
      return IntStream.range(0, Math.min(width, LONGEST)).map(i -> (int) ids[i]).toArray();
    }
  }
}
