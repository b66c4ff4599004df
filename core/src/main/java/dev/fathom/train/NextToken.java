package dev.fathom.train;

import dev.fathom.arch.Models;
import dev.fathom.model.Head;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SequencedMap;
import tools.jackson.databind.node.ObjectNode;

/// Cross-entropy of the next token, `−Σ ln P(t_i | t_0 … t_{i−1})` over the tokens that count.
///
/// The model is built from the parameters at each step, so whatever its family derives from them is
/// part of the graph. Head and loss go over the positions in chunks: each chunk's gradient with
/// respect to the stream is kept, its logits are not, so no `[tokens, vocab]` tensor exists beyond
/// a chunk.
public final class NextToken implements Objective {
  /// Logits held at a time: they, their softmax and their gradient, 8 MB each.
  private static final long CHUNK_ELEMENTS = 2 << 20;

  private final Blueprint blueprint;
  private final String fingerprint;

  /// Makes the model that has these parameters.
  public interface Blueprint {
    /// A causal model over tensors that outlive it, in the graph of those that require gradients.
    Transformer over(SequencedMap<String, Tensor> parameters);
  }

  /// Of all weights of a model.
  ///
  /// @param config as in config.json
  /// @param name what the model is called in messages
  /// @param dtype what it computes in
  public static NextToken of(ObjectNode config, String name, DType dtype) {
    return new NextToken(
        parameters -> Models.over(config, name, parameters, dtype), dtype + " " + config);
  }

  /// @param fingerprint what decides the model besides its parameters, such as its configuration
  ///   and compute type
  public NextToken(Blueprint blueprint, String fingerprint) {
    this.blueprint = blueprint;
    this.fingerprint = fingerprint;
  }

  @Override
  public String fingerprint() {
    return fingerprint;
  }

  @Override
  public Sums backward(
      SequencedMap<String, Tensor> leaves, List<Row> rows, double scale, long step) {
    try (var scope = Scope.withGradients();
        var model = blueprint.over(leaves)) {
      Packed packed = Packed.of(rows);
      Tensor stream = stream(model, packed); // [targets, dModel]
      var gradients = new ArrayList<Tensor>();
      double sum = 0;
      for (Packed.Chunk chunk : packed.chunks(model.outputs(), CHUNK_ELEMENTS)) {
        try (var inner = Scope.withGradients()) {
          Tensor read = chunk.of(stream).detach().requireGradient();
          Tensor loss = loss(model.head(), read, chunk.of(packed.targets()));
          sum += loss.item();
          loss.mul(scale).backward();
          gradients.add(inner.escape(Objects.requireNonNull(read.gradient())));
        }
      }
      if (stream.requiresGradient()) { // not where only the head is trained
        stream.backward(Tensor.cat(gradients, 0));
      }
      return Sums.of(sum);
    }
  }

  @Override
  public Sums loss(SequencedMap<String, Tensor> parameters, List<Row> rows) {
    try (var scope = Scope.withoutGradients();
        var model = blueprint.over(parameters)) {
      Packed packed = Packed.of(rows);
      Tensor stream = stream(model, packed);
      double sum = 0;
      for (Packed.Chunk chunk : packed.chunks(model.outputs(), CHUNK_ELEMENTS)) {
        try (var inner = Scope.open()) {
          sum += loss(model.head(), chunk.of(stream), chunk.of(packed.targets())).item();
        }
      }
      return Sums.of(sum);
    }
  }

  /// The last block's stream at the positions before the tokens that count.
  private static Tensor stream(Transformer model, Packed packed) {
    if (!model.card().causal()) {
      throw new IllegalArgumentException(
          "%s is an encoder: it sees the next token, so predicting it teaches nothing"
              .formatted(model.card().name()));
    }
    return packed.reading(model.stream(packed.tokens(), Pass.over(packed.layout())));
  }

  private static Tensor loss(Head head, Tensor read, Tensor targets) {
    Tensor logits = head.of(read);
    return (logits.dtype() == DType.F64 ? logits : logits.to(DType.F32)).crossEntropySum(targets);
  }
}
