package dev.fathom.bench;

import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Question;
import dev.fathom.explain.causal.Ablation;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.render.Html;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Memory;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.Tokenizers;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Report;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/// How the time of an ablation map grows with the length of the prompt and with the number of
/// layers, beside a loop with a whole forward pass a cell. Writes a page with the curves.
///
/// The map has one kind (attention) at every layer, up to 128 tokens at every position and beyond
/// at 8 positions spread evenly. The loop's time is that of one pass times the cells.
public final class Growth {
  private static final int WHOLE = 128;
  private static final int SAMPLED = 8;
  private static final List<Integer> LENGTHS = List.of(8, 16, 32, 64, 128, 256, 512);
  private static final int LENGTH_FOR_LAYERS = 32;

  private final Tokenizer tokenizer;

  private Growth(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /// One point of a curve.
  private record Point(int x, int cells, double map, double loop, long peak) {}

  /// `Growth MODEL_DIR OUT.html [THREADS]`.
  public static void main(String[] words) throws IOException {
    if (words.length < 2) {
      System.err.println("usage: Growth MODEL_DIR OUT.html [THREADS]");
      System.exit(2);
    }
    Threads.set(
        words.length > 2 ? Integer.parseInt(words[2]) : Runtime.getRuntime().availableProcessors());
    Path directory = Path.of(words[0]);
    try (Transformer model = Models.load(directory, DType.F32)) {
      var growth = new Growth(Tokenizers.load(directory));
      growth.measure(model, 8); // what is prepared once
      var byLength = new ArrayList<Point>();
      for (int length : LENGTHS) {
        byLength.add(said("tokens", growth.measure(model, length)));
      }
      var byLayers = new ArrayList<Point>();
      for (int part = 1; part <= 5; part++) {
        int layers = model.layers() * part / 5;
        Point point = growth.measure(lowest(model, layers), LENGTH_FOR_LAYERS);
        byLayers.add(
            said("layers", new Point(layers, point.cells, point.map, point.loop, point.peak)));
      }
      Files.writeString(Path.of(words[1]), Html.render(report(model, byLength, byLayers)));
    }
  }

  private static Point said(String what, Point point) {
    System.out.printf(
        Locale.ROOT,
        "%4d %s: %5d cells, map %8.2f s, loop %9.2f s, ratio %5.1f, peak %d MB%n",
        point.x,
        what,
        point.cells,
        point.map,
        point.loop,
        point.loop / point.map,
        point.peak >> 20);
    return point;
  }

  /// The model without its upper layers; it shares the others.
  private static Transformer lowest(Transformer model, int layers) {
    return new Transformer(
        model.card(), model.embedding(), model.blocks().subList(0, layers), model.head(), () -> {});
  }

  private Point measure(Transformer model, int length) {
    int[] ids = new Random(length).ints(length, 5, model.outputs()).toArray();
    List<Integer> positions =
        length <= WHOLE
            ? IntStream.range(0, length).boxed().toList()
            : IntStream.range(0, SAMPLED).mapToObj(i -> i * (length / SAMPLED)).toList();
    var config = Ablation.Config.standard().of(Ablation.Part.ATTENTION).atPositions(positions);
    Question question = Question.of(Prompt.ofIds(tokenizer, ids), 0);
    double map =
        Timing.best(length <= 32 ? 2 : 1, () -> Ablation.run(model, tokenizer, question, config));
    long peak = Memory.peakBytes();
    double pass = Timing.best(3, () -> pass(model, ids));
    int cells = model.layers() * positions.size();
    return new Point(length, cells, map, pass * cells, peak);
  }

  private static void pass(Transformer model, int[] ids) {
    try (var scope = Scope.withoutGradients()) {
      Layout layout = Layout.single(ids.length);
      double sum =
          model
              .forward(Tensor.of(ids, ids.length), Pass.over(layout).with(Wanted.LAST))
              .sum()
              .item();
      if (!Double.isFinite(sum)) {
        throw new IllegalStateException("the logits sum to " + sum);
      }
    }
  }

  private static Report report(Transformer model, List<Point> byLength, List<Point> byLayers) {
    Provenance provenance = Provenances.of(model, 0, "threads", Integer.toString(Threads.get()));
    return new Report(
        "How an ablation map grows",
        "%s · f32 · %d threads · attention set to zero at each layer and position"
            .formatted(modelName(model), Threads.get()),
        List.of(),
        List.of(
            Section.of(
                "length",
                "Length of the prompt",
                "Up to 128 tokens at every position, beyond at 8 of them.",
                List.of(curves("How long does a map take?", "tokens", byLength))),
            Section.of(
                "layers",
                "Layers",
                "A prompt of %d tokens through the lowest layers.".formatted(LENGTH_FOR_LAYERS),
                List.of(curves("How long does a map take?", "layers", byLayers)))),
        provenance);
  }

  /// The directory's own name, without where it lies.
  private static String modelName(Transformer model) {
    return String.valueOf(Path.of(model.card().name()).getFileName());
  }

  private static View.Lines curves(String question, String axis, List<Point> points) {
    return View.Lines.over(
        "Time by " + axis,
        question,
        Grid.vector(Axis.index(axis, points.size()), values(points, Point::x)),
        new View.Panel(
            "seconds",
            true,
            List.of(
                View.Series.of("the map", vector(points, Point::map)),
                View.Series.of("a forward pass a cell", vector(points, Point::loop)))));
  }

  private static Grid vector(List<Point> points, ToDoubleFunction<Point> curve) {
    return Grid.vector(Axis.index("point", points.size()), values(points, curve));
  }

  private static float[] values(List<Point> points, ToDoubleFunction<Point> curve) {
    float[] values = new float[points.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) curve.applyAsDouble(points.get(i));
    }
    return values;
  }
}
