package dev.fathom.align.balance;

import dev.fathom.align.Fitting;
import dev.fathom.evaluate.PackedRows;
import dev.fathom.evaluate.bias.ScoredItem;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.model.Head;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.function.ToLongFunction;
import java.util.stream.DoubleStream;
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
  /// Logits held at a time, about; softmaxes and gradients take up to four times as much again.
  private static final long MOST_LOGITS = 4 << 20;

  /// Sentences of an item.
  private static final int THREE = 3;

  private final Transformer model;
  private final List<Item> items;
  private final List<int[]> neutral;
  private final Weights weights;
  private final long mostLogits;
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
    /// @param before what the unchanged model makes of it
    /// @param afterStart `ln p` of every token behind the start token alone
    static Item of(Fitting fitting, StereoSetItem item, ScoredItem before, float[] afterStart) {
      return new Item(
          item.sentences().stream()
              .map(sentence -> Sentence.of(fitting, sentence.text(), afterStart))
              .toList(),
          (before.stereotype() + before.antiStereotype()) / 2 - before.unrelated());
    }

    /// Whether a fitting's model can read an item.
    static boolean fits(Fitting fitting, StereoSetItem item) {
      int most = fitting.model().card().context();
      return item.sentences().stream()
          .allMatch(sentence -> fitting.tokens(sentence.text()).length <= most);
    }
  }

  /// A sentence as it is read.
  ///
  /// @param row its tokens, behind the start token where that stays in the context, not copied
  /// @param share how much a token's `ln p` adds to the score: `1 / (L ln 2)` for L tokens that are
  ///   scored
  /// @param alone what a first token adds that is predicted from nothing in the row: as the
  ///   unchanged model has it
  @SuppressWarnings("ArrayRecordComponent")
  record Sentence(int[] row, double share, double alone) {
    static Sentence of(Fitting fitting, String text, float[] afterStart) {
      int[] row = fitting.tokens(text);
      boolean official = fitting.context() == SentenceScorer.Context.OFFICIAL;
      double share = 1 / ((official ? row.length : row.length - 1) * Math.log(2));
      return new Sentence(row, share, official ? share * afterStart[row[0]] : 0);
    }

    /// All tokens but the last, which predicts nothing; a token alone.
    int[] withoutLast() {
      return Arrays.copyOf(row, Math.max(1, row.length - 1));
    }
  }

  /// @param model as it was
  /// @param neutral rows of running text, at least one
  Lesson(Transformer model, List<Item> items, List<int[]> neutral, Weights weights) {
    this(model, items, neutral, weights, MOST_LOGITS);
  }

  /// @param mostLogits held at a time, but those of an item
  Lesson(
      Transformer model, List<Item> items, List<int[]> neutral, Weights weights, long mostLogits) {
    this.model = model;
    this.items = items;
    this.neutral = neutral;
    this.weights = weights;
    this.mostLogits = mostLogits;
    Stream<int[]> sentences =
        items.stream().flatMap(item -> item.sentences.stream()).map(Sentence::withoutLast);
    this.packed =
        PackedRows.inOne(
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
      Tensor leaf = stream.detach().requireGradient();
      Tensor gradient = Tensor.zeros(stream.dtype(), stream.shape());
      leaf.gatherGradientIn(gradient);
      double sum = 0;
      for (Part part : parts()) {
        sum += part.down(leaf);
      }
      if (weights.keep > 0) {
        sum += drift(leaf);
      }
      return new Loss(sum, scope.escape(gradient));
    }
  }

  /// `[n, dModel] -> [n, vocab]`, not in the graph.
  private Tensor logits(Tensor read) {
    try (var scope = Scope.withoutGradients()) {
      Head head = model.head();
      return scope.escape(head.shaped(head.out().of(read.detach())).wide());
    }
  }

  /// Goes on down from a gradient with respect to logits.
  ///
  /// @param read what the head's last map read, in the graph
  private void down(Tensor read, Tensor ofLogits, Tensor logits) {
    read.backward(model.head().back(ofLogits, logits).to(read.dtype()));
  }

  // ---------------------------------------------------------------- scores

  /// A token that counts for a score.
  ///
  /// @param place of the token before it, numbered within the part
  /// @param sentence whose score, numbered within the part
  /// @param weight how much its `ln p` adds
  private record Target(int place, int token, int sentence, double weight) {}

  /// Some items, whose logits are held together.
  private final class Part {
    private final List<Item> own = new ArrayList<>();
    private final SequencedMap<Integer, Integer> places = new LinkedHashMap<>(); // in the pass
    private final List<Target> targets = new ArrayList<>();

    /// @param row the number of the item's first
    void add(Item item, int row) {
      for (int s = 0; s < THREE; s++) {
        Sentence sentence = item.sentences.get(s);
        for (int i = 1; i < sentence.row.length; i++) {
          int before = packed.place(row + s, i - 1);
          int place = places.computeIfAbsent(before, _ -> places.size());
          targets.add(new Target(place, sentence.row[i], THREE * own.size() + s, sentence.share));
        }
      }
      own.add(item);
    }

    boolean isFull() {
      return (long) places.size() * model.outputs() > mostLogits / 2;
    }

    /// Adds the gradient of gaps and of what sense has lost against nonsense, and tells both. With
    /// g the gradient with respect to a target's `ln p`, that with respect to the logits of its
    /// place is `g (y − p)`, y being one-hot.
    double down(Tensor leaf) {
      try (var scope = Scope.withGradients()) {
        long[] at = places.sequencedKeySet().stream().mapToLong(place -> place).toArray();
        Tensor read = model.head().read(leaf.indexSelect(0, at)); // [places, dModel]
        Tensor logits = logits(read); // [places, vocab]
        Tensor log = logits.logSoftmax(-1);
        Tensor cells = cells();
        Tensor next = log.view(-1).indexSelect(0, cells).requireGradient();
        Tensor loss = loss(next);
        loss.backward();
        Tensor g = Objects.requireNonNull(next.gradient());
        Tensor ofPlaces =
            Tensor.zeros(g.dtype(), at.length).scatterAddInPlace(0, numbers(Target::place), g);
        Tensor ofLogits = log.expInPlace().mulInPlace(ofPlaces.neg().unsqueeze(1));
        var _ = ofLogits.view(-1).scatterAddInPlace(0, cells, g);
        Lesson.this.down(read, ofLogits, logits);
        return loss.item();
      }
    }

    /// @param next `ln p` of the targets
    private Tensor loss(Tensor next) {
      Tensor scores = scores(next);
      Tensor gap = scores.select(1, 0).sub(scores.select(1, 1));
      Tensor sense = scores.select(1, 0).add(scores.select(1, 1)).mul(0.5).sub(scores.select(1, 2));
      Tensor before = doubles(own.stream().mapToDouble(Item::sense)).to(sense.dtype());
      Tensor lost = before.sub(sense).relu();
      return gap.square()
          .sum()
          .add(lost.square().sum().mul(weights.sense))
          .div(items.size()); // all items of the lesson
    }

    /// `s` of each item's sentences, `[items, 3]`.
    private Tensor scores(Tensor next) {
      Tensor alone =
          doubles(
              own.stream().flatMap(item -> item.sentences.stream()).mapToDouble(Sentence::alone));
      Tensor share = doubles(targets.stream().mapToDouble(Target::weight)).to(next.dtype());
      return alone
          .to(next.dtype())
          .indexAdd(0, numbers(Target::sentence), next.mul(share))
          .view(-1, THREE);
    }

    /// Where the targets are among the logits of all places, one place behind another.
    private Tensor cells() {
      long[] cells =
          targets.stream()
              .mapToLong(target -> (long) target.place * model.outputs() + target.token)
              .toArray();
      return Tensor.of(cells, cells.length);
    }

    private Tensor numbers(ToLongFunction<Target> of) {
      return Tensor.of(targets.stream().mapToLong(of).toArray(), targets.size());
    }
  }

  private static Tensor doubles(DoubleStream values) {
    double[] all = values.toArray();
    return Tensor.of(all, all.length);
  }

  /// So many items together that their logits are not too many, at least one.
  private List<Part> parts() {
    var parts = new ArrayList<Part>();
    for (int i = 0; i < items.size(); i++) {
      if (parts.isEmpty() || parts.getLast().isFull()) {
        parts.add(new Part());
      }
      parts.getLast().add(items.get(i), THREE * i);
    }
    return parts;
  }

  // ---------------------------------------------------------------- running text

  /// Adds the gradient of the divergence, which with respect to logits is `q − p`, and tells it.
  private double drift(Tensor leaf) {
    Tensor before = unchanged();
    long[] places = places(packed, THREE * items.size());
    int each = (int) Math.clamp(mostLogits / model.outputs(), 1, Integer.MAX_VALUE / 2);
    double factor = weights.keep / places.length;
    double sum = 0;
    for (int from = 0; from < places.length; from += each) {
      try (var scope = Scope.withGradients()) {
        long[] some = Arrays.copyOfRange(places, from, Math.min(places.length, from + each));
        Tensor read = model.head().read(leaf.indexSelect(0, some));
        Tensor logits = logits(read);
        Tensor is = logits.logSoftmax(-1);
        Tensor p = logits(model.head().read(before.narrow(0, from, some.length))).logSoftmax(-1);
        Tensor ratio = p.sub(is);
        p = p.expInPlace();
        sum += ratio.mulInPlace(p).sum().item();
        down(read, is.expInPlace().subInPlace(p).mulInPlace(factor), logits);
      }
    }
    return sum * factor;
  }

  /// The unchanged model's stream of the text, `[text tokens, dModel]`.
  private Tensor unchanged() {
    try (var scope = Scope.withoutGradients()) {
      PackedRows text = PackedRows.inOne(neutral, model.card().causal());
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
        .flatMapToLong(
            r -> IntStream.range(0, neutral.get(r).length).mapToLong(i -> in.place(first + r, i)))
        .toArray();
  }
}
