package dev.fathom.align.lope;

import dev.fathom.align.Basis;
import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.align.probe.Features;
import dev.fathom.align.probe.Probing;
import dev.fathom.align.probe.ProbingResult;
import dev.fathom.align.probe.SpanRule;
import dev.fathom.align.probe.Split;
import dev.fathom.align.probe.TwoClasses;
import dev.fathom.data.LabelledText;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.edit.Edits;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.model.Block;
import dev.fathom.model.Kind;
import dev.fathom.model.Linear;
import dev.fathom.model.Linears;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/// Layer-wise probing and editing (thesis section 5.2). A probe of each layer tells biased
/// sentences from others; S_l are the probes that read layer l well. The k value vectors of the
/// layer that point along them best lose what they have of them (eq 5.1, 5.2), and what these
/// neurons add on average is taken out of the MLP's output (eq 5.3):
///
///     v ← v − Q Qᵀ v            h_mlp ← h_mlp − γ α_l θ̄_l   where α_l > 0
///
/// with Q an orthonormal basis of S_l's span, α_l the mean activation of these neurons on
/// stereotypes, in the unedited model, and θ̄_l the mean of the probes. Both are changes of
/// weights: columns of the down-projection and its bias. With [Alpha#DYNAMIC] α_l is the mean
/// activation at the token at hand instead, which no weight can hold: that is done while the model
/// computes.
///
/// The thesis' own form multiplies by `I − Σ θθᵀ` instead of the projector. Probes of neighbouring
/// layers are nearly parallel, so that this turns their common direction round and makes it larger:
/// the sum's greatest eigenvalue ([Layer#largestEigenvalue]) is 1 only where it is a projector. It
/// is in the edit's card.
///
/// Where a norm follows the MLP, directions are taken through its gain ([Written]), and there is no
/// adjustment: it is refused, for no bias adds a constant to the stream there.
///
/// It misleads where probes read something else that goes with the labels. Unrelated sentences
/// ([Labels#REST], the thesis' most likely choice) are easy to tell by their meaninglessness, so
/// that LoPE may take out what tells sense from nonsense: look at LMS.
///
/// @param name what the preset is called
/// @param labels which sentences are told apart
/// @param acting which probes act on a layer
/// @param directions which of each layer, and how many of them stay
/// @param form of the weight edit
/// @param neurons edited and adjusted in each layer: k; 0 for none
/// @param strength of the adjustment: γ; 0 for none
/// @param alpha by what the adjustment is measured
/// @param edits whether weights are edited
public record Lope(
    String name,
    Labels labels,
    Acting acting,
    Directions directions,
    Form form,
    int neurons,
    double strength,
    Alpha alpha,
    boolean edits)
    implements Method {
  private static final String RANDOM = "-random";

  public Lope {
    if (neurons < 0 || !(strength >= 0)) {
      throw new IllegalArgumentException(
          "neurons and strength are at least 0, found %d and %s".formatted(neurons, strength));
    }
  }

  /// Which sentences a probe tells from the stereotypes.
  public enum Labels {
    /// Anti-stereotypes: what bias is about, and hard to tell.
    ANTI,
    /// Meaningless ones: easy to tell, by their meaninglessness.
    UNRELATED,
    /// Both.
    REST
  }

  /// How value vectors are edited.
  public enum Form {
    /// The part within the probes' span is taken out.
    PROJECTOR,
    /// `(I − Σ θθᵀ) v`, as the thesis has it.
    THESIS
  }

  /// Which directions a layer's probes are.
  ///
  /// @param each how many orthogonal probes each layer has: the first, the second …
  /// @param most of the leading directions of all that act on a layer are taken out by the
  ///   projector, at most
  /// @param random whether unit vectors drawn at random stand in for the probes: the control
  public record Directions(int each, int most, boolean random) {
    /// Of each layer its first probe, and of those that act all.
    public static final Directions FIRST = new Directions(1, Integer.MAX_VALUE, false);

    public Directions {
      if (each < 1 || most < 1) {
        throw new IllegalArgumentException(
            "at least 1 probe of each layer and 1 direction are needed, found %d and %d"
                .formatted(each, most));
      }
    }
  }

  /// What α_l is.
  public enum Alpha {
    /// The mean activation of the neurons on stereotypes, each sentence counting the same: a
    /// constant, which a bias can hold.
    STATIC,
    /// Their mean at the token at hand: done while the model computes, so it is no edit of weights.
    DYNAMIC
  }

  /// Which probes act on a layer.
  public sealed interface Acting {
    /// Those that read it well.
    record Reading(SpanRule rule) implements Acting {}

    /// Those of all layers.
    record All() implements Acting {}

    /// That of the last layer.
    record Last() implements Acting {}
  }

  private static final Acting WELL_READ = new Acting.Reading(new SpanRule.Threshold(0.9));

  private static Lope preset(
      String name, Acting acting, Form form, double strength, boolean edits) {
    return new Lope(
        name, Labels.REST, acting, Directions.FIRST, form, 10, strength, Alpha.STATIC, edits);
  }

  /// As the thesis has it.
  public static Lope thesis() {
    return preset("thesis", WELL_READ, Form.THESIS, 1, true);
  }

  /// With a projector.
  public static Lope standard() {
    return preset("lope", WELL_READ, Form.PROJECTOR, 1, true);
  }

  /// Without the adjustment.
  public static Lope editOnly() {
    return preset("editOnly", WELL_READ, Form.PROJECTOR, 0, true);
  }

  /// Without the edit of value vectors.
  public static Lope adjustOnly() {
    return preset("adjustOnly", WELL_READ, Form.PROJECTOR, 1, false);
  }

  /// With all probes at every layer.
  public static Lope allProbes() {
    return preset("allProbes", new Acting.All(), Form.PROJECTOR, 1, true);
  }

  /// Only the last layer's probe, as Lee et al. 2024 have it.
  public static Lope lastProbe() {
    return preset("lastProbe", new Acting.Last(), Form.PROJECTOR, 1, true);
  }

  /// All presets.
  public static List<Lope> presets() {
    return List.of(thesis(), standard(), editOnly(), adjustOnly(), allProbes(), lastProbe());
  }

  /// Eight settings to choose from.
  public static List<Lope> grid() {
    var grid = new ArrayList<Lope>();
    for (double threshold : new double[] {0.9, 0.8}) {
      var acting = new Acting.Reading(new SpanRule.Threshold(threshold));
      for (int k : new int[] {10, 100}) {
        for (double gamma : new double[] {1, 4}) {
          grid.add(standard().with(acting).withNeurons(k).withStrength(gamma));
        }
      }
    }
    return grid;
  }

  /// The same with another k.
  public Lope withNeurons(int neurons) {
    return new Lope(name, labels, acting, directions, form, neurons, strength, alpha, edits);
  }

  /// The same with other probes acting.
  public Lope with(Acting acting) {
    return new Lope(name, labels, acting, directions, form, neurons, strength, alpha, edits);
  }

  /// The same with probes of other sentences.
  public Lope with(Labels labels) {
    return new Lope(name, labels, acting, directions, form, neurons, strength, alpha, edits);
  }

  /// The same with other directions of each layer; with random ones it is a control, and called so.
  public Lope with(Directions directions) {
    boolean renamed = directions.random && !name.endsWith(RANDOM);
    String called = renamed ? name + RANDOM : name;
    return new Lope(called, labels, acting, directions, form, neurons, strength, alpha, edits);
  }

  /// The same with α measured otherwise.
  public Lope with(Alpha alpha) {
    return new Lope(name, labels, acting, directions, form, neurons, strength, alpha, edits);
  }

  /// The same with random directions, as many: the control.
  public Lope atRandom() {
    return with(new Directions(directions.each, directions.most, true));
  }

  /// The same with another γ.
  public Lope withStrength(double strength) {
    return new Lope(name, labels, acting, directions, form, neurons, strength, alpha, edits);
  }

  @Override
  public SequencedMap<String, String> settings() {
    var settings = new LinkedHashMap<String, String>();
    settings.put("labels", labels.name().toLowerCase(Locale.ROOT));
    settings.put(
        "probes",
        switch (acting) {
          case Acting.Reading(SpanRule rule) -> rule.toString();
          case Acting.All() -> "all";
          case Acting.Last() -> "last";
        });
    if (directions.each > 1) {
      settings.put("probes of each layer", Integer.toString(directions.each));
    }
    if (directions.most < Integer.MAX_VALUE) {
      settings.put("directions", "at most " + directions.most);
    }
    settings.put("form", form.name().toLowerCase(Locale.ROOT));
    settings.put("k", Integer.toString(neurons));
    settings.put("gamma", Double.toString(strength));
    if (alpha == Alpha.DYNAMIC) {
      settings.put("alpha", "dynamic");
    }
    settings.put("edit", Boolean.toString(edits));
    return settings;
  }

  // ---------------------------------------------------------------- what acts where

  /// What acts on a layer.
  ///
  /// @param directions of the probes in S_l, unit vectors; none where nothing is done
  /// @param neurons the value vectors that point along them best
  public record Layer(int layer, List<double[]> directions, List<BiasNeurons.Found> neurons) {
    public Layer {
      directions = List.copyOf(directions);
      neurons = List.copyOf(neurons);
    }

    /// The mean of the directions: θ̄.
    double[] mean() {
      double[] mean = new double[directions.getFirst().length];
      for (double[] direction : directions) {
        for (int i = 0; i < mean.length; i++) {
          mean[i] += direction[i] / directions.size();
        }
      }
      return mean;
    }

    /// The greatest eigenvalue of `Σ θθᵀ`: 1 where the thesis' form is a projector, more where
    /// directions resemble each other; 0 without directions.
    public double largestEigenvalue() {
      if (directions.isEmpty()) {
        return 0;
      }
      try (var scope = Scope.withoutGradients()) {
        return Lope.largestEigenvalue(Tensor.ofRows(directions));
      }
    }
  }

  /// The greatest eigenvalue of `Σ θθᵀ` is that of the directions' products, which are fewer.
  private static double largestEigenvalue(Tensor directions) {
    return directions.matmul(directions.transpose(0, 1)).eigen().values().max().item();
  }

  /// Probes the layers of a model and chooses what acts on each.
  public List<Layer> layers(Fitting fitting) {
    List<Slice> slices = Features.everyLayer(fitting.model(), Kind.RESID_POST);
    ProbingResult probing =
        fitting.shared().of(new Probed(labels, directions.each), () -> probed(fitting, slices));
    List<List<double[]>> probes = probes(probing, fitting.seed());
    List<List<Integer>> spans =
        switch (acting) {
          case Acting.Reading(SpanRule rule) -> probing.generalisation().orElseThrow().spans(rule);
          case Acting.All() ->
              slices.stream().map(_ -> IntStream.range(0, slices.size()).boxed().toList()).toList();
          case Acting.Last() -> slices.stream().map(_ -> List.of(slices.size() - 1)).toList();
        };
    var layers = new ArrayList<Layer>();
    for (int l = 0; l < spans.size(); l++) {
      List<double[]> own = spans.get(l).stream().map(probes::get).flatMap(List::stream).toList();
      layers.add(
          own.isEmpty() || neurons == 0
              ? new Layer(l, List.of(), List.of())
              : new Layer(l, own, found(fitting.model(), l, own)));
    }
    return layers;
  }

  /// The directions of each layer, in the order of [Directions].
  private List<List<double[]>> probes(ProbingResult probing, long seed) {
    var random = new Random(seed);
    return probing.layers().stream()
        .map(layer ->
            layer.probes().stream()
                .map(fitted -> fitted.probe().direction())
                .filter(Lope::isSomething)
                .map(direction ->
                    directions.random ? drawn(direction.length, random.nextLong()) : direction)
                .toList())
        .toList();
  }

  private static double[] drawn(int width, long seed) {
    return Basis.random(1, width, seed).directions().getFirst();
  }

  /// A probe that found nothing to learn has a direction of zeros.
  static boolean isSomething(double[] direction) {
    return Arrays.stream(direction).anyMatch(x -> x != 0);
  }

  private List<BiasNeurons.Found> found(Transformer model, int layer, List<double[]> directions) {
    try (var scope = Scope.withoutGradients()) {
      return BiasNeurons.ofLayer(model, layer, Tensor.ofRows(directions), neurons);
    }
  }

  /// What probes depend on.
  private record Probed(Labels labels, int each) {}

  private ProbingResult probed(Fitting fitting, List<Slice> slices) {
    TwoClasses data = StereotypeTexts.classes(fitting.items(), labels);
    Split split = StereotypeTexts.split(data, fitting.seed());
    try (Features features =
        fitting.features(data.texts().stream().map(LabelledText::text).toList(), slices)) {
      var config =
          Probing.Config.standard()
              .withProbes(directions.each)
              .withShuffles(0)
              .withSeed(fitting.seed());
      return Probing.run(fitting.model(), features, data, split, config, () -> {});
    }
  }

  @Override
  public Remedy fit(Fitting fitting) {
    requireAdding(fitting.model()); // sooner than probes are fitted
    List<Layer> layers = layers(fitting);
    return alpha == Alpha.DYNAMIC && strength > 0
        ? dynamic(withStrength(0).edit(fitting, layers), layers)
        : new Remedy.OfWeights(edit(fitting, layers));
  }

  // ---------------------------------------------------------------- while the model computes

  /// The edit, with the adjustment at each token by what the neurons do there.
  Remedy dynamic(Edit edit, List<Layer> layers) {
    return new Remedy.AtRunTime(
        name,
        model -> {
          Transformer edited = Edits.apply(model, List.of(edit));
          Transformer adjusted = adjusted(edited, layers);
          return new Remedy.Treated(
              adjusted, TokenScorer.of(adjusted), Optional.of(adjusted), edited::close);
        });
  }

  private Transformer adjusted(Transformer model, List<Layer> layers) {
    var acting = new IdentityHashMap<Linear, Linear>();
    for (Layer layer : layers) {
      if (!layer.neurons().isEmpty()) {
        Block block = model.blocks().get(layer.layer());
        double factor = strength / block.steps().multiplier();
        acting.put(block.mlp().out(), block.mlp().out().with(adjusting(layer, factor)));
      }
    }
    return Linears.replaced(
        model, model.card(), linear -> acting.getOrDefault(linear, linear), () -> {});
  }

  /// `y − factor · max(0, mean m) · θ̄` at each token.
  private static Linear.Adapter adjusting(Layer layer, double factor) {
    long[] neurons =
        layer.neurons().stream().mapToLong(BiasNeurons.Found::neuron).sorted().toArray();
    double[] mean = layer.mean();
    return (map, m) -> {
      Tensor y = map.plain(m); // [tokens, dModel]
      Tensor by = m.indexSelect(1, neurons).wide().mean(1, true).relu().mul(factor);
      Tensor along = Tensor.of(mean, 1, mean.length).to(by.dtype());
      return y.sub(by.matmul(along).to(y.dtype()));
    };
  }

  // ---------------------------------------------------------------- what is changed

  /// Refuses an adjustment that no bias can make.
  private void requireAdding(Transformer model) {
    if (strength > 0 && model.blocks().stream().anyMatch(Written::normalised)) {
      throw new IllegalArgumentException(
          ("LoPE's adjustment adds a constant to what MLPs add to the stream, but this %s model"
                  + " normalises that first, and no bias does the same: choose editOnly.")
              .formatted(model.card().family()));
    }
  }

  /// The edit that follows from what acts where; the activations of the neurons are those of the
  /// unedited model.
  ///
  /// @throws IllegalArgumentException if there is to be an adjustment, and the model normalises
  ///   what its MLPs write
  public Edit edit(Fitting fitting, List<Layer> layers) {
    Transformer model = fitting.model();
    requireAdding(model);
    List<Layer> acting = layers.stream().filter(layer -> !layer.neurons().isEmpty()).toList();
    Map<Integer, Double> activations = strength == 0 ? Map.of() : activations(fitting, acting);
    var changes = new ArrayList<Change>();
    double largest = 0;
    for (Layer layer : acting) {
      Block block = model.blocks().get(layer.layer());
      try (var scope = Scope.withoutGradients()) {
        if (edits) {
          Tensor read = Written.read(block, Tensor.ofRows(layer.directions()));
          largest = Math.max(largest, largestEigenvalue(read));
          changes.add(columns(block.mlp().out(), layer, read));
        }
        double alpha = activations.getOrDefault(layer.layer(), 0.0);
        if (alpha > 0) {
          changes.add(adjustment(block, layer.mean(), strength * alpha));
        }
      }
    }
    var found = new LinkedHashMap<String, String>();
    found.put("layers with probes", "%d of %d".formatted(acting.size(), model.layers()));
    long adjusted = activations.values().stream().filter(alpha -> alpha > 0).count();
    found.put("adjusted layers", Long.toString(adjusted));
    if (edits && form == Form.THESIS) {
      found.put("largest eigenvalue", String.format(Locale.ROOT, "%.3f", largest));
    }
    return fitting.edit(this, changes, found);
  }

  /// The chosen neurons' value vectors without what they have of the directions.
  ///
  /// @param read directions as value vectors lie to them, `[directions, dModel]`
  private Change columns(Linear out, Layer layer, Tensor read) {
    List<Integer> chosen =
        layer.neurons().stream().map(BiasNeurons.Found::neuron).sorted().toList();
    long[] places = chosen.stream().mapToLong(Integer::longValue).toArray();
    Tensor old = out.weight().values().indexSelect(1, places).transpose(0, 1); // [k, dModel]
    Tensor next =
        switch (form) {
          case PROJECTOR ->
              Basis.leading(read, Math.min(directions.most, layer.directions().size()))
                  .removed(old);
          case THESIS -> {
            Tensor wide = old.to(DType.F64);
            yield wide.sub(wide.matmul(read.transpose(0, 1)).matmul(read));
          }
        };
    return Change.Rows.inputs(out, chosen, next.to(kept(out)));
  }

  /// A bias that takes a constant off what a block's MLP adds to the stream.
  private static Change adjustment(Block block, double[] direction, double length) {
    Linear out = block.mlp().out();
    Tensor before = out.bias();
    Tensor bias = before == null ? Tensor.zeros(DType.F64, out.out()) : before.to(DType.F64);
    Tensor along = Tensor.of(direction, direction.length);
    Tensor next = bias.sub(along.mul(length / block.steps().multiplier()));
    return Change.Bias.of(out, next.to(kept(out)));
  }

  /// What an edit's numbers are kept in.
  private static DType kept(Linear out) {
    return out.weight().values().dtype() == DType.F64 ? DType.F64 : DType.F32;
  }

  /// The mean activation of each layer's neurons on the stereotypes, by layer: each sentence counts
  /// the same, with the mean over its tokens.
  private static Map<Integer, Double> activations(Fitting fitting, List<Layer> layers) {
    List<Slice> slices =
        layers.stream()
            .map(layer -> {
              int[] chosen =
                  layer.neurons().stream().mapToInt(BiasNeurons.Found::neuron).sorted().toArray();
              return Slice.of(Kind.MLP_ACT, layer.layer()).neurons(chosen);
            })
            .toList();
    if (slices.isEmpty()) {
      return Map.of();
    }
    List<String> stereotypes =
        fitting.items().stream().map(item -> item.stereotype().text()).toList();
    var means = new LinkedHashMap<Integer, Double>();
    try (Features features = fitting.features(stereotypes, slices);
        var scope = Scope.withoutGradients()) {
      for (Slice slice : slices) {
        means.put(slice.site().layer(), features.at(slice).to(DType.F64).mean().item());
      }
    }
    return means;
  }
}
