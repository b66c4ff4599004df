package dev.fathom.align.study;

import dev.fathom.align.Remedy;
import dev.fathom.evaluate.PackedRows;
import dev.fathom.model.Head;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Running text that has nothing to do with a bias, and what a change of a model does to it. A
/// changed model reads it once for both measures. Of the model as it was the streams of what is
/// compared are kept, from which its predictions follow.
final class NeutralText {
  /// Tokens of a row whose whole distributions are compared, at most.
  private static final int MOST_COMPARED = 128;

  /// Tokens whose whole distributions are compared, about.
  private static final int TOKENS_COMPARED = 1024;

  private static final int TOKENS_AT_ONCE = 2048;

  /// Logits held at a time.
  private static final int CHUNK_ELEMENTS = 4 << 20;

  private final Transformer model;
  private final List<int[]> rows;
  private final int[] compared; // tokens of each row that are compared, its first
  private final int[] from; // how many are compared in the rows before
  private double @Nullable [] before; // the model's stream at what is compared, row by row

  /// @param model as it was
  /// @param rows of tokens, at least two each
  NeutralText(Transformer model, List<int[]> rows) {
    this.model = model;
    this.rows = rows;
    this.compared = new int[rows.size()];
    this.from = new int[rows.size() + 1];
    for (int r = 0; r < compared.length; r++) {
      compared[r] = from[r] < TOKENS_COMPARED ? Math.min(rows.get(r).length, MOST_COMPARED) : 0;
      from[r + 1] = from[r] + compared[r];
    }
  }

  /// What it does.
  ///
  /// @param perplexity of all rows; the first token of each is not predicted
  /// @param divergence mean `KL(base ‖ changed)` of the next token over the beginnings of some
  ///   rows, in nats
  record Found(double perplexity, double divergence) {}

  /// Of the model as it was, or with a remedy.
  Found of(Remedy.Treated treated) {
    if (treated.transformer().isEmpty()) {
      return new Found(treated.scorer().perplexity(rows), divergence(treated));
    }
    Transformer changed = treated.transformer().get();
    var sums = new Sums();
    for (PackedRows packed : PackedRows.of(rows, TOKENS_AT_ONCE, true)) {
      try (var scope = Scope.withoutGradients()) {
        read(changed, packed, sums);
      }
    }
    return new Found(Math.exp(sums.nats / sums.predicted), sums.apart / from[rows.size()]);
  }

  /// KL of what is not a transformer with other weights.
  private double divergence(Remedy.Treated treated) {
    double sum = 0;
    for (int r = 0; r < compared.length; r++) {
      if (compared[r] > 0) {
        sum +=
            NextTokens.divergence(model, treated.model(), Arrays.copyOf(rows.get(r), compared[r]));
      }
    }
    return sum / from[rows.size()];
  }

  /// What passes add up to.
  private static final class Sums {
    private double nats;
    private long predicted;
    private double apart;
  }

  /// A token that is read.
  ///
  /// @param place among the tokens of the pass
  /// @param next the token that follows, -1 behind the last
  /// @param compared its place among those whose distributions are compared, -1 if it is none
  private record Place(int place, int next, int compared) {
    boolean isCompared() {
      return compared >= 0;
    }
  }

  private void read(Transformer changed, PackedRows packed, Sums sums) {
    Tensor stream = changed.stream(packed.ids(), packed.pass());
    List<Place> places = places(packed);
    List<Place> some = places.stream().filter(Place::isCompared).toList();
    for (List<Place> chunk : chunks(some)) {
      try (var scope = Scope.open()) {
        Tensor is = log(changed.head(), stream, chunk);
        add(is, chunk, sums);
        if (changed != model) {
          Tensor was = logSoftmax(model.head(), before(chunk));
          Tensor ratio = was.sub(is);
          sums.apart += was.expInPlace().mulInPlace(ratio).sum().item();
        }
      }
    }
    for (List<Place> chunk : chunks(places.stream().filter(p -> !p.isCompared()).toList())) {
      try (var scope = Scope.open()) {
        add(log(changed.head(), stream, chunk), chunk, sums);
      }
    }
  }

  private static void add(Tensor log, List<Place> chunk, Sums sums) {
    int[] next = chunk.stream().mapToInt(place -> Math.max(0, place.next)).toArray();
    float[] values = log.gather(1, Tensor.of(next, next.length, 1)).toFloats();
    for (int i = 0; i < values.length; i++) {
      if (chunk.get(i).next >= 0) {
        sums.nats -= values[i];
        sums.predicted++;
      }
    }
  }

  private static Tensor log(Head head, Tensor stream, List<Place> chunk) {
    return logSoftmax(
        head, stream.indexSelect(0, chunk.stream().mapToLong(Place::place).toArray()));
  }

  private static Tensor logSoftmax(Head head, Tensor stream) {
    return head.of(stream).wide().logSoftmax(-1);
  }

  private List<Place> places(PackedRows packed) {
    var places = new ArrayList<Place>();
    for (int number : packed.rows()) {
      int[] row = rows.get(number);
      for (int i = 0; i < row.length; i++) {
        boolean isCompared = i < compared[number];
        if (isCompared || i < row.length - 1) {
          places.add(
              new Place(
                  packed.place(number, i),
                  i < row.length - 1 ? row[i + 1] : -1,
                  isCompared ? from[number] + i : -1));
        }
      }
    }
    return places;
  }

  private List<List<Place>> chunks(List<Place> places) {
    int each = Math.max(1, CHUNK_ELEMENTS / Math.toIntExact(model.outputs()));
    var chunks = new ArrayList<List<Place>>();
    for (int from = 0; from < places.size(); from += each) {
      chunks.add(places.subList(from, Math.min(places.size(), from + each)));
    }
    return chunks;
  }

  // ---------------------------------------------------------------- the model as it was

  /// The model's stream at some tokens.
  private Tensor before(List<Place> chunk) {
    double[] known = before;
    if (known == null) {
      known = streams();
      before = known;
    }
    int width = model.dModel();
    double[] some = new double[chunk.size() * width];
    for (int i = 0; i < chunk.size(); i++) {
      System.arraycopy(known, chunk.get(i).compared * width, some, i * width, width);
    }
    return Tensor.of(some, chunk.size(), width).to(model.card().dtype());
  }

  private double[] streams() {
    List<int[]> cut =
        IntStream.range(0, rows.size())
            .filter(r -> compared[r] > 0)
            .mapToObj(r -> Arrays.copyOf(rows.get(r), compared[r]))
            .toList();
    int width = model.dModel();
    double[] all = new double[from[rows.size()] * width];
    for (PackedRows packed : PackedRows.of(cut, TOKENS_AT_ONCE, true)) {
      try (var scope = Scope.withoutGradients()) {
        double[] own = model.stream(packed.ids(), packed.pass()).toDoubles();
        for (int r : packed.rows()) {
          for (int i = 0; i < compared[r]; i++) {
            System.arraycopy(own, packed.place(r, i) * width, all, (from[r] + i) * width, width);
          }
        }
      }
    }
    return all;
  }
}
