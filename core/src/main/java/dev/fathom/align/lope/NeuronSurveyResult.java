package dev.fathom.align.lope;

import dev.fathom.align.lope.BiasNeurons.Found;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import dev.fathom.view.View.Cell;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Function;
import java.util.function.IntToDoubleFunction;
import org.jspecify.annotations.Nullable;

/// What [NeuronSurvey] found.
///
/// @param layers of the model
/// @param gated whether any MLP is
/// @param probes the layer of each probe
/// @param found the neurons of each probe, best first
/// @param random those of as many random directions
/// @param neurons each that was found, once, by layer and index
/// @param groups the texts they were read on, and how they fired
public record NeuronSurveyResult(
    Provenance provenance,
    int layers,
    boolean gated,
    List<Integer> probes,
    List<List<Found>> found,
    List<List<Found>> random,
    List<Neuron> neurons,
    List<Group> groups)
    implements Result {
  /// Neighbours of a probe's layer: so many layers to either side.
  private static final int NEAR = 3;

  /// Cosines below so many times those of random directions are no more than they.
  private static final double BEYOND_CHANCE = 1.1;

  private static final int MOST_ROWS = 20;
  private static final int WORDS = 3;

  public NeuronSurveyResult {
    probes = List.copyOf(probes);
    found = found.stream().map(List::copyOf).toList();
    random = random.stream().map(List::copyOf).toList();
    neurons = List.copyOf(neurons);
    groups = List.copyOf(groups);
  }

  /// A neuron that at least one probe found.
  ///
  /// @param cosine the greatest, by size, of those with the probes that found it
  /// @param probe the layer of the probe it is of
  /// @param foundBy how many probes found it
  /// @param promotes tokens that a positive activation makes likelier, best first; none where the
  ///   head reads no vector by itself
  /// @param suppresses tokens it makes less likely
  public record Neuron(
      int layer,
      int index,
      double cosine,
      int probe,
      int foundBy,
      List<String> promotes,
      List<String> suppresses) {
    public Neuron {
      promotes = List.copyOf(promotes);
      suppresses = List.copyOf(suppresses);
    }

    /// Such as `12.345`.
    public String name() {
      return layer + "." + index;
    }
  }

  /// How the neurons fire on texts of one kind.
  ///
  /// @param texts how many
  /// @param tokens of them, without those that a tokenizer puts around a text
  /// @param rates of each neuron: the share of tokens with a positive activation
  /// @param means of each neuron's activations
  /// @param rate of all found neurons of a layer
  /// @param mean of all found neurons of a layer
  public record Group(
      String name,
      int texts,
      long tokens,
      List<Double> rates,
      List<Double> means,
      Curve rate,
      Curve mean) {
    public Group {
      rates = List.copyOf(rates);
      means = List.copyOf(means);
    }

    private double overall(List<Double> values) {
      return values.stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN);
    }
  }

  /// A value by layer with 95 % between the ends, `[layer]`; NaN where no neuron was found.
  public record Curve(Grid value, Grid low, Grid high) {}

  @Override
  public String method() {
    return "bias-neurons";
  }

  // ---------------------------------------------------------------- where they are

  /// The share of found neurons within three layers of their probe's.
  public double near() {
    return near(found);
  }

  private double near(List<List<Found>> by) {
    double near = 0;
    double all = 0;
    for (int p = 0; p < by.size(); p++) {
      near += near(p, by.get(p)) * by.get(p).size();
      all += by.get(p).size();
    }
    return near / all;
  }

  private double near(int probe, List<Found> own) {
    double near =
        own.stream().filter(one -> Math.abs(one.layer() - probes.get(probe)) <= NEAR).count();
    return near / own.size();
  }

  /// The same share if neurons were spread evenly over the layers.
  public double nearByChance() {
    double sum = 0;
    for (int p = 0; p < probes.size(); p++) {
      sum += nearByChance(p);
    }
    return sum / probes.size();
  }

  private double nearByChance(int probe) {
    int from = Math.max(0, probes.get(probe) - NEAR);
    int to = Math.min(layers - 1, probes.get(probe) + NEAR);
    return (to - from + 1.0) / layers;
  }

  private static double best(List<Found> own) {
    return own.stream().mapToDouble(one -> Math.abs(one.cosine())).max().orElse(Double.NaN);
  }

  private static double least(List<Found> own) {
    return own.stream().mapToDouble(one -> Math.abs(one.cosine())).min().orElse(Double.NaN);
  }

  private static double mean(List<List<Found>> by) {
    return by.stream()
        .flatMap(List::stream)
        .mapToDouble(one -> Math.abs(one.cosine()))
        .average()
        .orElse(Double.NaN);
  }

  // ---------------------------------------------------------------- pictures

  @Override
  public List<View> views() {
    var views = new ArrayList<View>(List.of(View.Text.of("In short", summary())));
    views.add(map());
    views.add(cosines());
    views.add(table());
    views.add(rates());
    views.add(means());
    return views;
  }

  private static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  private String[] summary() {
    return new String[] {places(), firing()};
  }

  /// Where the neurons are, in a few sentences.
  public String places() {
    return format(
        "%d probes, %d neurons each, %d different ones. %.0f %% lie within %d layers of their"
            + " probe's; evenly spread over the layers it would be %.0f %%, and of as many random"
            + " directions it is %.0f %%. Mean cosine %.3f, of random directions %.3f.",
        probes.size(),
        found.getFirst().size(),
        neurons.size(),
        100 * near(),
        NEAR,
        100 * nearByChance(),
        100 * near(random),
        mean(found),
        mean(random),
        mean(found) < BEYOND_CHANCE * mean(random)
            ? " That is chance: among so many neurons any direction has as good ones."
            : "");
  }

  /// How they fire, in a few sentences.
  public String firing() {
    var said = new StringBuilder();
    for (Group group : groups) {
      said.append(
          format(
              "%s (%,d texts): above 0 for %.1f %% of (neuron, token), mean %.4f. ",
              group.name,
              group.texts,
              100 * group.overall(group.rates),
              group.overall(group.means)));
    }
    if (gated) {
      said.append(
          "MLPs here are gated: activations below 0 are common, and then a neuron writes against"
              + " the probe.");
    }
    return said.toString().strip();
  }

  private List<String> layerNames(List<Integer> of) {
    return of.stream().map(layer -> Integer.toString(layer)).toList();
  }

  private Axis probeAxis() {
    return Axis.of("probe", layerNames(probes));
  }

  /// How many neurons of each layer each probe found (Fig 4.10).
  public View map() {
    Map<String, Neuron> byName = new HashMap<>();
    neurons.forEach(neuron -> byName.put(neuron.name(), neuron));
    long[] counts = counts();
    float[] shown = new float[counts.length]; // a cell without a neuron is empty
    for (int c = 0; c < shown.length; c++) {
      shown[c] = counts[c] == 0 ? Float.NaN : counts[c];
    }
    var labels = new ArrayList<List<String>>();
    var details = new ArrayList<List<List<String>>>();
    for (int p = 0; p < probes.size(); p++) {
      List<Found> own = found.get(p);
      var row = new ArrayList<String>();
      var tips = new ArrayList<List<String>>();
      for (int layer = 0; layer < layers; layer++) {
        int column = layer;
        long count = counts[p * layers + layer];
        row.add(count == 0 ? "" : Long.toString(count));
        tips.add(
            own.stream()
                .filter(one -> one.layer() == column)
                .map(one -> detail(one, byName.get(one.layer() + "." + one.neuron())))
                .toList());
      }
      labels.add(row);
      details.add(tips);
    }
    return View.HeatMap.of(
            "Neurons along each probe",
            "In which layers (columns) are the neurons that write along the probe of a layer"
                + " (rows)?",
            Grid.real(List.of(probeAxis(), Axis.index("layer", layers)), shown),
            Scale.sequential("neurons"))
        .withLabels(labels)
        .withDetails(details)
        .bottomUp();
  }

  private static String detail(Found one, @Nullable Neuron neuron) {
    String words = neuron == null ? "" : words(neuron.promotes);
    return format("%d.%d, cosine %.3f %s", one.layer(), one.neuron(), one.cosine(), words).strip();
  }

  private long[] counts() {
    long[] counts = new long[probes.size() * layers];
    for (int p = 0; p < probes.size(); p++) {
      for (Found one : found.get(p)) {
        counts[p * layers + one.layer()]++;
      }
    }
    return counts;
  }

  private Grid byProbe(IntToDoubleFunction value) {
    float[] values = new float[probes.size()];
    for (int p = 0; p < values.length; p++) {
      values[p] = (float) value.applyAsDouble(p);
    }
    return Grid.vector(probeAxis(), values);
  }

  /// How well neurons point along each probe, and how near they are, beside chance.
  public View cosines() {
    return View.Lines.over(
        "Cosines by probe",
        "How well do neurons point along each probe, and how near are they? Beside it, chance.",
        probeAxis(),
        View.Panel.of(
            "cosine",
            View.Series.of("the best neuron", byProbe(p -> best(found.get(p)))),
            View.Series.of("the last that was taken", byProbe(p -> least(found.get(p)))),
            View.Series.of(
                "the best of a random direction",
                byProbe(p -> p < random.size() ? best(random.get(p)) : Double.NaN))),
        View.Panel.of(
            format("share within %d layers", NEAR),
            View.Series.of("found", byProbe(p -> near(p, found.get(p)))),
            View.Series.of("evenly spread", byProbe(this::nearByChance))));
  }

  private View table() {
    List<Neuron> shown =
        neurons.stream()
            .sorted(Comparator.comparingDouble((Neuron neuron) -> -Math.abs(neuron.cosine)))
            .limit(MOST_ROWS)
            .toList();
    var columns = new ArrayList<>(List.of("neuron", "cosine", "probe", "probes"));
    List<Group> beside = groups.subList(0, Math.min(2, groups.size())); // arrays have all
    beside.forEach(group -> columns.add("m, " + group.name));
    boolean readable = neurons.stream().anyMatch(neuron -> !neuron.promotes.isEmpty());
    if (readable) {
      columns.addAll(List.of("promotes", "suppresses"));
    }
    var rows = new ArrayList<List<Cell>>();
    for (Neuron neuron : shown) {
      int place = neurons.indexOf(neuron);
      var row = new ArrayList<Cell>();
      row.add(Cell.of(neuron.name()));
      row.add(Cell.of(neuron.cosine));
      row.add(Cell.of(Integer.toString(neuron.probe)));
      row.add(Cell.of(neuron.foundBy));
      beside.forEach(group -> row.add(Cell.of(group.means.get(place))));
      if (readable) {
        row.add(Cell.of(words(neuron.promotes)));
        row.add(Cell.of(words(neuron.suppresses)));
      }
      rows.add(row);
    }
    return new View.Table(
        shown.size() < neurons.size()
            ? "The %d of %d neurons of the greatest cosine".formatted(shown.size(), neurons.size())
            : "Neurons",
        "What do they say? Their layer and index; the probe they point along most and how many"
            + " found them; mean activations; tokens that a positive activation makes likelier and"
            + " less likely.",
        columns,
        rows);
  }

  private static String words(List<String> tokens) {
    return String.join(" ", tokens.stream().limit(WORDS).map(token -> "'" + token + "'").toList());
  }

  /// How often the found neurons of each layer fire (Fig 5.6).
  public View rates() {
    return curves(
        "How often they fire",
        "For which share of (neuron, token) is the activation above 0?",
        "share",
        Group::rate);
  }

  /// Mean activations of the found neurons of each layer (Fig 5.7).
  public View means() {
    return curves(
        "How much they fire",
        "What is the mean activation of a layer's neurons?",
        "m",
        Group::mean);
  }

  private View curves(String title, String question, String unit, Function<Group, Curve> curve) {
    return View.Lines.over(
        title,
        question,
        Axis.index("layer", layers),
        View.Panel.of(
            unit,
            groups.stream()
                .map(group -> {
                  Curve own = curve.apply(group);
                  return View.Series.of(group.name, own.value).within(own.low, own.high);
                })
                .toArray(View.Series[]::new)));
  }

  // ---------------------------------------------------------------- arrays

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.putAll(foundArrays());
    List<String> names = groups.stream().map(Group::name).toList();
    var axis = Axis.of("texts", names);
    var layer = Axis.index("layer", layers);
    arrays.put("activation_rate", stacked(axis, layer, group -> group.rate.value));
    arrays.put("activation_rate_low", stacked(axis, layer, group -> group.rate.low));
    arrays.put("activation_rate_high", stacked(axis, layer, group -> group.rate.high));
    arrays.put("activation_mean", stacked(axis, layer, group -> group.mean.value));
    arrays.put("activation_mean_low", stacked(axis, layer, group -> group.mean.low));
    arrays.put("activation_mean_high", stacked(axis, layer, group -> group.mean.high));
    var neuron = Axis.of("neuron", neurons.stream().map(Neuron::name).toList());
    arrays.put("neuron_rate", stacked(axis, neuron, group -> grid(neuron, group.rates)));
    arrays.put("neuron_mean", stacked(axis, neuron, group -> grid(neuron, group.means)));
    return arrays;
  }

  /// Which neurons each probe found.
  public SequencedMap<String, Grid> foundArrays() {
    int k = found.getFirst().size();
    List<Axis> axes = List.of(probeAxis(), Axis.index("rank", k));
    long[] layer = new long[found.size() * k];
    long[] index = new long[layer.length];
    float[] cosine = new float[layer.length];
    for (int p = 0; p < found.size(); p++) {
      for (int rank = 0; rank < k; rank++) {
        Found one = found.get(p).get(rank);
        layer[p * k + rank] = one.layer();
        index[p * k + rank] = one.neuron();
        cosine[p * k + rank] = (float) one.cosine();
      }
    }
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("found_layer", Grid.integer(axes, layer));
    arrays.put("found_neuron", Grid.integer(axes, index));
    arrays.put("found_cosine", Grid.real(axes, cosine));
    arrays.put(
        "found_count", Grid.integer(List.of(probeAxis(), Axis.index("layer", layers)), counts()));
    return arrays;
  }

  private static Grid grid(Axis axis, List<Double> values) {
    float[] own = new float[values.size()];
    for (int i = 0; i < own.length; i++) {
      own[i] = values.get(i).floatValue();
    }
    return Grid.vector(axis, own);
  }

  private Grid stacked(Axis axis, Axis along, Function<Group, Grid> of) {
    float[] values = new float[axis.size() * along.size()];
    for (int g = 0; g < groups.size(); g++) {
      System.arraycopy(of.apply(groups.get(g)).values(), 0, values, g * along.size(), along.size());
    }
    return Grid.real(List.of(axis, along), values);
  }
}
