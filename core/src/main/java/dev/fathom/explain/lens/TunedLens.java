package dev.fathom.explain.lens;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.evaluate.Provenances;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What would the model say after layer l, if that layer's stream were first translated into the
/// last one's basis? Each layer has an affine translator, `h' = h + A h + b`, learnt so that the
/// head says of h' what it says in the end (Belrose et al. 2023); the last stream has none.
///
/// Unlike the logit lens it is not fooled by a basis that drifts from layer to layer. It misleads
/// in the other direction: a translator may have learnt a guess that the layer itself does not
/// make, from what usually follows in the texts it was trained on. Read what it adds over the logit
/// lens with that in mind, and train it on texts like those you ask about.
///
/// ```java
/// try (var lens = TunedLens.load(path, model)) {
///   LensResult tuned = LogitLens.run(model, tokenizer, prompt, config, lens);
/// }
/// ```
///
/// ## File
///
/// A safetensors file with a [Card] of kind `lens`: for each layer l from 0 (the embedding) on
/// `l.weight`, `[dModel, dModel]`, which maps rows h to `h Wᵀ` (absent where only biases were
/// learnt), and `l.bias`, `[dModel]`, as in the tuned-lens package; `kl_logit` and `kl_tuned`,
/// `[layers]`, the divergences on held-out text before and after training. All F32 (F64 for a model
/// in F64). History: version 1 is the first.
///
/// Its memory belongs to no scope; close it.
public final class TunedLens implements Reading, AutoCloseable {
  /// The kind on its card.
  public static final String KIND = "lens";

  private static final String WEIGHT = ".weight";
  private static final String BIAS = ".bias";

  private final Card card;
  private final List<Translator> translators;
  private final double[] logitDivergence;
  private final double[] tunedDivergence;

  /// One layer's map; both tensors belong to no scope.
  record Translator(@Nullable Tensor weight, Tensor bias) {
    /// `h [n, dModel]` in the translator's own type.
    static Tensor of(@Nullable Tensor weight, Tensor bias, Tensor h) {
      return h.add(weight == null ? bias : h.linear(weight, bias));
    }

    void free() {
      if (weight != null) {
        weight.free();
      }
      bias.free();
    }
  }

  TunedLens(
      Card card, List<Translator> translators, double[] logitDivergence, double[] tunedDivergence) {
    this.card = card;
    this.translators = List.copyOf(translators);
    this.logitDivergence = logitDivergence;
    this.tunedDivergence = tunedDivergence;
  }

  /// Translators that change nothing: what training starts from.
  static TunedLens identity(Transformer model, boolean biasOnly) {
    DType dtype = dtype(model);
    var translators = new ArrayList<Translator>();
    try (var scope = Scope.withoutGradients()) {
      for (int layer = 0; layer < model.layers(); layer++) {
        translators.add(
            new Translator(
                biasOnly ? null : Tensor.zeros(dtype, model.dModel(), model.dModel()).keep(),
                Tensor.zeros(dtype, model.dModel()).keep()));
      }
    }
    return new TunedLens(
        Card.of(KIND, "none", model.card().name(), model.card().sha256().get()),
        translators,
        new double[model.layers()],
        new double[model.layers()]);
  }

  /// Translators compute in F32, or in F64 where the model does.
  static DType dtype(Transformer model) {
    return model.card().dtype() == DType.F64 ? DType.F64 : DType.F32;
  }

  /// How it was made, and for which model.
  public Card card() {
    return card;
  }

  @Override
  public String name() {
    return "tuned lens";
  }

  /// Layers that are translated: the embedding and all streams but the last.
  public int layers() {
    return translators.size();
  }

  /// Mean KL from the model's prediction to the logit lens' on held-out text, by layer, in nats.
  public double[] logitDivergence() {
    return logitDivergence.clone();
  }

  /// The same to the tuned lens'.
  public double[] tunedDivergence() {
    return tunedDivergence.clone();
  }

  /// How much training brought, as curves.
  public TunedLensReport report(Transformer model, double seconds) {
    var axis = Axis.of("layer", LensResult.axes(layers(), List.of()).getFirst().labels());
    var parameters = new ArrayList<String>();
    card.parameters().forEach((name, value) -> parameters.addAll(List.of(name, value)));
    parameters.addAll(List.of("data", card.data()));
    return new TunedLensReport(
        Provenances.of(model, seconds, parameters.toArray(String[]::new)),
        Grid.vector(axis, floats(logitDivergence)),
        Grid.vector(axis, floats(tunedDivergence)));
  }

  @Override
  public Tensor of(Tensor streams) {
    try (var scope = Scope.withoutGradients()) {
      var translated = new ArrayList<Tensor>();
      for (int layer = 0; layer < layers(); layer++) {
        translated.add(of(layer, streams.select(0, layer)));
      }
      translated.add(streams.select(0, layers()));
      return scope.escape(Tensor.stack(translated, 0));
    }
  }

  /// One layer's stream `[n, dModel]`, translated, in the current scope; the last one has no
  /// translator.
  public Tensor of(int layer, Tensor stream) {
    Translator own = translators.get(layer);
    return Translator.of(own.weight, own.bias, stream.to(own.bias.dtype())).to(stream.dtype());
  }

  /// Writes the lens, whole or not at all.
  ///
  /// @throws FathomException if the file cannot be written
  public void save(Path path) {
    TensorType type =
        translators.getFirst().bias.dtype() == DType.F64 ? TensorType.F64 : TensorType.F32;
    var specs = new ArrayList<TensorSpec>();
    for (int layer = 0; layer < layers(); layer++) {
      Translator own = translators.get(layer);
      if (own.weight != null) {
        specs.add(TensorSpec.of(layer + WEIGHT, type, own.weight.shape()));
      }
      specs.add(TensorSpec.of(layer + BIAS, type, own.bias.shape()));
    }
    specs.add(TensorSpec.of("kl_logit", TensorType.F32, layers()));
    specs.add(TensorSpec.of("kl_tuned", TensorType.F32, layers()));
    try (var writer = SafetensorsWriter.create(path, specs, card.toMetadata())) {
      for (int layer = 0; layer < layers(); layer++) {
        Translator own = translators.get(layer);
        if (own.weight != null) {
          writer.append(layer + WEIGHT, own.weight.memory());
        }
        writer.append(layer + BIAS, own.bias.memory());
      }
      writer.append("kl_logit", floats(logitDivergence));
      writer.append("kl_tuned", floats(tunedDivergence));
      writer.commit();
    }
  }

  private static float[] floats(double[] values) {
    float[] floats = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      floats[i] = (float) values[i];
    }
    return floats;
  }

  /// Reads a lens that was made for this model.
  ///
  /// @throws FathomException if the file is no lens, or one for other weights
  public static TunedLens load(Path path, Transformer model) {
    try (var file = SafetensorsFile.open(path)) {
      Card card =
          Card.fromMetadata(file.metadata(), path)
              .requireKind(KIND, path)
              .requireBase(model.card().name(), model.card().sha256().get(), path);
      var translators = new ArrayList<Translator>();
      try (var scope = Scope.withoutGradients()) {
        for (int layer = 0; layer < model.layers(); layer++) {
          boolean matrix = file.tensors().containsKey(layer + WEIGHT);
          translators.add(
              new Translator(
                  matrix
                      ? tensor(file, layer + WEIGHT, model.dModel(), model.dModel()).keep()
                      : null,
                  tensor(file, layer + BIAS, model.dModel()).keep()));
        }
        return new TunedLens(
            card,
            translators,
            tensor(file, "kl_logit", model.layers()).toDoubles(),
            tensor(file, "kl_tuned", model.layers()).toDoubles());
      } catch (RuntimeException e) {
        translators.forEach(Translator::free);
        throw e;
      }
    }
  }

  private static Tensor tensor(SafetensorsFile file, String name, long... shape) {
    TensorInfo info = file.tensors().get(name);
    if (info == null
        || (info.type() != TensorType.F32 && info.type() != TensorType.F64)
        || !info.shape().equals(TensorSpec.of(name, info.type(), shape).shape())) {
      throw new FathomException(
          "%s: expected a tensor '%s' of shape %s in F32 or F64, found %s"
              .formatted(
                  file.path(),
                  name,
                  Arrays.toString(shape),
                  info == null ? "none" : info.type() + " " + info.shape()));
    }
    DType dtype = info.type() == TensorType.F64 ? DType.F64 : DType.F32;
    return Tensor.borrow(file.bytes(name), dtype, shape).copy();
  }

  @Override
  public void close() {
    translators.forEach(Translator::free);
  }
}
