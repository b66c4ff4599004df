package dev.fathom.concepts;

import dev.fathom.Version;
import dev.fathom.concepts.Dictionary.Measure;
import dev.fathom.evaluate.Quantiles;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// What a dictionary is worth: at which layers its directions tell texts that they were not read
/// from, against shuffled labels; and which concepts are near each other at one layer.
///
/// @param layers the layers
/// @param measured of each concept at each layer: `[layer][concept]`
/// @param layer the one that concepts are shown at
/// @param concepts all, in the order of `measured`
/// @param shown some of them at that layer, those of the highest AUC first
public record DictionaryResult(
    Provenance provenance,
    List<Integer> layers,
    Map<Measure, List<double[]>> measured,
    int layer,
    List<Dictionary.Entry> concepts,
    List<Neighbourhood> shown)
    implements Result {
  private static final int NEAREST = 3;
  private static final double LOW = 0.1;
  private static final double HIGH = 0.9;

  public DictionaryResult {
    layers = List.copyOf(layers);
    measured = Map.copyOf(measured);
    concepts = List.copyOf(concepts);
    shown = List.copyOf(shown);
  }

  /// A concept and those near it.
  ///
  /// @param place among the concepts
  /// @param nearest the concepts whose directions have the highest cosine with its own, and that
  ///   cosine
  public record Neighbourhood(int place, List<Near> nearest) {
    public Neighbourhood {
      nearest = List.copyOf(nearest);
    }
  }

  /// A concept near another.
  ///
  /// @param cosine of both directions, −1 to 1
  public record Near(String name, double cosine) {}

  /// Looks through a dictionary.
  ///
  /// @param layer to show concepts at
  /// @param few concepts at most that are shown
  /// @throws IllegalArgumentException if the dictionary has no such layer
  public static DictionaryResult of(Dictionary dictionary, int layer, int few) {
    var measured = new EnumMap<Measure, List<double[]>>(Measure.class);
    for (Measure measure : Measure.values()) {
      measured.put(
          measure, dictionary.layers().stream().map(l -> dictionary.measured(l, measure)).toList());
    }
    return new DictionaryResult(
        provenance(dictionary),
        dictionary.layers(),
        measured,
        layer,
        dictionary.entries(),
        neighbourhoods(dictionary, layer, few));
  }

  /// Where a dictionary's numbers come from.
  public static Provenance provenance(Dictionary dictionary) {
    var card = dictionary.card();
    return new Provenance(
        card.baseName(),
        card.baseSha256(),
        Version.current(),
        List.of(),
        List.of(),
        card.parameters(),
        card.seed(),
        "f32",
        0,
        0);
  }

  private static List<Neighbourhood> neighbourhoods(Dictionary dictionary, int layer, int few) {
    int nearest = Math.min(NEAREST, dictionary.count() - 1);
    double[] auc = dictionary.measured(layer, Measure.AUC);
    int[] shown =
        IntStream.range(0, auc.length)
            .boxed()
            .sorted(
                Comparator.comparingDouble(
                    i -> Double.isNaN(auc[i]) ? Double.POSITIVE_INFINITY : -auc[i]))
            .limit(few)
            .mapToInt(Integer::intValue)
            .toArray();
    var all = new ArrayList<Neighbourhood>();
    try (var scope = Scope.withoutGradients()) {
      Tensor directions = dictionary.directions(layer);
      Tensor turned = directions.transpose(0, 1);
      for (int own : shown) {
        try (var inner = Scope.withoutGradients()) {
          Tensor cosines = directions.narrow(0, own, 1).matmul(turned).squeeze(0);
          var top = cosines.topK(nearest + 1L, 0);
          long[] places = top.indices().toLongs();
          double[] values = top.values().to(DType.F64).toDoubles();
          all.add(
              new Neighbourhood(
                  own,
                  IntStream.range(0, places.length)
                      .filter(n -> places[n] != own)
                      .limit(nearest)
                      .mapToObj(n ->
                          new Near(dictionary.entries().get((int) places[n]).name(), values[n]))
                      .toList()));
        }
      }
    }
    return all;
  }

  @Override
  public String method() {
    return "concepts";
  }

  /// The median over concepts of what is known at a layer; NaN where nothing was held out.
  public double median(Measure measure, int layer) {
    return Quantiles.median(values(measure, layer));
  }

  /// The concepts' values at a layer.
  private double[] values(Measure measure, int layer) {
    return measured.getOrDefault(measure, List.of()).get(layers.indexOf(layer));
  }

  private double mean(Measure measure, int layer) {
    return Arrays.stream(values(measure, layer))
        .filter(x -> !Double.isNaN(x))
        .average()
        .orElse(Double.NaN);
  }

  // ---------------------------------------------------------------- pictures

  @Override
  public List<View> views() {
    return List.of(summary(), curves(), table());
  }

  private static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  private View summary() {
    var sentences = new ArrayList<String>();
    sentences.add(
        format(
            "%,d concepts at %d layers of %s, %s.",
            concepts.size(),
            layers.size(),
            provenance.parameters().getOrDefault("site", ""),
            provenance.parameters().getOrDefault("reading", "")));
    double auc = median(Measure.AUC, layer);
    if (Double.isNaN(auc)) {
      sentences.add(
          "Nothing was held out, so nothing is known of how good it is: give at least 5 texts a"
              + " concept.");
    } else {
      sentences.add(
          format(
              "At layer %d the median direction puts a held-out text with its concept before one"
                  + " without with an AUC of %.3f (10 to 90 %% of concepts: %.3f to %.3f); read"
                  + " from shuffled labels, %.3f.",
              layer,
              auc,
              Quantiles.of(values(Measure.AUC, layer), LOW),
              Quantiles.of(values(Measure.AUC, layer), HIGH),
              median(Measure.SHUFFLED, layer)));
      sentences.add(
          format(
              "Among all concepts a held-out text's own is first in %.1f %% and among the first"
                  + " five in %.1f %% (chance: %.1f and %.1f %%).",
              100 * mean(Measure.TOP1, layer),
              100 * mean(Measure.TOP5, layer),
              100.0 / concepts.size(),
              Math.min(100, 500.0 / concepts.size())));
    }
    if (provenance.parameters().getOrDefault("naming", "").equals("own")) {
      sentences.add(
          "Texts without a concept had another name in the template: it alone tells them.");
    }
    return View.Text.of("In short", String.join(" ", sentences));
  }

  private Grid grid(ToDoubleFunction<Integer> value) {
    float[] values = new float[layers.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) value.applyAsDouble(layers.get(i));
    }
    return Grid.vector(axis(), values);
  }

  private Axis axis() {
    return Axis.of("layer", layers.stream().map(String::valueOf).toList());
  }

  private View.Series medians(String name, Measure measure) {
    return View.Series.of(name, grid(l -> median(measure, l)))
        .within(
            grid(l -> Quantiles.of(values(measure, l), LOW)),
            grid(l -> Quantiles.of(values(measure, l), HIGH)));
  }

  private View curves() {
    return View.Lines.over(
        "Directions by layer",
        "At which layers does a concept's direction tell texts it was not read from, and are both"
            + " halves of its texts agreed on it? Medians; bands are 10 to 90 % of concepts.",
        axis(),
        View.Panel.of(
            "AUC", medians("held-out texts", Measure.AUC), medians("shuffled", Measure.SHUFFLED)),
        View.Panel.of("cosine of halves", medians("stability", Measure.STABILITY)),
        View.Panel.of(
            "share of held-out texts",
            View.Series.of("own concept first", grid(l -> mean(Measure.TOP1, l))),
            View.Series.of("among the first five", grid(l -> mean(Measure.TOP5, l))),
            View.Series.of("first by chance", grid(_ -> 1.0 / concepts.size()))));
  }

  private View table() {
    boolean grouped = concepts.stream().anyMatch(concept -> concept.group().isPresent());
    var columns = new ArrayList<String>(List.of("concept"));
    if (grouped) {
      columns.add("group");
    }
    columns.addAll(List.of("AUC", "stability", "explained", "nearest"));
    var rows = new ArrayList<List<View.Cell>>();
    for (Neighbourhood neighbourhood : shown) {
      var row = new ArrayList<View.Cell>();
      Dictionary.Entry concept = concepts.get(neighbourhood.place);
      row.add(View.Cell.of(concept.name()));
      if (grouped) {
        row.add(View.Cell.of(concept.group().orElse("")));
      }
      for (Measure measure : List.of(Measure.AUC, Measure.STABILITY, Measure.EXPLAINED)) {
        row.add(View.Cell.of(values(measure, layer)[neighbourhood.place]));
      }
      row.add(
          View.Cell.of(
              neighbourhood.nearest.stream()
                  .map(near -> format("%s %.2f", near.name, near.cosine))
                  .collect(Collectors.joining(", "))));
      rows.add(row);
    }
    return new View.Table(
        "Concepts at layer " + layer,
        format(
            "Which concepts are read well, and which are near each other (cosine of directions)?%s",
            shown.size() < concepts.size()
                ? format(" The %d of %d with the highest AUC.", shown.size(), concepts.size())
                : ""),
        columns,
        rows);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    Axis names = Axis.of("concept", concepts.stream().map(Dictionary.Entry::name).toList());
    for (Measure measure : Measure.values()) {
      List<double[]> values = measured.getOrDefault(measure, List.of());
      float[] all = new float[layers.size() * concepts.size()];
      for (int l = 0; l < layers.size(); l++) {
        for (int c = 0; c < concepts.size(); c++) {
          all[l * concepts.size() + c] = (float) values.get(l)[c];
        }
      }
      arrays.put(measure.tensor(), Grid.real(List.of(axis(), names), all));
    }
    return arrays;
  }
}
