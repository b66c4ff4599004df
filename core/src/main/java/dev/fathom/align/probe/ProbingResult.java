package dev.fathom.align.probe;

import dev.fathom.model.Slice;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// What [Probing] found.
///
/// @param positiveLabel the class that probes point to
/// @param negativeLabel the other
/// @param learntFrom texts that were learnt from
/// @param positive whether each held-out text is of the positive class
/// @param texts the held-out texts
/// @param layers one for each slice of the features
/// @param generalisation each layer's probe on all layers, where they are of one width
/// @param span which probes are said to read a layer
/// @param pictured layers whose geometry is shown, as places in `layers`
public record ProbingResult(
    Provenance provenance,
    String positiveLabel,
    String negativeLabel,
    int learntFrom,
    List<Boolean> positive,
    List<String> texts,
    List<LayerProbes> layers,
    Optional<Generalisation> generalisation,
    SpanRule span,
    List<Integer> pictured)
    implements Result {
  private static final int MOST_POINTS = 2000;
  private static final int LONGEST_TEXT = 160;

  public ProbingResult {
    positive = List.copyOf(positive);
    texts = List.copyOf(texts);
    layers = List.copyOf(layers);
    pictured = List.copyOf(pictured);
  }

  /// The same with the geometry of other layers.
  ///
  /// @param places in [#layers()]
  public ProbingResult picturing(List<Integer> places) {
    return new ProbingResult(
        provenance,
        positiveLabel,
        negativeLabel,
        learntFrom,
        positive,
        texts,
        layers,
        generalisation,
        span,
        places);
  }

  /// The same with the geometry of the second layer, the best and the last.
  ProbingResult picturingSome() {
    return picturing(
        Stream.of(1, best(), layers.size() - 1)
            .filter(place -> place < layers.size())
            .distinct()
            .sorted()
            .toList());
  }

  @Override
  public String method() {
    return "probe";
  }

  /// What to call slices on an axis: their layers, where that tells them apart.
  static List<String> names(List<Slice> slices) {
    boolean onlyLayers =
        slices.stream().map(slice -> List.of(slice.site().kind(), slice.units())).distinct().count()
            == 1;
    return slices.stream()
        .map(slice ->
            onlyLayers && slice.site().kind().layered()
                ? Integer.toString(slice.site().layer())
                : slice.toString())
        .toList();
  }

  private List<Slice> slices() {
    return layers.stream().map(LayerProbes::slice).toList();
  }

  private Axis axis() {
    return Axis.of("layer", names(slices()));
  }

  /// The layer whose probe has the highest AUC on the held-out texts, as its place in [#layers()].
  public int best() {
    return IntStream.range(0, layers.size())
        .boxed()
        .max(
            Comparator.comparingDouble((Integer layer) -> layers.get(layer).quality().auc().value())
                .thenComparing(Comparator.reverseOrder()))
        .orElseThrow();
  }

  /// The share of held-out texts that guessing the larger class gets right.
  public double majority() {
    double positives = positive.stream().filter(p -> p).count();
    return Math.max(positives, positive.size() - positives) / positive.size();
  }

  // ---------------------------------------------------------------- pictures

  @Override
  public List<View> views() {
    var views = new ArrayList<View>(List.of(summary(), curves(), table()));
    views.addAll(generalisations());
    for (int layer : pictured) {
      views.addAll(geometry(layer));
    }
    return views;
  }

  private static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  private View summary() {
    LayerProbes best = layers.get(best());
    Quality quality = best.quality();
    var sentences = new ArrayList<String>();
    sentences.add(
        format(
            "'%s' against '%s': learnt from %,d texts, tried on %,d others, of which guessing the"
                + " larger class gets %.1f %% right.",
            positiveLabel, negativeLabel, learntFrom, texts.size(), 100 * majority()));
    sentences.add(
        format(
            "Best at %s: accuracy %.1f %% (%.1f to %.1f), balanced %.1f %%, AUC %.3f (%.3f to"
                + " %.3f).%s",
            best.slice(),
            100 * quality.accuracy().value(),
            100 * quality.accuracy().low(),
            100 * quality.accuracy().high(),
            100 * quality.balanced(),
            quality.auc().value(),
            quality.auc().low(),
            quality.auc().high(),
            layers.size() > 1
                ? format(" As the best of %d it is a little flattered.", layers.size())
                : ""));
    if (!best.shuffled().isEmpty()) {
      sentences.add(
          format(
              "With shuffled labels the AUC there is %.3f (%.3f to %.3f over %d shuffles).%s",
              best.meanShuffled(),
              best.leastShuffled(),
              best.mostShuffled(),
              best.shuffled().size(),
              quality.auc().low() <= Math.max(0.5, best.mostShuffled())
                  ? " No layer is surely better than that."
                  : ""));
    }
    best.atRandom()
        .ifPresent(random ->
            sentences.add(
                format(
                    "Split at random instead of by group, accuracy there would be %.1f %% (AUC"
                        + " %.3f): the difference comes of groups with texts on both sides."
                        + " Intervals take texts as independent, which texts of a group are"
                        + " not: the true ones are wider.",
                    100 * random.accuracy().value(), random.auc().value())));
    long open =
        layers.stream()
            .flatMap(layer -> layer.probes().stream())
            .filter(fitted -> !fitted.converged())
            .count();
    if (open > 0) {
      sentences.add(format("%d probes were not trained to the end.", open));
    }
    return View.Text.of("In short", String.join(" ", sentences));
  }

  private Grid grid(ToDoubleFunction<LayerProbes> value) {
    float[] values = new float[layers.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) value.applyAsDouble(layers.get(i));
    }
    return Grid.vector(axis(), values);
  }

  /// Quality of the probe with a number; NaN where a layer has fewer.
  private static double auc(LayerProbes layer, int probe) {
    return probe < layer.qualities().size()
        ? layer.qualities().get(probe).auc().value()
        : Double.NaN;
  }

  private int probes() {
    return layers.stream().mapToInt(layer -> layer.probes().size()).max().orElse(0);
  }

  private boolean shuffles() {
    return !layers.getFirst().shuffled().isEmpty();
  }

  private boolean atRandom() {
    return layers.getFirst().atRandom().isPresent();
  }

  private static double randomly(LayerProbes layer, ToDoubleFunction<Quality> value) {
    return layer.atRandom().map(value::applyAsDouble).orElse(Double.NaN);
  }

  private View curves() {
    var accuracy = new ArrayList<View.Series>();
    accuracy.add(
        View.Series.of("accuracy", grid(layer -> layer.quality().accuracy().value()))
            .within(
                grid(layer -> layer.quality().accuracy().low()),
                grid(layer -> layer.quality().accuracy().high())));
    accuracy.add(View.Series.of("balanced accuracy", grid(layer -> layer.quality().balanced())));
    accuracy.add(View.Series.of("guessing the larger class", grid(_ -> majority())));
    var areas = new ArrayList<View.Series>();
    areas.add(
        View.Series.of("AUC", grid(layer -> layer.quality().auc().value()))
            .within(
                grid(layer -> layer.quality().auc().low()),
                grid(layer -> layer.quality().auc().high())));
    for (int j = 1; j < probes(); j++) {
      int probe = j;
      areas.add(
          View.Series.of(
              format("AUC of orthogonal probe %d", j + 1), grid(layer -> auc(layer, probe))));
    }
    if (shuffles()) {
      areas.add(
          View.Series.of("AUC with shuffled labels", grid(LayerProbes::meanShuffled))
              .within(grid(LayerProbes::leastShuffled), grid(LayerProbes::mostShuffled)));
    }
    if (atRandom()) {
      accuracy.add(
          View.Series.of(
              "accuracy, split at random",
              grid(layer -> randomly(layer, quality -> quality.accuracy().value()))));
      areas.add(
          View.Series.of(
              "AUC, split at random",
              grid(layer -> randomly(layer, quality -> quality.auc().value()))));
    }
    return View.Lines.over(
        "Probes by layer",
        "At which layers does a line tell '%s' from '%s' in texts it has not learnt from?"
            .formatted(positiveLabel, negativeLabel),
        axis(),
        new View.Panel("share of held-out texts", false, accuracy),
        new View.Panel("AUC", false, areas));
  }

  private View table() {
    var columns = new ArrayList<>(List.of("layer", "accuracy", "balanced", "AUC"));
    for (int j = 1; j < probes(); j++) {
      columns.add("AUC of " + (j + 1));
    }
    if (shuffles()) {
      columns.add("shuffled");
    }
    columns.add("overlap");
    var rows = new ArrayList<List<View.Cell>>();
    List<String> names = names(slices());
    for (int i = 0; i < layers.size(); i++) {
      LayerProbes layer = layers.get(i);
      Quality quality = layer.quality();
      var row = new ArrayList<View.Cell>();
      row.add(View.Cell.of(names.get(i)));
      row.add(View.Cell.of(quality.accuracy().value()));
      row.add(View.Cell.of(quality.balanced()));
      row.add(new View.Quantity(quality.auc().value(), quality.auc().low(), quality.auc().high()));
      for (int j = 1; j < probes(); j++) {
        row.add(View.Cell.of(auc(layer, j)));
      }
      if (shuffles()) {
        row.add(View.Cell.of(layer.meanShuffled()));
      }
      row.add(View.Cell.of(layer.geometry().overlap()));
      rows.add(row);
    }
    return new View.Table(
        "Numbers by layer",
        "Of held-out texts. Overlap is that of the two classes in the picture of a layer: 0 apart,"
            + " 1 alike.",
        columns,
        rows);
  }

  private View map(Generalisation found) {
    return View.HeatMap.of(
            "Probes on other layers",
            "Does a probe learnt on one layer (row) read another (column)?",
            found.auc(),
            Scale.sequential("AUC").between(0.5, 1))
        .bottomUp();
  }

  private View readers(Generalisation found) {
    List<List<Integer>> spans = found.spans(span);
    float[] counts = new float[spans.size()];
    float[] reach = new float[spans.size()];
    for (int layer = 0; layer < counts.length; layer++) {
      counts[layer] = spans.get(layer).size();
      for (int probe : spans.get(layer)) {
        reach[probe]++;
      }
    }
    return View.Lines.over(
        "Spans",
        "How many probes read each layer (%s), and how many layers does each probe read?"
            .formatted(span),
        axis(),
        View.Panel.of(
            "count",
            View.Series.of("probes that read this layer", Grid.vector(axis(), counts)),
            View.Series.of("layers that this probe reads", Grid.vector(axis(), reach))));
  }

  /// Each layer's probe on the others (Fig 5.5); nothing where layers are not of one width.
  public List<View> generalisations() {
    return generalisation.map(found -> List.of(map(found), readers(found))).orElse(List.of());
  }

  /// How the classes lie along the first two probes of a layer, and their densities (Fig 4.9).
  ///
  /// @param place in [#layers()]
  public List<View> geometry(int place) {
    LayerProbes layer = layers.get(place);
    Geometry geometry = layer.geometry();
    boolean plane = geometry.coordinates().axis(1).size() > 1;
    var points = new ArrayList<View.Point>();
    int n = texts.size();
    int shown = Math.min(n, MOST_POINTS);
    int first = positive.indexOf(true); // so that colours are those of the densities
    for (int k = 0; k < shown; k++) {
      int i = (int) ((first + (long) k * n / shown) % n);
      points.add(
          new View.Point(
              geometry.coordinates().at(i, 0),
              plane ? geometry.coordinates().at(i, 1) : 0,
              cut(texts.get(i)),
              positive.get(i) ? positiveLabel : negativeLabel,
              List.of()));
    }
    var views = new ArrayList<View>();
    views.add(
        View.Scatter.of(
            "Classes at " + layer.slice(),
            format(
                "How do the classes lie along the probe%s? %sOverlap %.2f.",
                plane ? " and the one orthogonal to it" : "",
                shown < n ? format("%,d of %,d held-out texts. ", shown, n) : "",
                geometry.overlap()),
            "along the probe",
            plane ? "along the orthogonal probe" : "",
            points));
    for (int axis = 0; axis < (plane ? 2 : 1); axis++) {
      views.add(density(layer, axis));
    }
    return views;
  }

  private View density(LayerProbes layer, int axis) {
    Geometry geometry = layer.geometry();
    float[] places = geometry.places(axis);
    Grid x = Grid.vector(Axis.index(axis == 0 ? "θ·x" : "θ′·x", places.length), places);
    var along = Axis.index("place", places.length);
    return View.Lines.over(
        "Density along %s at %s".formatted(axis == 0 ? "the probe" : "the second", layer.slice()),
        format("How far do the classes overlap? %.2f.", geometry.overlaps().get(axis)),
        x,
        View.Panel.of(
            "density",
            View.Series.of(
                positiveLabel, Grid.vector(along, geometry.density(axis, places, positive, true))),
            View.Series.of(
                negativeLabel,
                Grid.vector(along, geometry.density(axis, places, positive, false)))));
  }

  private static String cut(String text) {
    return text.length() > LONGEST_TEXT ? text.substring(0, LONGEST_TEXT) + "…" : text;
  }

  // ---------------------------------------------------------------- arrays

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("probe_accuracy", grid(layer -> layer.quality().accuracy().value()));
    arrays.put("probe_balanced_accuracy", grid(layer -> layer.quality().balanced()));
    arrays.put("probe_auc", perLayer("probe", probes(), ProbingResult::auc));
    arrays.put("probe_auc_low", grid(layer -> layer.quality().auc().low()));
    arrays.put("probe_auc_high", grid(layer -> layer.quality().auc().high()));
    if (shuffles()) {
      int shuffles = layers.getFirst().shuffled().size();
      arrays.put(
          "probe_shuffled_auc",
          perLayer("shuffle", shuffles, (layer, k) -> layer.shuffled().get(k)));
    }
    if (atRandom()) {
      arrays.put(
          "probe_accuracy_split_at_random",
          grid(layer -> randomly(layer, quality -> quality.accuracy().value())));
      arrays.put(
          "probe_auc_split_at_random",
          grid(layer -> randomly(layer, quality -> quality.auc().value())));
    }
    arrays.put("probe_overlap", grid(layer -> layer.geometry().overlap()));
    generalisation.ifPresent(found -> {
      arrays.put("probe_generalisation", found.auc());
      arrays.put("probe_reads", reads(found));
    });
    arrays.put("probe_coordinates", coordinates());
    arrays.put(
        "probe_positive",
        Grid.integer(
            List.of(Axis.index("text", positive.size())),
            positive.stream().mapToLong(p -> p ? 1 : 0).toArray()));
    return arrays;
  }

  /// `[probe, layer]`: 1 where the probe is in the layer's span.
  private Grid reads(Generalisation found) {
    long[] reads = new long[layers.size() * layers.size()];
    List<List<Integer>> spans = found.spans(span);
    for (int layer = 0; layer < spans.size(); layer++) {
      for (int probe : spans.get(layer)) {
        reads[probe * spans.size() + layer] = 1;
      }
    }
    return Grid.integer(found.auc().axes(), reads);
  }

  /// A number of something of a layer.
  private interface Numbered {
    double of(LayerProbes layer, int number);
  }

  private Grid perLayer(String name, int count, Numbered value) {
    float[] values = new float[layers.size() * count];
    for (int i = 0; i < layers.size(); i++) {
      for (int k = 0; k < count; k++) {
        values[i * count + k] = (float) value.of(layers.get(i), k);
      }
    }
    return Grid.real(List.of(axis(), Axis.index(name, count)), values);
  }

  /// Of the pictured layers: `[layer, text, probe]`, NaN where a layer has one probe only.
  private Grid coordinates() {
    int most = Math.min(2, probes());
    float[] values = new float[pictured.size() * texts.size() * most];
    Arrays.fill(values, Float.NaN);
    int at = 0;
    for (int place : pictured) {
      Grid own = layers.get(place).geometry().coordinates();
      for (int i = 0; i < texts.size(); i++) {
        for (int j = 0; j < own.axis(1).size(); j++) {
          values[at + j] = (float) own.at(i, j);
        }
        at += most;
      }
    }
    List<String> names = names(slices());
    return Grid.real(
        List.of(
            Axis.of("layer", pictured.stream().map(names::get).toList()),
            Axis.index("text", texts.size()),
            Axis.index("probe", most)),
        values);
  }

  @Override
  public String toString() {
    return layers.stream()
        .map(layer -> format("%s %.3f", layer.slice(), layer.quality().auc().value()))
        .collect(Collectors.joining(", ", "ProbingResult[", "]"));
  }
}
