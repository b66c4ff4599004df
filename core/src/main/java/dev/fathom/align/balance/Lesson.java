package dev.fathom.align.balance;

import dev.fathom.align.Fitting;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/// What one step of [Balance] learns from, and its loss:
///
///     L = (1/n) Σ_i [ (s_i⁺ − s_i⁻)² + μ max(0, m°_i − m_i)² ] + λ KL(p ‖ q)
///     m = ½ (s⁺ + s⁻) − s°
///
/// with s⁺, s⁻ and s° the scores of an item's stereotype, its opposite and the unrelated sentence, in
/// bits a token ([SentenceScorer]), m° what the unchanged model has for m, and p and q what the
/// unchanged and the changed model expect behind each token of running text, in nats a token.
///
/// Heads go over few items or tokens at a time, so that no logits of all exist at once.
final class Lesson {
  /// Logits held at a time; their softmax and gradients take as much again.
  private static final long CHUNK_ELEMENTS = 4 << 20;

  /// Sentences of an item.
  private static final int THREE = 3;

  private final Transformer model;
  private final List<Item> items;
  private final List<int[]> neutral;
  private final Weights weights;

  /// What else counts, beside the gap.
  ///
  /// @param sense μ
  /// @param keep λ
  record Weights(double sense, double keep) {}

  /// An item as it is read.
  ///
  /// @param sentences its stereotype, the opposite and the unrelated one
  record Item(List<Sentence> sentences) {
    static Item of(Fitting fitting, StereoSetItem item) {
      return new Item(
          Stream.of(item.stereotype(), item.antiStereotype(), item.unrelated())
              .map(sentence -> Sentence.of(fitting, sentence.text()))
              .toList());
    }

    boolean fits(int context) {
      return sentences.stream().allMatch(sentence -> sentence.row.length <= context);
    }

    Stream<int[]> rows() {
      return sentences.stream().map(Sentence::row);
    }

    int tokens() {
      return rows().mapToInt(row -> row.length).sum();
    }
  }

  /// A sentence as it is read.
  ///
  /// @param row its tokens, behind the start token where that stays in the context, not copied
  /// @param alone the token that is predicted from nothing in the row, -1 where there is none
  @SuppressWarnings("ArrayRecordComponent")
  record Sentence(int[] row, int alone) {
    static Sentence of(Fitting fitting, String text) {
      int[] row = fitting.tokens(text);
      return new Sentence(row, fitting.context() == SentenceScorer.Context.OFFICIAL ? row[0] : -1);
    }

    /// How much a token's `ln p` adds to the score: `1 / (L ln 2)` for L tokens that are scored.
    double share() {
      int length = alone >= 0 ? row.length : row.length - 1;
      return 1 / (length * Math.log(2));
    }
  }

  /// @param model as it was
  /// @param neutral rows of running text, at least one
  Lesson(Transformer model, List<Item> items, List<int[]> neutral, Weights weights) {
    this.model = model;
    this.items = items;
    this.neutral = neutral;
    this.weights = weights;
  }

  /// All rows: of each item its sentences, then the text.
  List<int[]> rows() {
    return Stream.concat(items.stream().flatMap(Item::rows), neutral.stream()).toList();
  }

  /// @param value L
  /// @param gradient with respect to the last stream, `[tokens, dModel]`
  record Loss(double value, Tensor gradient) {}

  /// The loss.
  ///
  /// @param stream `[tokens, dModel]`, of all rows
  /// @param first `ln p` of every token behind the start token alone
  Loss of(Tensor stream, float[] first) {
    int tokens = Math.toIntExact(stream.size(0));
    int text = neutral.stream().mapToInt(row -> row.length).sum();
    var parts = new ArrayList<Loss>();
    try (var scope = Scope.withoutGradients()) {
      Tensor before = unchanged();
      int at = 0;
      for (List<Item> some : chunks()) {
        int own = some.stream().mapToInt(Item::tokens).sum();
        parts.add(scores(stream.narrow(0, at, own), before.narrow(0, at, own), some, first));
        at += own;
      }
      int each = (int) Math.max(1, CHUNK_ELEMENTS / model.outputs());
      while (at < tokens) {
        int own = Math.min(each, tokens - at);
        parts.add(drift(stream.narrow(0, at, own), before.narrow(0, at, own), text));
        at += own;
      }
      double sum = parts.stream().mapToDouble(Loss::value).sum();
      return new Loss(
          sum, scope.escape(Tensor.cat(parts.stream().map(Loss::gradient).toList(), 0)));
    }
  }

  /// The unchanged model's stream of all rows, `[tokens, dModel]`.
  private Tensor unchanged() {
    int[] ids = rows().stream().flatMapToInt(Arrays::stream).toArray();
    int[] lengths = rows().stream().mapToInt(row -> row.length).toArray();
    return model.stream(Tensor.of(ids, ids.length), Pass.over(Layout.rows(lengths)));
  }

  /// So many items together that their logits are not too many, at least one.
  private List<List<Item>> chunks() {
    var chunks = new ArrayList<List<Item>>();
    long logits = 0;
    for (Item item : items) {
      long own = (long) item.tokens() * model.outputs();
      if (chunks.isEmpty() || logits + own > CHUNK_ELEMENTS) {
        chunks.add(new ArrayList<>());
        logits = 0;
      }
      chunks.getLast().add(item);
      logits += own;
    }
    return chunks;
  }

  /// Of gaps and of what sense has over nonsense.
  private Loss scores(Tensor stream, Tensor before, List<Item> some, float[] first) {
    try (var scope = Scope.withGradients()) {
      Tensor read = stream.detach().requireGradient();
      Tensor targets = targets(some);
      Tensor share = shares(some).to(read.dtype() == DType.F64 ? DType.F64 : DType.F32);
      Tensor alone = alone(some, first).to(share.dtype());
      Tensor is = scores(read, targets, share, alone);
      Tensor was = scores(before.detach(), targets, share, alone);
      Tensor gap = is.select(1, 0).sub(is.select(1, 1));
      Tensor lost = sense(was).sub(sense(is)).relu();
      Tensor loss =
          gap.square().sum().add(lost.square().sum().mul(weights.sense)).div(items.size());
      loss.backward();
      return new Loss(loss.item(), scope.escape(Objects.requireNonNull(read.gradient())));
    }
  }

  /// `s`, `[items, 3]`.
  private Tensor scores(Tensor stream, Tensor targets, Tensor share, Tensor alone) {
    Tensor next = model.head().of(stream).wide().logSoftmax(-1).gather(1, targets); // [tokens, 1]
    return share.matmul(next.to(share.dtype())).squeeze(1).add(alone).view(-1, THREE);
  }

  /// m, `[items]`.
  private static Tensor sense(Tensor scores) {
    return scores.select(1, 0).add(scores.select(1, 1)).mul(0.5).sub(scores.select(1, 2));
  }

  /// What follows each token, I64 `[tokens, 1]`; 0 at the last of a row, where it is not used.
  private static Tensor targets(List<Item> some) {
    long[] targets =
        some.stream()
            .flatMap(Item::rows)
            .flatMapToLong(row -> {
              long[] next = new long[row.length];
              for (int i = 1; i < row.length; i++) {
                next[i - 1] = row[i];
              }
              return Arrays.stream(next);
            })
            .toArray();
    return Tensor.of(targets, targets.length, 1);
  }

  /// How much each token's `ln p` adds to each score, `[sentences, tokens]`.
  private static Tensor shares(List<Item> some) {
    int tokens = some.stream().mapToInt(Item::tokens).sum();
    double[] shares = new double[THREE * some.size() * tokens];
    int at = 0;
    int row = 0;
    for (Item item : some) {
      for (Sentence sentence : item.sentences) {
        int from = row++ * tokens + at;
        Arrays.fill(shares, from, from + sentence.row.length - 1, sentence.share());
        at += sentence.row.length;
      }
    }
    return Tensor.of(shares, row, tokens);
  }

  /// What first tokens add to each score, `[sentences]`: as the unchanged model has them.
  private static Tensor alone(List<Item> some, float[] first) {
    double[] alone =
        some.stream()
            .flatMap(item -> item.sentences.stream())
            .mapToDouble(each -> each.alone < 0 ? 0 : each.share() * first[each.alone])
            .toArray();
    return Tensor.of(alone, alone.length);
  }

  /// Of the divergence.
  private Loss drift(Tensor stream, Tensor before, int text) {
    try (var scope = Scope.withGradients()) {
      Tensor read = stream.detach().requireGradient();
      Tensor was = model.head().of(before.detach()).wide().logSoftmax(-1);
      Tensor is = model.head().of(read).wide().logSoftmax(-1);
      Tensor loss = was.exp().mul(was.sub(is)).sum().mul(weights.keep / text);
      loss.backward();
      return new Loss(loss.item(), scope.escape(Objects.requireNonNull(read.gradient())));
    }
  }
}
