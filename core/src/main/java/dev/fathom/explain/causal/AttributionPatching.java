package dev.fathom.explain.causal;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.evaluate.RankCorrelation;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Names;
import dev.fathom.explain.Question;
import dev.fathom.explain.Readout;
import dev.fathom.explain.Runs;
import dev.fathom.model.Kind;
import dev.fathom.model.Site;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.TreeSet;

/// What would patching show, for the price of one backward pass? Each value's effect is taken as
/// linear (Nanda 2023; Syed et al. 2023):
///
/// `metric(patched) − metric(base) ≈ (x_other − x_base) · ∂metric/∂x_base`
///
/// It misleads where the metric is far from linear in the value, above all for the streams of early
/// layers and where attention saturates. So exact patching is run beside it and the rank
/// correlation is part of the result.
public final class AttributionPatching {
  private static final List<Patching.Part> PARTS =
      List.of(Patching.Part.STREAM, Patching.Part.ATTENTION, Patching.Part.MLP, Patching.Part.HEAD);

  private AttributionPatching() {}

  /// @param question about the clean prompt
  /// @param config direction, budget and progress of the exact patching; its parts are ignored
  public static AttributionPatchingResult run(
      Transformer model,
      Tokenizer tokenizer,
      Question question,
      Prompt corrupt,
      Patching.Config config) {
    long start = System.nanoTime();
    if (question.metric() == Metric.KL && config.direction() == Patching.Direction.NOISE) {
      throw new IllegalArgumentException(
          "The metric kl is 0 at the clean prompt, and so is its gradient, from which noise is"
              + " estimated: choose logprob, logit, logitdiff or prob, or denoise.");
    }
    var names = new Names(model, tokenizer);
    PatchingResult patched =
        Patching.run(
            model, tokenizer, question, corrupt, config.of(PARTS.toArray(Patching.Part[]::new)));
    int[] clean = question.ids(model);
    int[] other = Patching.requireComparable(names, question, corrupt, clean);
    boolean denoise = config.direction() == Patching.Direction.DENOISE;
    double base = denoise ? patched.corrupt() : patched.clean();
    var estimated = new LinkedHashMap<Patching.Part, Grid>();
    var exact = new LinkedHashMap<Patching.Part, Grid>();
    var correlation = new LinkedHashMap<Patching.Part, Double>();
    try (var scope = Scope.withoutGradients()) {
      var sites = new TreeSet<Site>();
      for (Patching.Part part : PARTS) {
        for (int layer = 0; layer < model.layers(); layer++) {
          sites.add(Site.of(part.kind(), layer));
        }
      }
      int[] ids = denoise ? other : clean;
      Runs from = Runs.of(model, denoise ? clean : other, Kind.ATTN_OUT, Kind.MLP_OUT, Kind.Z);
      Runs cleanRun = denoise ? from : Runs.of(model, clean);
      var readout = new Readout(model, question, cleanRun.last(0, question.position()));
      SiteGradients gradients =
          SiteGradients.of(model, ids, sites, question.position(), readout::of);
      for (Patching.Part part : PARTS) {
        Grid values = Objects.requireNonNull(patched.patched().get(part));
        Grid estimates = estimates(model, gradients, from, part, values.axes());
        float[] changes = values.values();
        for (int i = 0; i < changes.length; i++) {
          changes[i] -= (float) base;
        }
        estimated.put(part, estimates);
        exact.put(part, Grid.real(values.axes(), changes));
        correlation.put(part, RankCorrelation.of(estimates.values(), changes));
      }
    }
    return new AttributionPatchingResult(
        Provenances.of(
            model,
            question.prompt(),
            names.tokens(question.prompt()),
            (System.nanoTime() - start) / 1e9,
            "corrupt",
            corrupt.text(),
            "target",
            names.output(question.target()),
            "foil",
            question.foil().isPresent() ? names.output(question.foil().getAsInt()) : "none",
            "metric",
            question.metric().text(),
            "direction",
            config.direction().name().toLowerCase(Locale.ROOT)),
        question.metric(),
        estimated,
        exact,
        correlation);
  }

  private static Grid estimates(
      Transformer model, SiteGradients gradients, Runs from, Patching.Part part, List<Axis> axes) {
    int columns = axes.get(1).size();
    float[] estimates = new float[model.layers() * columns];
    for (int layer = 0; layer < model.layers(); layer++) {
      Site site = Site.of(part.kind(), layer);
      Tensor other =
          part == Patching.Part.STREAM ? from.stream(layer + 1) : from.at(part.kind(), layer, 0);
      Tensor product = // [length, …], summed in 32 bits or more
          other.wide().sub(gradients.value(site).wide()).mul(gradients.gradient(site).wide());
      Tensor summed =
          part.perHead()
              ? product.sum(2, false).sum(0, false) // over positions, for each head
              : product.sum(1, false);
      System.arraycopy(summed.toFloats(), 0, estimates, layer * columns, columns);
    }
    return Grid.real(axes, estimates);
  }
}
