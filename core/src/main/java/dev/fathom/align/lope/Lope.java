package dev.fathom.align.lope;

import dev.fathom.align.Basis;
import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.align.probe.Features;
import dev.fathom.align.probe.LayerProbes;
import dev.fathom.align.probe.LogisticFit;
import dev.fathom.align.probe.Probing;
import dev.fathom.align.probe.ProbingResult;
import dev.fathom.align.probe.SpanRule;
import dev.fathom.align.probe.Split;
import dev.fathom.align.probe.TwoClasses;
import dev.fathom.data.LabelledText;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.model.Kind;
import dev.fathom.model.Linear;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// Layer-wise probing and editing (thesis section 5.2). A probe of each layer tells biased sentences
/// from others; S_l are the probes that read layer l well. The k value vectors of the layer that
/// point along them best lose what they have of them (eq 5.1, 5.2), and what these neurons add on
/// average is taken out of the MLP's output (eq 5.3):
///
///     v ← v − Q Qᵀ v            h_mlp ← h_mlp − γ α_l θ̄_l   where α_l > 0
///
/// with Q an orthonormal basis of S_l's span, α_l the mean activation of these neurons on
/// stereotypes and θ̄_l the mean of the probes. Both are changes of weights: columns of the
/// down-projection and its bias.
///
/// The thesis' own form multiplies by `I − Σ θθᵀ` instead of the projector. The probes of
/// neighbouring layers are nearly parallel, so that this turns their common direction round and
/// makes it larger: [#notes] tells the greatest eigenvalue, which is 1 for a projector.
///
/// @param name what the preset is called
/// @param labels which sentences are told apart
/// @param acting which probes act on a layer
/// @param form of the weight edit
/// @param neurons edited and adjusted in each layer: k; 0 for none
/// @param strength of the adjustment: γ; 0 for none
/// @param edits whether weights are edited
public record Lope(
    String name,
    Labels labels,
    Acting acting,
    Form form,
    int neurons,
    double strength,
    boolean edits)
    implements Method {
  private static final double HELD_OUT = 0.2;

  /// With fewer terms, whole terms cannot be held out.
  private static final int FEWEST_GROUPS = 5;

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

  /// Which probes act on a layer.
  public sealed interface Acting {
    /// Those that read it well.
    record Reading(SpanRule rule) implements Acting {}

    /// Those of all layers.
    record All() implements Acting {}

    /// That of the last layer.
    record Last() implements Acting {}

    /// Its own.
    record Own() implements Acting {}
  }

  private static final Acting WELL_READ = new Acting.Reading(new SpanRule.Threshold(0.9));

  /// As the thesis has it.
  public static Lope thesis() {
    return new Lope("thesis", Labels.REST, WELL_READ, Form.THESIS, 10, 1, true);
  }

  /// With a projector.
  public static Lope standard() {
    return new Lope("lope", Labels.REST, WELL_READ, Form.PROJECTOR, 10, 1, true);
  }

  public static Lope editOnly() {
    return new Lope("editOnly", Labels.REST, WELL_READ, Form.PROJECTOR, 10, 0, true);
  }

  public static Lope adjustOnly() {
    return new Lope("adjustOnly", Labels.REST, WELL_READ, Form.PROJECTOR, 10, 1, false);
  }

  public static Lope allProbes() {
    return new Lope("allProbes", Labels.REST, new Acting.All(), Form.PROJECTOR, 10, 1, true);
  }

  /// Only the last layer's probe, as Lee et al. 2024 have it.
  public static Lope lastProbe() {
    return new Lope("lastProbe", Labels.REST, new Acting.Last(), Form.PROJECTOR, 10, 1, true);
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
    return new Lope(name, labels, acting, form, neurons, strength, edits);
  }

  /// The same with other probes acting.
  public Lope with(Acting acting) {
    return new Lope(name, labels, acting, form, neurons, strength, edits);
  }

  public Lope with(Labels labels) {
    return new Lope(name, labels, acting, form, neurons, strength, edits);
  }

  /// The same with another γ.
  public Lope withStrength(double strength) {
    return new Lope(name, labels, acting, form, neurons, strength, edits);
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
          case Acting.Own() -> "own";
        });
    settings.put("form", form.name().toLowerCase(Locale.ROOT));
    settings.put("k", Integer.toString(neurons));
    settings.put("gamma", Double.toString(strength));
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

    /// The greatest eigenvalue of `Σ θθᵀ`: 1 where the thesis' form is a projector.
    public double largestEigenvalue() {
      Basis first = Basis.leading(directions, 1);
      double sum = 0;
      for (double[] direction : directions) {
        double along = 0;
        for (int i = 0; i < direction.length; i++) {
          along += direction[i] * first.directions().getFirst()[i];
        }
        sum += along * along;
      }
      return sum;
    }
  }

  /// Probes the layers of a model and chooses what acts on each.
  public List<Layer> layers(Fitting fitting) {
    List<Slice> slices = Features.everyLayer(fitting.model(), Kind.RESID_POST);
    ProbingResult probing = fitting.shared().of(new Probed(labels), () -> probed(fitting, slices));
    List<double[]> directions =
        probing.layers().stream().map(LayerProbes::probe).map(probe -> probe.direction()).toList();
    List<List<Integer>> spans =
        switch (acting) {
          case Acting.Reading(SpanRule rule) -> probing.generalisation().orElseThrow().spans(rule);
          case Acting.All() ->
              slices.stream().map(_ -> IntStream.range(0, slices.size()).boxed().toList()).toList();
          case Acting.Last() -> slices.stream().map(_ -> List.of(slices.size() - 1)).toList();
          case Acting.Own() -> IntStream.range(0, slices.size()).mapToObj(List::of).toList();
        };
    var layers = new ArrayList<Layer>();
    for (int l = 0; l < spans.size(); l++) {
      List<double[]> own = spans.get(l).stream().map(directions::get).toList();
      layers.add(
          own.isEmpty() || neurons == 0
              ? new Layer(l, List.of(), List.of())
              : new Layer(l, own, found(fitting.model(), l, own)));
    }
    return layers;
  }

  private List<BiasNeurons.Found> found(Transformer model, int layer, List<double[]> directions) {
    try (var scope = Scope.withoutGradients()) {
      return BiasNeurons.ofLayer(model, layer, matrix(directions), neurons);
    }
  }

  private static Tensor matrix(List<double[]> rows) {
    return Tensor.of(
        rows.stream().flatMapToDouble(Arrays::stream).toArray(),
        rows.size(),
        rows.getFirst().length);
  }

  /// Probes depend on nothing but the labels.
  private record Probed(Labels labels) {}

  private ProbingResult probed(Fitting fitting, List<Slice> slices) {
    List<LabelledText> texts = fitting.items().stream().flatMap(this::labelled).toList();
    var data = TwoClasses.of(texts, Optional.of("stereotype"), Optional.empty());
    var groups = texts.stream().map(text -> text.group().orElseThrow()).toList();
    Split split =
        groups.stream().distinct().count() >= FEWEST_GROUPS
            ? Split.byGroup(groups, data.positive(), HELD_OUT, fitting.seed())
            : Split.random(data.positive(), HELD_OUT, fitting.seed());
    try (Features features =
        Fittings.features(
            fitting, texts.stream().map(LabelledText::text).toList(), Features.Config.of(slices))) {
      var config =
          Probing.Config.standard()
              .withProbes(1)
              .withShuffles(0)
              .with(LogisticFit.Config.standard())
              .withSeed(fitting.seed());
      return Probing.run(fitting.model(), features, data, split, config, () -> {});
    }
  }

  private Stream<LabelledText> labelled(StereoSetItem item) {
    Stream<LabelledText> stereotype = Stream.of(text(item, item.stereotype(), "stereotype"));
    Stream<LabelledText> anti = Stream.of(text(item, item.antiStereotype(), "other"));
    Stream<LabelledText> unrelated = Stream.of(text(item, item.unrelated(), "other"));
    return switch (labels) {
      case ANTI -> Stream.concat(stereotype, anti);
      case UNRELATED -> Stream.concat(stereotype, unrelated);
      case REST -> Stream.of(stereotype, anti, unrelated).flatMap(s -> s);
    };
  }

  private static LabelledText text(
      StereoSetItem item, StereoSetItem.Sentence sentence, String label) {
    return new LabelledText(sentence.text(), label, Optional.of(item.target()), Optional.empty());
  }

  // ---------------------------------------------------------------- what is changed

  @Override
  public Remedy fit(Fitting fitting) {
    return new Remedy.OfWeights(edit(fitting, layers(fitting)));
  }

  /// The edit that follows from what acts where; the activations of the neurons are those of the
  /// unedited model.
  public Edit edit(Fitting fitting, List<Layer> layers) {
    Transformer model = fitting.model();
    var changes = new ArrayList<Change>();
    double[] activations = strength == 0 ? new double[0] : activations(fitting, layers);
    for (Layer layer : layers) {
      if (layer.neurons().isEmpty()) {
        continue;
      }
      Linear out = model.blocks().get(layer.layer()).mlp().out();
      List<Integer> chosen =
          layer.neurons().stream().map(BiasNeurons.Found::neuron).sorted().toList();
      try (var scope = Scope.withoutGradients()) {
        if (edits) {
          Tensor old = // [k, dModel]
              out.weight()
                  .values()
                  .transpose(0, 1)
                  .indexSelect(0, chosen.stream().mapToLong(Integer::longValue).toArray());
          changes.add(
              Change.Rows.inputs(
                  out, chosen, edited(layer, old).to(out.weight().values().dtype())));
        }
        double alpha = strength == 0 ? 0 : activations[layer.layer()];
        if (alpha > 0) {
          Tensor shift = Tensor.of(layer.mean(), layer.mean().length).mul(-strength * alpha);
          Tensor before = out.bias();
          Tensor bias = before == null ? shift : before.to(DType.F64).add(shift);
          changes.add(Change.Bias.of(out, bias.to(out.weight().values().dtype())));
        }
      }
    }
    return Edit.of(model, name, changes);
  }

  private Tensor edited(Layer layer, Tensor vectors) {
    return switch (form) {
      case PROJECTOR -> Basis.of(layer.directions()).removed(vectors);
      case THESIS -> {
        Tensor theta = matrix(layer.directions());
        Tensor wide = vectors.to(DType.F64);
        yield wide.sub(wide.matmul(theta.transpose(0, 1)).matmul(theta));
      }
    };
  }

  /// The mean activation of each layer's neurons over the stereotypes.
  private static double[] activations(Fitting fitting, List<Layer> layers) {
    double[] means = new double[layers.size()];
    List<Slice> slices = new ArrayList<>();
    List<Integer> places = new ArrayList<>();
    for (Layer layer : layers) {
      if (!layer.neurons().isEmpty()) {
        int[] chosen =
            layer.neurons().stream().mapToInt(BiasNeurons.Found::neuron).sorted().toArray();
        slices.add(Slice.of(Kind.MLP_ACT, layer.layer()).neurons(chosen));
        places.add(layer.layer());
      }
    }
    if (slices.isEmpty()) {
      return means;
    }
    List<String> stereotypes =
        fitting.items().stream().map(item -> item.stereotype().text()).toList();
    try (Features features = Fittings.features(fitting, stereotypes, Features.Config.of(slices));
        var scope = Scope.withoutGradients()) {
      for (int i = 0; i < slices.size(); i++) {
        means[places.get(i)] = features.at(slices.get(i)).to(DType.F64).mean().item();
      }
    }
    return means;
  }
}
