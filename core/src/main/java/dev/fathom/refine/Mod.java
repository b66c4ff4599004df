package dev.fathom.refine;

import dev.fathom.FathomException;
import dev.fathom.Sha256;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.model.Head;
import dev.fathom.model.Norm;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.train.Parameters;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/// The late-layer mixture (the thesis' Mixture of Depths, MoD; Luo and Specia 2024): which of the
/// last k layers should speak for this token? The logits of the last k blocks are mixed, with
/// weights that a router reads from the stream below them:
///
///     G = softmax(H_{n−k} W_g);   ℓ = Σ_i G_i φ(N_i(H_{n−k+1+i})) = φ(Σ_i G_i N_i(H_{n−k+1+i}))
///
/// where φ is the model's own head, the same for all, and N_i a norm of each layer's own, at first
/// a copy of the final norm; the last layer's stays the final norm. Because φ is affine and the
/// weights sum to 1, one head makes the mixture. With top-K only the K largest weights count, so
/// that layers above all of them need not be computed.
///
/// This is not the token-level skipping of blocks that is also called mixture of depths (Raposo et
/// al. 2024).
///
/// Layers are counted from 0: with n layers, route i is that of layer n − k + i.
///
/// ```java
/// try (var tuned = Tuned.of(model, edits, Optional.of(path))) {
///   Generator.of(tuned.speaker(), tokenizer).run(ids, Decoding.greedy(64));
/// }
/// ```
///
/// ## File
///
/// A safetensors file with a [Card] of kind `mod`: `router.weight`, `[dModel, k]`, and for each
/// route with a norm of its own `norm.<i>.weight` (and `norm.<i>.bias` where the final norm has
/// one), `[dModel]`; the configuration is on the card. Its base is the model that was trained,
/// adapters included. History: version 1 is the first.
public final class Mod implements AutoCloseable {
  /// The kind on its card.
  public static final String KIND = "mod";

  private static final String ROUTER = "router.weight";

  private final Config config;
  private final int layers;
  private final @Nullable Tensor router;
  private final List<Norm> norms;
  private final List<Tensor> owned;

  /// @param late k, the layers that are mixed
  /// @param topK K, the routes that count for a token; k for all
  /// @param ownNorms whether each route but the last has a norm of its own; otherwise the final
  ///   norm serves all
  /// @param trainFinalNorm whether the last route has one, too
  /// @param normRouterInput whether the router reads the stream through the final norm
  /// @param uniform whether all routes always count the same: no router at all, as a control
  public record Config(
      int late,
      int topK,
      boolean ownNorms,
      boolean trainFinalNorm,
      boolean normRouterInput,
      boolean uniform) {
    public Config {
      if (late < 1 || topK < 1 || topK > late) {
        throw new IllegalArgumentException(
            "a mixture has at least 1 late layer and counts 1 to all of them, found %d and %d"
                .formatted(late, topK));
      }
      if (uniform && topK < late) {
        throw new IllegalArgumentException("routes that count the same are all counted");
      }
    }

    /// All of the last `late` layers, as in the thesis.
    public static Config dense(int late) {
      return new Config(late, late, true, false, false, false);
    }

    /// The last layer alone, with nothing to learn: the model as it is.
    static Config lastLayer() {
      return new Config(1, 1, false, false, false, true);
    }

    /// The last `late` layers, all counting the same, each through the final norm: the logit lens.
    static Config lens(int late) {
      return new Config(late, late, false, false, false, true);
    }

    /// The same, counting only the best `topK` routes.
    public Config withTopK(int topK) {
      return new Config(late, topK, ownNorms, trainFinalNorm, normRouterInput, uniform);
    }

    public Config withOwnNorms(boolean ownNorms) {
      return new Config(late, topK, ownNorms, trainFinalNorm, normRouterInput, uniform);
    }

    public Config withTrainFinalNorm(boolean trainFinalNorm) {
      return new Config(late, topK, ownNorms, trainFinalNorm, normRouterInput, uniform);
    }

    public Config withNormRouterInput(boolean normRouterInput) {
      return new Config(late, topK, ownNorms, trainFinalNorm, normRouterInput, uniform);
    }

    /// The same with all routes counting 1/k.
    public Config withUniform(boolean uniform) {
      return new Config(late, topK, ownNorms, trainFinalNorm, normRouterInput, uniform);
    }

    /// Whether route `i` has a norm of its own.
    boolean hasNorm(int i) {
      return ownNorms && i < late - 1 || trainFinalNorm && i == late - 1;
    }

    SequencedMap<String, String> parameters() {
      var parameters = new LinkedHashMap<String, String>();
      parameters.put("late", Integer.toString(late));
      parameters.put("top_k", Integer.toString(topK));
      parameters.put("own_norms", Boolean.toString(ownNorms));
      parameters.put("train_final_norm", Boolean.toString(trainFinalNorm));
      parameters.put("norm_router_input", Boolean.toString(normRouterInput));
      parameters.put("uniform", Boolean.toString(uniform));
      return parameters;
    }

    static Config of(Map<String, String> parameters, Path file) {
      try {
        return new Config(
            Integer.parseInt(parameters.getOrDefault("late", "")),
            Integer.parseInt(parameters.getOrDefault("top_k", "")),
            Boolean.parseBoolean(parameters.get("own_norms")),
            Boolean.parseBoolean(parameters.get("train_final_norm")),
            Boolean.parseBoolean(parameters.get("norm_router_input")),
            Boolean.parseBoolean(parameters.get("uniform")));
      } catch (IllegalArgumentException e) {
        throw new FathomException(
            "%s: the mixture's configuration on its card is not readable (%s)"
                .formatted(file, e.getMessage()),
            e);
      }
    }
  }

  private Mod(
      Config config, int layers, @Nullable Tensor router, List<Norm> norms, List<Tensor> owned) {
    this.config = config;
    this.layers = layers;
    this.router = router;
    this.norms = List.copyOf(norms);
    this.owned = List.copyOf(owned);
  }

  /// A mixture over tensors that outlive it, by the names of [#shapes]; in the graph of those that
  /// require gradients.
  static Mod over(Transformer model, Config config, Map<String, Tensor> tensors) {
    return over(model, config, tensors, List.of());
  }

  private static Mod over(
      Transformer model, Config config, Map<String, Tensor> tensors, List<Tensor> owned) {
    require(model, config);
    Norm last = finalNorm(model);
    var norms = new ArrayList<Norm>();
    for (int i = 0; i < config.late; i++) {
      Tensor gain = tensors.get(norm(i, "weight"));
      norms.add(gain == null ? last : like(last, gain, tensors.get(norm(i, "bias"))));
    }
    Tensor router = config.uniform ? null : Objects.requireNonNull(tensors.get(ROUTER));
    return new Mod(config, model.layers(), router, norms, owned);
  }

  /// Reads a mixture that was made for this model. Its memory belongs to no scope; close it.
  ///
  /// @param model the model it was learnt on, adapters included
  /// @throws FathomException if the file is no mixture, or one for another model
  public static Mod open(Path path, Transformer model) {
    try (var scope = Scope.withoutGradients()) {
      Stored stored = load(path, model);
      var kept = new LinkedHashMap<String, Tensor>();
      stored.tensors.forEach((name, tensor) -> kept.put(name, tensor.keep()));
      return over(model, stored.config, kept, List.copyOf(kept.values()));
    }
  }

  /// How a mixture's file mixes, whatever model it was made for.
  ///
  /// @throws FathomException if the file is no mixture
  public static Config configOf(Path path) {
    try (var file = SafetensorsFile.open(path)) {
      Card card = Card.fromMetadata(file.metadata(), path).requireKind(KIND, path);
      return Config.of(card.parameters(), path);
    }
  }

  /// The same mixture, counting only the best `topK` routes; it lives no longer than this one.
  ///
  /// @throws IllegalArgumentException if there are not so many routes, or they all count the same
  public Mod withTopK(int topK) {
    return new Mod(config.withTopK(topK), layers, router, norms, List.of());
  }

  /// @throws IllegalArgumentException if a model cannot be mixed so
  static void require(Transformer model, Config config) {
    if (config.late > model.layers()) {
      throw new IllegalArgumentException(
          "a mixture of the last %d layers of a model that has %d: choose fewer"
              .formatted(config.late, model.layers()));
    }
    if (!(model.head() instanceof Head.Unembedding) || !model.card().causal()) {
      throw new IllegalArgumentException(
          "%s does not predict next tokens from its last stream, so its late layers cannot be mixed"
              .formatted(model.card().name()));
    }
  }

  private static Norm finalNorm(Transformer model) {
    if (model.head() instanceof Head.Unembedding(Norm norm, _, _, _) && norm != null) {
      return norm;
    }
    throw new IllegalArgumentException(
        model.card().name() + " has no final norm, so there is nothing for a route to start from");
  }

  private static Norm like(Norm last, Tensor gain, @Nullable Tensor bias) {
    return switch (last) {
      case Norm.LayerNorm norm -> new Norm.LayerNorm(gain, bias, norm.eps());
      case Norm.RmsNorm norm -> new Norm.RmsNorm(gain, norm.eps());
    };
  }

  private static DType wide(Transformer model) {
    return model.card().dtype() == DType.F64 ? DType.F64 : DType.F32;
  }

  private static String norm(int route, String part) {
    return "norm.%d.%s".formatted(route, part);
  }

  /// Names and shapes of what is learnt.
  static SequencedMap<String, List<Long>> shapes(Transformer model, Config config) {
    require(model, config);
    var shapes = new LinkedHashMap<String, List<Long>>();
    long d = model.dModel();
    if (!config.uniform) {
      shapes.put(ROUTER, List.of(d, (long) config.late));
    }
    for (int i = 0; i < config.late; i++) {
      if (config.hasNorm(i)) {
        shapes.put(norm(i, "weight"), List.of(d));
        if (finalNorm(model).bias() != null) {
          shapes.put(norm(i, "bias"), List.of(d));
        }
      }
    }
    return shapes;
  }

  /// First values: the router normal with deviation 0.02, each norm a copy of the final one, so
  /// that every route begins as the logit lens of its layer.
  static void initialize(
      Transformer model, Config config, Parameters parameters, SplittableRandom random) {
    Norm last = finalNorm(model);
    SequencedMap<String, Tensor> tensors = parameters.tensors();
    shapes(model, config)
        .keySet()
        .forEach(name -> {
          Tensor part = Objects.requireNonNull(tensors.get(name));
          if (name.equals(ROUTER)) {
            double[] values = new double[Math.toIntExact(part.elements())];
            for (int i = 0; i < values.length; i++) {
              values[i] = 0.02 * random.nextGaussian();
            }
            part.copyInPlace(Tensor.of(values, part.shape()));
          } else {
            part.copyInPlace(
                name.endsWith("weight") ? last.gain() : Objects.requireNonNull(last.bias()));
          }
        });
  }

  public Config config() {
    return config;
  }

  /// The row of the stream that the router reads: what enters the late layers.
  public int routerRow() {
    return layers - config.late;
  }

  /// The row of the stream that a route speaks for.
  public int row(int route) {
    return layers - config.late + 1 + route;
  }

  /// Layers of the model it was made for.
  int layers() {
    return layers;
  }

  /// The layer of a route.
  public int layer(int route) {
    return layers - config.late + route;
  }

  /// Weights of the routes, `x [n, dModel] -> [n, k]`, in F32 or wider.
  Tensor gate(Tensor x) {
    if (router == null) {
      DType dtype = x.dtype() == DType.F64 ? DType.F64 : DType.F32;
      return Tensor.full(1.0 / config.late, dtype, x.size(0), config.late);
    }
    Tensor read = config.normRouterInput ? norms.getLast().of(x) : x;
    Tensor scores = read.wide().matmul(router.wide()); // [n, k]
    return config.topK == config.late
        ? scores.softmax(-1)
        : scores.maskedFill(beyond(scores), Double.NEGATIVE_INFINITY).softmax(-1);
  }

  /// Which scores are not among the K best of their row; of equal ones the lower route comes first.
  private Tensor beyond(Tensor scores) {
    Tensor fixed = scores.detach();
    Tensor mine = fixed.unsqueeze(2); // [n, k, 1]
    Tensor other = fixed.unsqueeze(1); // [n, 1, k]
    Tensor better = other.gt(mine).to(DType.F32);
    long k = config.late;
    float[] below = new float[(int) (k * k)];
    for (int i = 0; i < k; i++) {
      for (int j = 0; j < i; j++) {
        below[(int) (i * k + j)] = 1;
      }
    }
    Tensor equal = other.eq(mine).to(DType.F32).mul(Tensor.of(below, k, k));
    Tensor rank = better.add(equal).sum(2, false); // routes before this one
    return rank.ge(Tensor.full(config.topK, DType.F32, 1));
  }

  /// What the head reads of a route, `stream [n, dModel] -> [n, dModel]`, in F32 or wider.
  Tensor read(int route, Tensor stream) {
    Norm norm = norms.get(route);
    if (norm.gain().dtype() != stream.dtype()) {
      Tensor bias = norm.bias();
      norm =
          like(norm, norm.gain().to(stream.dtype()), bias == null ? null : bias.to(stream.dtype()));
    }
    return norm.of(stream).wide();
  }

  /// `Σ_i G_i u_i`.
  ///
  /// @param gate `[n, k]`
  /// @param read what each route reads, `[n, dModel]`
  static Tensor mixed(Tensor gate, List<Tensor> read) {
    if (read.size() == 1) {
      return read.getFirst();
    }
    Tensor sum = null;
    for (int i = 0; i < read.size(); i++) {
      Tensor part = read.get(i).mul(gate.narrow(1, i, 1));
      sum = sum == null ? part : sum.add(part);
    }
    return Objects.requireNonNull(sum);
  }

  /// The card of a model that speaks with this mixture. Its fingerprint is the SHA-256 of one line
  /// with the model's own and that of the mixture.
  Transformer.Card spoken(Transformer.Card model) {
    String own = fingerprint();
    String counted =
        config.topK == config.late ? "" : " (%d of %d)".formatted(config.topK, config.late);
    return new Transformer.Card(
        model.family(),
        model.name() + " + mod" + counted,
        () -> {
          MessageDigest digest = Sha256.begin();
          update(digest, "%s\t%s\n".formatted(model.sha256().get(), own));
          return Sha256.hex(digest);
        },
        model.context(),
        model.parameters() + learnt().stream().mapToLong(Tensor::elements).sum(),
        model.dtype(),
        model.causal(),
        model.labels());
  }

  /// SHA-256 of how layers are mixed and of what was learnt.
  private String fingerprint() {
    MessageDigest digest = Sha256.begin();
    update(digest, config.parameters().toString());
    try (var scope = Scope.withoutGradients()) {
      for (Tensor tensor : learnt()) {
        digest.update(tensor.to(DType.F64).contiguous().memory().asByteBuffer());
      }
    }
    return Sha256.hex(digest);
  }

  private List<Tensor> learnt() {
    var learnt = new ArrayList<Tensor>();
    if (router != null) {
      learnt.add(router);
    }
    for (int i = 0; i < config.late; i++) {
      if (config.hasNorm(i)) {
        learnt.add(norms.get(i).gain());
        if (norms.get(i).bias() instanceof Tensor bias) {
          learnt.add(bias);
        }
      }
    }
    return learnt;
  }

  private static void update(MessageDigest digest, String text) {
    digest.update(text.getBytes(StandardCharsets.UTF_8));
  }

  /// Frees what was read from a file; does nothing to tensors of others.
  @Override
  public void close() {
    owned.forEach(Tensor::free);
  }

  // ---------------------------------------------------------------- files

  /// Writes what was learnt.
  ///
  /// @param model the model it was learnt on, adapters included
  /// @param tensors by the names of [#shapes]
  static void save(
      Path path, Transformer model, Config config, Map<String, Tensor> tensors, Card card) {
    var specs = new ArrayList<TensorSpec>();
    TensorType type = wide(model) == DType.F64 ? TensorType.F64 : TensorType.F32;
    shapes(model, config).forEach((name, shape) -> specs.add(new TensorSpec(name, type, shape)));
    var parameters = config.parameters();
    parameters.putAll(card.parameters());
    try (var writer =
        SafetensorsWriter.create(path, specs, card.withParameters(parameters).toMetadata())) {
      for (TensorSpec spec : specs) {
        Tensor tensor = Objects.requireNonNull(tensors.get(spec.name()));
        writer.append(spec.name(), tensor.contiguous().memory());
      }
      writer.commit();
    }
  }

  /// What a file holds; its tensors belong to the current scope.
  ///
  /// @param config how they are mixed
  record Stored(Config config, Card card, SequencedMap<String, Tensor> tensors) {}

  /// @throws FathomException if the file is no mixture, or one for another model
  static Stored load(Path path, Transformer model) {
    try (var file = SafetensorsFile.open(path)) {
      Card card =
          Card.fromMetadata(file.metadata(), path)
              .requireKind(KIND, path)
              .requireBase(model.card().name(), model.card().sha256().get(), path);
      Config config = Config.of(card.parameters(), path);
      require(model, config);
      return new Stored(config, card, tensors(file, model, config));
    }
  }

  /// The tensors of a mixture in a file with or without a card.
  static SequencedMap<String, Tensor> tensors(
      SafetensorsFile file, Transformer model, Config config) {
    var tensors = new LinkedHashMap<String, Tensor>();
    shapes(model, config)
        .forEach((name, shape) -> {
          TensorInfo info = file.tensors().get(name);
          Optional<DType> dtype = info == null ? Optional.empty() : floating(info.type());
          if (info == null || dtype.isEmpty() || !info.shape().equals(shape)) {
            throw new FathomException(
                "%s: expected a tensor '%s' of shape %s in F32 or F64, found %s"
                    .formatted(
                        file.path(),
                        name,
                        shape,
                        info == null ? "none" : info.type() + " " + info.shape()));
          }
          long[] sizes = shape.stream().mapToLong(Long::longValue).toArray();
          Tensor values = Tensor.borrow(file.bytes(name), dtype.get(), sizes).copy();
          if (!Double.isFinite(values.sum().item())) {
            throw new FathomException(
                "%s: its tensor '%s' is not all numbers".formatted(file.path(), name));
          }
          tensors.put(name, values.to(wide(model)));
        });
    return tensors;
  }

  private static Optional<DType> floating(TensorType type) {
    return switch (type) {
      case F32 -> Optional.of(DType.F32);
      case F64 -> Optional.of(DType.F64);
      default -> Optional.empty();
    };
  }
}
