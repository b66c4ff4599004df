package dev.fathom.align.balance;

import dev.fathom.align.Fitting;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.SpecialTokens;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/// What one step of [Balance] learns from, and its loss:
///
///     L = (1/n) Σ_i (s_i⁺ − s_i⁻)² + λ KL(p ‖ q)
///
/// with s⁺ and s⁻ the scores of an item's stereotype and anti-stereotype, in bits a token
/// ([SentenceScorer]), and p and q what the unchanged and the changed model expect behind each
/// token of running text, in nats a token.
///
/// Heads go over few items or tokens at a time, so that no logits of all exist at once.
final class Lesson {
  /// Logits held at a time; their softmax and gradients take as much again.
  private static final long CHUNK_ELEMENTS = 4 << 20;

  private final Transformer model;
  private final List<Pair> pairs;
  private final List<int[]> neutral;
  private final double keep;

  /// An item's stereotype and its opposite.
  record Pair(Sentence stereotype, Sentence opposite) {
    static Pair of(Fitting fitting, StereoSetItem item) {
      return new Pair(
          Sentence.of(fitting, item.stereotype().text()),
          Sentence.of(fitting, item.antiStereotype().text()));
    }

    boolean fits(int context) {
      return stereotype.row.length <= context && opposite.row.length <= context;
    }

    int tokens() {
      return stereotype.row.length + opposite.row.length;
    }
  }

  /// A sentence as it is read.
  ///
  /// @param row its tokens, behind the start token where that stays in the context, not copied
  /// @param alone the token that is predicted from nothing in the row, -1 where there is none
  @SuppressWarnings("ArrayRecordComponent")
  record Sentence(int[] row, int alone) {
    static Sentence of(Fitting fitting, String text) {
      int[] ids = fitting.tokenizer().encode(text, SpecialTokens.NONE).ids();
      if (fitting.context() == SentenceScorer.Context.OFFICIAL) {
        return new Sentence(ids, ids[0]);
      }
      int[] row = new int[ids.length + 1];
      row[0] = fitting.start().id();
      System.arraycopy(ids, 0, row, 1, ids.length);
      return new Sentence(row, -1);
    }

    /// L, the tokens that are scored.
    int length() {
      return alone >= 0 ? row.length : row.length - 1;
    }
  }

  /// @param model as it was
  /// @param neutral rows of running text, at least one
  /// @param keep λ
  Lesson(Transformer model, List<Pair> pairs, List<int[]> neutral, double keep) {
    this.model = model;
    this.pairs = pairs;
    this.neutral = neutral;
    this.keep = keep;
  }

  /// All rows: of each pair both sentences, then the text.
  List<int[]> rows() {
    return Stream.concat(
            pairs.stream().flatMap(pair -> Stream.of(pair.stereotype.row, pair.opposite.row)),
            neutral.stream())
        .toList();
  }

  /// @param value L
  /// @param gradient with respect to the last stream, `[tokens, dModel]`
  record Loss(double value, Tensor gradient) {}

  /// The loss.
  ///
  /// @param stream `[tokens, dModel]`, of all rows
  /// @param first `ln p` of every token behind the start token alone
  Loss of(Tensor stream, float[] first) {
    int ofPairs = pairs.stream().mapToInt(Pair::tokens).sum();
    int ofText = neutral.stream().mapToInt(row -> row.length).sum();
    var parts = new ArrayList<Loss>();
    try (var scope = Scope.withoutGradients()) {
      int at = 0;
      for (List<Pair> some : chunks()) {
        int tokens = some.stream().mapToInt(Pair::tokens).sum();
        parts.add(gaps(stream.narrow(0, at, tokens), some, first));
        at += tokens;
      }
      Tensor before = unchanged();
      int each = (int) Math.max(1, CHUNK_ELEMENTS / model.outputs());
      for (int t = 0; t < ofText; t += each) {
        int tokens = Math.min(each, ofText - t);
        Tensor now = stream.narrow(0, ofPairs + t, tokens);
        parts.add(drift(now, before.narrow(0, t, tokens), ofText));
      }
      double sum = parts.stream().mapToDouble(Loss::value).sum();
      return new Loss(
          sum, scope.escape(Tensor.cat(parts.stream().map(Loss::gradient).toList(), 0)));
    }
  }

  /// So many pairs together that their logits are not too many, at least one.
  private List<List<Pair>> chunks() {
    var chunks = new ArrayList<List<Pair>>();
    long logits = 0;
    for (Pair pair : pairs) {
      long own = (long) pair.tokens() * model.outputs();
      if (chunks.isEmpty() || logits + own > CHUNK_ELEMENTS) {
        chunks.add(new ArrayList<>());
        logits = 0;
      }
      chunks.getLast().add(pair);
      logits += own;
    }
    return chunks;
  }

  /// Of the squared gaps.
  private Loss gaps(Tensor stream, List<Pair> some, float[] first) {
    try (var scope = Scope.withGradients()) {
      Tensor read = stream.detach().requireGradient();
      Tensor log = model.head().of(read).wide().logSoftmax(-1); // [tokens, vocab]
      Tensor next = log.gather(1, targets(some)).squeeze(1); // [tokens]
      Tensor gap = weights(some).to(next.dtype()).matmul(next.unsqueeze(1)).squeeze(1); // [pairs]
      Tensor loss =
          gap.add(constants(some, first).to(next.dtype())).square().sum().div(pairs.size());
      loss.backward();
      return new Loss(loss.item(), scope.escape(Objects.requireNonNull(read.gradient())));
    }
  }

  /// What follows each token, I64 `[tokens, 1]`; 0 at the last of a row, where it is not used.
  private static Tensor targets(List<Pair> some) {
    long[] targets =
        some.stream()
            .flatMap(pair -> Stream.of(pair.stereotype.row, pair.opposite.row))
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

  /// How much each token's `ln p` adds to each pair's gap, `[pairs, tokens]`.
  private static Tensor weights(List<Pair> some) {
    int tokens = some.stream().mapToInt(Pair::tokens).sum();
    double[] weights = new double[some.size() * tokens];
    int at = 0;
    for (int p = 0; p < some.size(); p++) {
      Pair pair = some.get(p);
      int sign = 1;
      for (Sentence sentence : List.of(pair.stereotype, pair.opposite)) {
        int from = p * tokens + at;
        Arrays.fill(weights, from, from + sentence.row.length - 1, bits(sign, sentence));
        at += sentence.row.length;
        sign = -1;
      }
    }
    return Tensor.of(weights, some.size(), tokens);
  }

  /// What first tokens add to each gap, `[pairs]`: they are taken as the unchanged model has them.
  private static Tensor constants(List<Pair> some, float[] first) {
    double[] constants =
        some.stream()
            .mapToDouble(pair -> alone(1, pair.stereotype, first) + alone(-1, pair.opposite, first))
            .toArray();
    return Tensor.of(constants, constants.length);
  }

  private static double alone(int sign, Sentence sentence, float[] first) {
    return sentence.alone < 0 ? 0 : bits(sign, sentence) * first[sentence.alone];
  }

  private static double bits(int sign, Sentence sentence) {
    return sign / (sentence.length() * Math.log(2));
  }

  /// The unchanged model's stream of the text, `[tokens, dModel]`.
  private Tensor unchanged() {
    int[] ids = neutral.stream().flatMapToInt(Arrays::stream).toArray();
    int[] lengths = neutral.stream().mapToInt(row -> row.length).toArray();
    return model.stream(Tensor.of(ids, ids.length), Pass.over(Layout.rows(lengths)));
  }

  /// Of the divergence.
  private Loss drift(Tensor stream, Tensor before, int tokens) {
    try (var scope = Scope.withGradients()) {
      Tensor read = stream.detach().requireGradient();
      Tensor was = model.head().of(before.detach()).wide().logSoftmax(-1);
      Tensor is = model.head().of(read).wide().logSoftmax(-1);
      Tensor loss = was.exp().mul(was.sub(is)).sum().mul(keep / tokens);
      loss.backward();
      return new Loss(loss.item(), scope.escape(Objects.requireNonNull(read.gradient())));
    }
  }
}
