package dev.fathom.model;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/// A transformer: embedding, blocks, head. Offers its steps, not only their sum, so that sweeps,
/// generation and early exit are the same few calls.
public final class Transformer implements LanguageModel, AutoCloseable {
  private final Card card;
  private final Embedding embedding;
  private final List<Block> blocks;
  private final Head head;
  private final AutoCloseable weights;

  /// What a model is called and how long its rows may be.
  ///
  /// @param family such as `llama`
  /// @param name how the user named it (a path or a hub reference)
  /// @param sha256 computes the fingerprint of its weights (reads all of them at first call)
  /// @param context positions a row may have
  /// @param parameters numbers in its weights, tied ones counted once
  /// @param dtype element type it computes in
  /// @param causal whether it predicts the next token (a decoder) or reads both ways (an encoder)
  /// @param labels names of the classes of a classifier, empty otherwise
  public record Card(
      String family,
      String name,
      java.util.function.Supplier<String> sha256,
      int context,
      long parameters,
      DType dtype,
      boolean causal,
      List<String> labels) {}

  /// @param weights closed with the model: the files its tensors are mapped from
  public Transformer(
      Card card, Embedding embedding, List<Block> blocks, Head head, AutoCloseable weights) {
    this.card = card;
    this.embedding = embedding;
    this.blocks = List.copyOf(blocks);
    this.head = head;
    this.weights = weights;
  }

  @Override
  public Card card() {
    return card;
  }

  /// The model as if it ended after some of its blocks, its head reading their stream. Shares
  /// everything with this one, which must outlive it.
  ///
  /// @throws IllegalArgumentException if there are not as many blocks, or none are left
  public Transformer upTo(int layers) {
    if (layers < 1 || layers > blocks.size()) {
      throw new IllegalArgumentException(
          "a model of %d blocks cannot end after %d".formatted(blocks.size(), layers));
    }
    return new Transformer(card, embedding, blocks.subList(0, layers), head, () -> {});
  }

  public Embedding embedding() {
    return embedding;
  }

  public List<Block> blocks() {
    return blocks;
  }

  public Head head() {
    return head;
  }

  public int layers() {
    return blocks.size();
  }

  public int dModel() {
    return (int) embedding.dModel();
  }

  /// Columns of the logits: the vocabulary, or the labels of a classifier.
  @Override
  public int outputs() {
    return (int) head.out().out();
  }

  /// All steps: I64 ids `[tokens]` in the order of the pass' layout `-> [queries, columns]`.
  ///
  /// @throws IllegalArgumentException if the tap names a site this model does not have, a row is
  ///   longer than the context, or an id is not in the vocabulary
  public Tensor forward(Tensor ids, Pass pass) {
    try (var scope = Scope.open()) {
      Tensor logits = unembed(stream(ids, pass), pass);
      Set<Site> silent = pass.silent();
      if (!silent.isEmpty()) {
        throw new IllegalStateException("these sites of the tap never fired: " + silent);
      }
      return scope.escape(logits);
    }
  }

  /// Sees the stream on its way up.
  public interface StreamVisitor {
    /// @param row 0 for the embedding, `l + 1` after block l
    /// @param stream `[tokens, dModel]`, after the last block `[queries, dModel]`; freed afterwards
    ///   unless it is kept
    void at(int row, Tensor stream);
  }

  /// All steps but the last: I64 ids `[tokens] ->` the last block's stream, `[queries, dModel]`.
  ///
  /// @throws IllegalArgumentException as [#forward]
  public Tensor stream(Tensor ids, Pass pass) {
    return stream(ids, pass, (_, _) -> {});
  }

  /// The same, with a look at the stream before each block and after the last.
  public Tensor stream(Tensor ids, Pass pass, StreamVisitor visitor) {
    return stream(ids, pass, blocks.size(), visitor);
  }

  /// The stream after some blocks, none for the embedding: whoever looks no higher computes no
  /// more.
  ///
  /// @param count of blocks, from the lowest
  public Tensor streamAfter(int count, Tensor ids, Pass pass) {
    if (count < 0 || count > blocks.size()) {
      throw new IllegalArgumentException(
          "this model has %d blocks, found %d".formatted(blocks.size(), count));
    }
    return stream(ids, pass, count, (_, _) -> {});
  }

  private Tensor stream(Tensor ids, Pass pass, int count, StreamVisitor visitor) {
    requireSites(pass.tap().sites());
    try (var scope = Scope.open()) {
      Tensor x = embed(ids, pass); // [tokens, dModel]
      visitor.at(0, x);
      for (int layer = 0; layer < count; layer++) {
        Tensor next = block(layer, x, pass);
        scope.release(x);
        x = next;
        visitor.at(layer + 1, x);
      }
      return scope.escape(x);
    }
  }

  /// I64 ids `[tokens] -> [tokens, dModel]`.
  public Tensor embed(Tensor ids, Pass pass) {
    if (pass.layout().context() > card.context) {
      throw new IllegalArgumentException(
          "the longest row has %d tokens, but this model reads at most %d: shorten the prompt"
              .formatted(pass.layout().context(), card.context));
    }
    if (ids.size(0) != pass.layout().tokens()) {
      throw new IllegalArgumentException(
          "%d ids for a layout of %d tokens".formatted(ids.size(0), pass.layout().tokens()));
    }
    for (long id : ids.toLongs()) {
      if (id < 0 || id >= embedding.vocabulary()) {
        throw new IllegalArgumentException(
            "token id %d is not in this model's vocabulary of %d"
                .formatted(id, embedding.vocabulary()));
      }
    }
    try (var scope = Scope.open()) {
      return scope.escape(embedding.forward(ids, pass));
    }
  }

  /// One block over the packed tokens: `[tokens, dModel] -> [queries, dModel]`. Temporaries are
  /// freed at its end.
  public Tensor block(int layer, Tensor x, Pass pass) {
    pass.enter(layer == blocks.size() - 1);
    try (var scope = Scope.open()) {
      return scope.escape(blocks.get(layer).forward(layer, x, pass));
    }
  }

  /// Gives the pass' store a block's keys and values of tokens that do not pass the block, from
  /// vectors of the stream that stand for what would enter it, `x [tokens, dModel]`. No site of the
  /// block fires.
  public void remember(int layer, Tensor x, Pass pass) {
    try (var scope = Scope.open()) {
      Block block = blocks.get(layer);
      block.attention().remember(layer, block.steps().attentionReads(x), pass);
    }
  }

  /// Final norm and head: `[queries, dModel] -> [queries, columns]`.
  public Tensor unembed(Tensor x, Pass pass) {
    try (var scope = Scope.open()) {
      return scope.escape(head.forward(x, pass));
    }
  }

  @Override
  public Tensor logits(Tensor ids, Layout layout, Wanted wanted) {
    return forward(ids, Pass.over(layout).with(wanted));
  }

  @Override
  public Session session(int rows, Tap tap) {
    if (!card.causal) {
      throw new IllegalArgumentException(
          "%s is a %s model, an encoder: it reads both ways and cannot continue a text"
              .formatted(card.name, card.family));
    }
    requireSites(tap.sites());
    return new TransformerSession(this, rows, tap);
  }

  /// Beyond this many tokens a row is computed anew from its start: the shortest of its layers'.
  public long longContext() {
    return blocks.stream()
        .map(block -> block.attention().rotary())
        .filter(Objects::nonNull)
        .mapToLong(Rotary::longContext)
        .min()
        .orElse(Long.MAX_VALUE);
  }

  /// Why this model has no such site; empty when it has.
  public Optional<String> refusal(Site site) {
    return switch (site.kind()) {
      case POS_EMBED ->
          absent(embedding.positions() == null, "it has no absolute position embedding");
      case TOKEN_TYPE_EMBED -> absent(embedding.tokenType() == null, "it has no segment embedding");
      case EMBED_NORM -> absent(embedding.norm() == null, "it does not normalise its embeddings");
      case NORM_SCALE_FINAL ->
          absent(
              head instanceof Head.Classifier
                  || (head instanceof Head.Unembedding u && u.norm() == null),
              "it has no final norm");
      case EMBED, FINAL_NORM, LOGITS -> Optional.empty();
      default ->
          site.layer() >= layers()
              ? Optional.of("it has layers 0 to " + (layers() - 1))
              : blocks.get(site.layer()).refusal(site.kind());
    };
  }

  private static Optional<String> absent(boolean absent, String reason) {
    return absent ? Optional.of(reason) : Optional.empty();
  }

  private void requireSites(Set<Site> sites) {
    for (Site site : sites) {
      refusal(site)
          .ifPresent(reason -> {
            throw new IllegalArgumentException(
                "site %s does not exist on this %s model: %s".formatted(site, card.family, reason));
          });
    }
  }

  /// Frees the model's own memory and unmaps its files; its tensors must not be used afterwards.
  @Override
  public void close() {
    try {
      weights.close();
    } catch (Exception e) {
      throw new IllegalStateException("could not close the weights of " + card.name, e);
    }
  }
}
