package dev.fathom.align.baseline;

import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.align.lope.BiasNeurons;
import dev.fathom.align.probe.LogisticFit;
import dev.fathom.align.probe.LogisticProbe;
import dev.fathom.edit.Change;
import dev.fathom.model.Block;
import dev.fathom.model.Kind;
import dev.fathom.model.Linear;
import dev.fathom.model.Site;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;

/// Takes one value vector off the stream that leaves the last block, at every position:
///
///     h ← h − α · v / |v|
///
/// v is the value vector of the whole model that looks most like what a probe of the last block
/// reads: of the largest cosine with the direction from anti-stereotypes to stereotypes. A constant
/// is added to what the last MLP writes, so the bias of its output map does it, exactly.
///
/// After Lee et al. 2024 (*A mechanistic understanding of alignment algorithms*, section 3.3), who
/// subtract a vector of toxicity from the last stream while GPT-2 generates. Their probe tells toxic
/// comments from others; this one tells stereotypes from anti-stereotypes, by the mean of the last
/// stream over a text. α is a length in the stream's own units, so the same α means more in a model
/// whose stream is short; `unit` false takes v as long as it is.
///
/// It misleads where the last stream holds little of the attribute: then the vector is one of many
/// that happen to look like a noisy direction, and subtracting it only costs fluency. The same
/// vector is subtracted whether or not a text is biased.
///
/// @param alpha α, 0 for nothing
/// @param unit whether v is brought to length 1
public record Subtraction(double alpha, boolean unit) implements Method {
  public Subtraction {
    if (!Double.isFinite(alpha)) {
      throw new IllegalArgumentException("alpha should be a number, found " + alpha);
    }
  }

  /// α of 1, 5, 10, 20 and 40.
  public static List<Subtraction> grid() {
    return List.of(1, 5, 10, 20, 40).stream().map(alpha -> new Subtraction(alpha, true)).toList();
  }

  @Override
  public String name() {
    return "subtraction";
  }

  @Override
  public SequencedMap<String, String> settings() {
    return Settings.of("alpha", alpha, "unit", unit ? "yes" : "no");
  }

  @Override
  public Remedy fit(Fitting fitting) {
    Transformer model = fitting.model();
    requireAdding(model);
    double[] direction = probe(fitting).direction();
    try (var scope = Scope.withoutGradients()) {
      BiasNeurons.Found neuron = // of the last probe the first
          BiasNeurons.ofModel(model, Tensor.ofRows(List.of(direction)), 1).getFirst().getFirst();
      var found =
          Settings.of(
              "neuron",
              "mlp_act.%d.n%d".formatted(neuron.layer(), neuron.neuron()),
              "cosine",
              String.format(Locale.ROOT, "%.4f", neuron.cosine()));
      return new Remedy.OfWeights(fitting.edit(this, changes(model, neuron), found));
    }
  }

  /// A probe of the last stream, pointing to stereotypes.
  private static LogisticProbe probe(Fitting fitting) {
    List<String> sentences = fitting.sentences(); // a stereotype, its opposite, the next …
    boolean[] stereotype = new boolean[sentences.size()];
    for (int i = 0; i < stereotype.length; i += 2) {
      stereotype[i] = true;
    }
    try (var scope = Scope.withoutGradients()) {
      Site last = Site.of(Kind.RESID_POST, fitting.model().layers() - 1);
      Tensor x = States.of(fitting, sentences, last);
      LogisticProbe probe = LogisticFit.of(x, stereotype, LogisticFit.Config.standard()).probe();
      if (probe.scale() == 0) {
        throw new IllegalArgumentException(
            "Nothing in the last stream tells stereotypes of %s from anti-stereotypes: are their texts the same?"
                .formatted(fitting.domain()));
      }
      return probe;
    }
  }

  private static void requireAdding(Transformer model) {
    Block.Steps steps = model.blocks().getLast().steps();
    if (steps.post2() != null || steps.after2() != null) {
      throw new IllegalArgumentException(
          "Subtraction adds a constant to the last stream through the last MLP's bias, but the last block of this %s model normalises %s: no bias is the same."
              .formatted(
                  model.card().family(),
                  steps.after2() != null ? "its stream at the end" : "what its MLP writes"));
    }
  }

  private List<Change> changes(Transformer model, BiasNeurons.Found neuron) {
    if (alpha == 0) {
      return List.of();
    }
    Block last = model.blocks().getLast();
    Linear out = last.mlp().out();
    Tensor vectors = model.blocks().get(neuron.layer()).mlp().out().weight().values();
    Tensor vector = vectors.select(1, neuron.neuron()).to(DType.F64);
    double length = unit ? vector.norm(0, false).item() : 1;
    Tensor bias =
        out.bias() == null ? Tensor.zeros(DType.F64, out.out()) : out.bias().to(DType.F64);
    Tensor next = bias.sub(vector.mul(alpha / (length * last.steps().multiplier())));
    return List.of(Change.Bias.of(out, next.to(vectors.wide().dtype())));
  }
}
