package dev.fathom.align.balance;

import dev.fathom.align.Fitting;
import dev.fathom.evaluate.PackedRows;
import dev.fathom.evaluate.bias.ScoredItem;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.model.Head;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
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
/// What an item's sentences begin with is read once, and their last tokens, which predict nothing,
/// are not read. The head goes over few places at a time, so that no logits of all exist at once.
final class Lesson {
  /// Logits held at a time; their softmax and gradients take as much again.
  private static final long CHUNK_ELEMENTS = 4 << 20;

  /// Sentences of an item.
  private static final int THREE = 3;

  private final Transformer model;
  private final List<Item> items;
  private final List<int[]> neutral;
  private final Weights weights;
  private final PackedRows packed;

  /// What else counts, beside the gap.
  ///
  /// @param sense μ
  /// @param keep λ
  record Weights(double sense, double keep) {}

  /// An item as it is read.
  ///
  /// @param sentences its stereotype, the opposite and the unrelated one
  /// @param sense m°
  record Item(List<Sentence> sentences, double sense) {
    /// @param was what the unchanged model makes of it
    /// @param first `ln p` of every token behind the start token alone
    static Item of(Fitting fitting, StereoSetItem item, ScoredItem was, float[] first) {
      return new Item(
          texts(item).map(text -> Sentence.of(fitting, text, first)).toList(),
          (was.stereotype() + was.antiStereotype()) / 2 - was.unrelated());
    }

    private static Stream<String> texts(StereoSetItem item) {
      return Stream.of(item.stereotype(), item.antiStereotype(), item.unrelated())
          .map(StereoSetItem.Sentence::text);
    }

    /// Whether a fitting's model can read an item.
    static boolean fits(Fitting fitting, StereoSetItem item) {
      int most = fitting.model().card().context();
      return texts(item).allMatch(text -> fitting.tokens(text).length <= most);
    }
  }

  /// A sentence as it is read.
  ///
  /// @param row its tokens, behind the start token where that stays in the context, not copied
  /// @param share how much a token's `ln p` adds to the score: `1 / (L ln 2)` for L tokens that are
  ///   scored
  /// @param alone what a first token adds that is predicted from nothing in the row: as the unchanged
  ///   model has it
  @SuppressWarnings("ArrayRecordComponent")
  record Sentence(int[] row, double share, double alone) {
    static Sentence of(Fitting fitting, String text, float[] first) {
      int[] row = fitting.tokens(text);
      boolean official = fitting.context() == SentenceScorer.Context.OFFICIAL;
      double share = 1 / ((official ? row.length : row.length - 1) * Math.log(2));
      return new Sentence(row, share, official ? share * first[row[0]] : 0);
    }

    /// All tokens but the last, which predicts nothing.
    int[] read() {
      return Arrays.copyOf(row, Math.max(1, row.length - 1));
    }
  }

  /// @param model as it was
  /// @param neutral rows of running text, at least one
  Lesson(Transformer model, List<Item> items, List<int[]> neutral, Weights weights) {
    this.model = model;
    this.items = items;
    this.neutral = neutral;
    this.weights = weights;
    Stream<int[]> sentences =
        items.stream().flatMap(item -> item.sentences.stream()).map(Sentence::read);
    this.packed =
        PackedRows.together(
            Stream.concat(sentences, neutral.stream()).toList(), model.card().causal());
  }

  /// What is read: of each item its sentences, then the text.
  PackedRows rows() {
    return packed;
  }

  /// @param value L
  /// @param gradient with respect to the last stream, `[tokens, dModel]`
  record Loss(double value, Tensor gradient) {}

  /// The loss.
  ///
  /// @param stream `[tokens, dModel]`, of all that is read
  Loss of(Tensor stream) {
    try (var scope = Scope.withGradients()) {
      Tensor read = stream.detach().requireGradient();
      Tensor gradient = Tensor.zeros(stream.dtype(), stream.shape());
      read.gatherGradientIn(gradient);
      double sum = 0;
      for (Asked asked : asked()) {
        sum += scores(read, asked);
      }
      Tensor before = unchanged();
      long[] places = places(packed, THREE * items.size());
      int each = (int) Math.max(1, CHUNK_ELEMENTS / model.outputs());
      for (int from = 0; from < places.length; from += each) {
        long[] some = Arrays.copyOfRange(places, from, Math.min(places.length, from + each));
        sum += drift(read, some, before.narrow(0, from, some.length), places.length);
      }
      return new Loss(sum, scope.escape(gradient));
    }
  }

  // ---------------------------------------------------------------- scores

  /// How much a token adds to which sentence's score.
  private record Share(int sentence, double weight) {}

  /// The tokens that some items' scores are made of.
  private final class Asked {
    private final List<Item> items = new ArrayList<>();
    private final LinkedHashMap<Integer, Integer> places = new LinkedHashMap<>(); // numbered
    private final List<Long> tokens = new ArrayList<>(); // at which place, then which token
    private final List<Share> shares = new ArrayList<>(); // of each token

    /// @param first the number of the item's first row
    void add(Item item, int first) {
      for (int s = 0; s < THREE; s++) {
        Sentence sentence = item.sentences.get(s);
        for (int i = 1; i < sentence.row.length; i++) {
          int place = packed.placeOf(first + s, i - 1);
          long at = places.computeIfAbsent(place, _ -> places.size());
          tokens.add(at * model.outputs() + sentence.row[i]);
          shares.add(new Share(THREE * items.size() + s, sentence.share));
        }
      }
      items.add(item);
    }

    long logits() {
      return (long) places.size() * model.outputs();
    }

    /// What the head reads, `[places, dModel]`.
    Tensor read(Tensor stream) {
      long[] at = places.sequencedKeySet().stream().mapToLong(place -> place).toArray();
      return model.head().read(stream.indexSelect(0, at));
    }

    /// Where the tokens are among logits that are one row a place, side by side.
    Tensor tokens() {
      return Tensor.of(tokens.stream().mapToLong(token -> token).toArray(), tokens.size());
    }

    /// Which place each is at.
    Tensor placeOfTokens() {
      long[] at = tokens.stream().mapToLong(token -> token / model.outputs()).toArray();
      return Tensor.of(at, at.length);
    }

    /// `s` of each item's sentences, `[items, 3]`.
    ///
    /// @param next `ln p` of the tokens
    Tensor scores(Tensor next) {
      double[] alone =
          items.stream()
              .flatMap(item -> item.sentences.stream())
              .mapToDouble(Sentence::alone)
              .toArray();
      double[] share = new double[alone.length * tokens.size()];
      for (int t = 0; t < tokens.size(); t++) {
        Share each = shares.get(t);
        share[each.sentence * tokens.size() + t] = each.weight;
      }
      DType dtype = next.dtype();
      return Tensor.of(share, alone.length, tokens.size())
          .to(dtype)
          .matmul(next.unsqueeze(1))
          .squeeze(1)
          .add(Tensor.of(alone, alone.length).to(dtype))
          .view(-1, THREE);
    }

    Tensor sense(DType dtype) {
      return Tensor.of(items.stream().mapToDouble(Item::sense).toArray(), items.size()).to(dtype);
    }
  }

  /// So many items together that their logits are not too many, at least one.
  private List<Asked> asked() {
    var all = new ArrayList<Asked>();
    for (int i = 0; i < items.size(); i++) {
      if (all.isEmpty() || all.getLast().logits() > CHUNK_ELEMENTS / 2) {
        all.add(new Asked());
      }
      all.getLast().add(items.get(i), THREE * i);
    }
    return all;
  }

  /// Of gaps and of what sense has over nonsense. With g the gradient with respect to `ln p` of a
  /// token, that with respect to the logits of its place is `g (y − p)`, y being one-hot.
  private double scores(Tensor stream, Asked asked) {
    try (var scope = Scope.withGradients()) {
      Tensor read = asked.read(stream);
      Tensor logits = logits(read);
      Tensor log = logits.logSoftmax(-1); // [places, vocab]
      Tensor tokens = asked.tokens();
      Tensor next = log.view(-1).indexSelect(0, tokens).requireGradient();
      Tensor is = asked.scores(next);
      Tensor gap = is.select(1, 0).sub(is.select(1, 1));
      Tensor lost = asked.sense(is.dtype()).sub(sense(is)).relu();
      Tensor loss =
          gap.square().sum().add(lost.square().sum().mul(weights.sense)).div(items.size());
      loss.backward();
      Tensor gradient = Objects.requireNonNull(next.gradient());
      Tensor ofPlaces =
          Tensor.zeros(log.dtype(), log.size(0))
              .scatterAddInPlace(0, asked.placeOfTokens(), gradient);
      Tensor ofLogits = log.expInPlace().mulInPlace(ofPlaces.neg().unsqueeze(1));
      var _ = ofLogits.view(-1).scatterAddInPlace(0, tokens, gradient);
      back(read, ofLogits, logits);
      return loss.item();
    }
  }

  /// `[n, dModel] -> [n, vocab]`, not in the graph.
  private Tensor logits(Tensor read) {
    try (var scope = Scope.withoutGradients()) {
      Head head = model.head();
      return scope.escape(head.shaped(head.out().of(read.detach())).wide());
    }
  }

  private void back(Tensor read, Tensor ofLogits, Tensor logits) {
    read.backward(model.head().back(ofLogits, logits).to(read.dtype()));
  }

  /// m, `[items]`.
  private static Tensor sense(Tensor scores) {
    return scores.select(1, 0).add(scores.select(1, 1)).mul(0.5).sub(scores.select(1, 2));
  }

  // ---------------------------------------------------------------- running text

  /// The unchanged model's stream of the text, `[text tokens, dModel]`.
  private Tensor unchanged() {
    try (var scope = Scope.withoutGradients()) {
      PackedRows text = PackedRows.together(neutral, model.card().causal());
      Tensor stream = model.stream(text.ids(), text.pass());
      return scope.escape(stream.indexSelect(0, places(text, 0)));
    }
  }

  /// Where the tokens of the text are, row by row.
  ///
  /// @param first the number of its first row
  private long[] places(PackedRows in, int first) {
    return IntStream.range(0, neutral.size())
        .boxed()
        .flatMapToLong(r ->
            IntStream.range(0, neutral.get(r).length).mapToLong(i -> in.placeOf(first + r, i)))
        .toArray();
  }

  /// Of the divergence, whose gradient with respect to logits is `q − p`.
  private double drift(Tensor stream, long[] places, Tensor before, int text) {
    try (var scope = Scope.withGradients()) {
      Tensor read = model.head().read(stream.indexSelect(0, places));
      Tensor logits = logits(read);
      Tensor is = logits.logSoftmax(-1);
      Tensor was = logits(model.head().read(before)).logSoftmax(-1);
      Tensor ratio = was.sub(is);
      Tensor p = was.expInPlace();
      double sum = ratio.mulInPlace(p).sum().item();
      back(read, is.expInPlace().subInPlace(p).mulInPlace(weights.keep / text), logits);
      return sum * weights.keep / text;
    }
  }
}
