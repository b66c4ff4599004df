package dev.fathom.align.baseline;

import dev.fathom.evaluate.Likelihood;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.explain.Runs;
import dev.fathom.model.KvStore;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Segment;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// A model that reads every text twice, as it is and behind an announcement, in the same batch, and
/// makes tokens less likely that the announcement makes more likely ([SelfDebias]).
///
/// The announcement stands behind the start token, where a text begins with one. What all announced
/// texts begin with is computed once for a batch. Logits are the logarithms of the new
/// probabilities. A tap sees both readings of n rows: row `n + i` is row i announced.
final class AnnouncedModel implements LanguageModel, TokenScorer {
  /// Logits held at a time, of each reading.
  private static final long CHUNK_BYTES = 16 << 20;

  private final Transformer model;
  private final int[] announcement;
  private final OptionalInt start;
  private final SelfDebias method;
  private final Transformer.Card card;

  /// @param start the token that may begin texts; empty where none does
  AnnouncedModel(Transformer model, int[] announcement, OptionalInt start, SelfDebias method) {
    Transformer.Card base = model.card();
    if (!base.causal()) {
      throw new IllegalArgumentException(
          "Self-Debias changes the prediction of a next token, but %s is an encoder"
              .formatted(base.name()));
    }
    if (base.context() <= announcement.length + 1) {
      throw new IllegalArgumentException(
          "the announcement of Self-Debias takes %d tokens, but this model reads at most %d"
              .formatted(announcement.length, base.context()));
    }
    this.model = model;
    this.announcement = announcement.clone();
    this.start = start;
    this.method = method;
    this.card =
        new Transformer.Card(
            base.family(),
            base.name() + " + " + method.name(),
            base.sha256(),
            base.context() - announcement.length,
            base.parameters(),
            base.dtype(),
            true,
            base.labels());
  }

  @Override
  public Transformer.Card card() {
    return card;
  }

  @Override
  public int outputs() {
    return model.outputs();
  }

  // ---------------------------------------------------------------- the rule

  /// From logits of both readings, `[n, vocab]`, to the logarithms of the new probabilities.
  private Tensor adjusted(Tensor plain, Tensor announced) {
    Tensor before = plain.wide().logSoftmax(-1);
    Tensor more = announced.wide().softmax(-1).sub(before.exp()).relu(); // max(0, p_b − p)
    double least = Math.log(method.floor());
    Tensor weight = more.mul(-method.decay()).sub(least).relu().add(least); // max(−λ …, ln ε)
    Tensor after = before.add(weight);
    return after.sub(after.logSumExp(-1, true));
  }

  /// The same from the streams that the head reads, `[n, dModel]`.
  private Tensor adjusted(Streams both) {
    return adjusted(model.head().of(both.plain), model.head().of(both.announced));
  }

  // ---------------------------------------------------------------- both readings

  /// The last block's stream at the tokens of some rows, `[tokens, dModel]` each.
  private record Streams(Tensor plain, Tensor announced) {
    Streams narrow(int from, int count) {
      return new Streams(plain.narrow(0, from, count), announced.narrow(0, from, count));
    }
  }

  private static boolean begins(int[] row, OptionalInt start) {
    return start.isPresent() && row.length > 0 && row[0] == start.getAsInt();
  }

  /// A row behind the announcement.
  private int[] announced(int[] row, OptionalInt start) {
    int first = begins(row, start) ? 1 : 0;
    return Stream.of(
            Arrays.copyOf(row, first), announcement, Arrays.copyOfRange(row, first, row.length))
        .flatMapToInt(Arrays::stream)
        .toArray();
  }

  /// Reads rows, which have a token at least.
  private Streams streams(List<int[]> rows, OptionalInt start) {
    int n = rows.size();
    var ids = new ArrayList<int[]>(rows);
    var segments = new ArrayList<Segment>();
    rows.forEach(row -> segments.add(new Segment(segments.size(), 0, row.length)));
    Map<Integer, Runs> beginnings = new HashMap<>(); // by their length
    for (int r = 0; r < n; r++) {
      int[] row = rows.get(r);
      int first = begins(row, start) ? 1 : 0;
      int[] beginning = announced(Arrays.copyOf(row, first), start);
      beginnings.computeIfAbsent(beginning.length, _ -> Runs.of(model, beginning));
      if (row.length > first) {
        segments.add(new Segment(n + r, beginning.length, row.length - first));
        ids.add(Arrays.copyOfRange(row, first, row.length));
      }
    }
    int[] all = ids.stream().flatMapToInt(Arrays::stream).toArray();
    KvStore store =
        (layer, group, k, v) -> {
          int from = group.getFirst().start();
          return from == 0
              ? new KvStore.Keys(k, v)
              : continued(Objects.requireNonNull(beginnings.get(from)).keys(layer), k, v);
        };
    var layout = new Layout(segments);
    Tensor x = model.stream(Tensor.of(all, all.length), Pass.over(layout).with(store));
    int plain = rows.stream().mapToInt(row -> row.length).sum();
    return new Streams(x.narrow(0, 0, plain), announced(rows, x, layout, beginnings, start));
  }

  private static KvStore.Keys continued(KvStore.Keys beginning, Tensor k, Tensor v) {
    return new KvStore.Keys(joined(beginning.k(), k), joined(beginning.v(), v));
  }

  private static Tensor joined(Tensor beginning, Tensor rest) {
    Tensor each =
        beginning.expand(rest.size(0), beginning.size(1), beginning.size(2), beginning.size(3));
    return Tensor.cat(List.of(each, rest), 2);
  }

  /// The stream at each token of the rows, read behind the announcement; behind a start token it is
  /// that at the announcement's end.
  private Tensor announced(
      List<int[]> rows, Tensor x, Layout layout, Map<Integer, Runs> beginnings, OptionalInt start) {
    var pool = new ArrayList<Tensor>(List.of(x));
    Map<Integer, Integer> ends = new HashMap<>();
    beginnings.forEach((length, run) -> {
      ends.put(length, layout.tokens() + ends.size());
      pool.add(run.last(0, length - 1));
    });
    var index = new ArrayList<Integer>();
    int at = rows.stream().mapToInt(row -> row.length).sum();
    for (int[] row : rows) {
      int first = begins(row, start) ? 1 : 0;
      if (first == 1) {
        index.add(Objects.requireNonNull(ends.get(announcement.length + 1)));
      }
      for (int t = first; t < row.length; t++) {
        index.add(at++);
      }
    }
    return Tensor.cat(pool, 0)
        .indexSelect(0, index.stream().mapToLong(Integer::longValue).toArray());
  }

  // ---------------------------------------------------------------- whole rows

  @Override
  public Tensor logits(Tensor ids, Layout layout, Wanted wanted) {
    int[] all = Arrays.stream(ids.toLongs()).mapToInt(Math::toIntExact).toArray();
    int[] offsets = layout.offsets();
    var rows = new ArrayList<int[]>();
    for (int s = 0; s < layout.segments().size(); s++) {
      if (layout.segments().get(s).start() != 0) {
        throw new IllegalArgumentException("rows are read from their start: use a session");
      }
      rows.add(Arrays.copyOfRange(all, offsets[s], offsets[s + 1]));
    }
    requireFits(rows.stream().mapToInt(row -> row.length).max().orElseThrow());
    try (var scope = Scope.withoutGradients()) {
      Streams both = streams(rows, start);
      if (wanted.lastOnly()) {
        Tensor last = Tensor.of(layout.lastTokens(), rows.size());
        both = new Streams(both.plain.indexSelect(0, last), both.announced.indexSelect(0, last));
      }
      Tensor found = adjusted(both);
      long[] columns = wanted.columns();
      Tensor asked = columns == null ? found : found.indexSelect(1, columns);
      return scope.escape(asked.to(model.card().dtype()));
    }
  }

  private void requireFits(int longest) {
    long most = Math.min(model.card().context(), model.longContext()) - announcement.length;
    if (longest > most) {
      throw new IllegalArgumentException(
          "the longest row has %d tokens, but behind the announcement this model reads at most %d: shorten it"
              .formatted(longest, most));
    }
  }

  // ---------------------------------------------------------------- probabilities of tokens

  /// A row to be scored.
  ///
  /// @param number its place among the caller's rows
  /// @param ids with the start token, where it is in the context
  @SuppressWarnings("ArrayRecordComponent")
  private record Scored(int number, int[] ids) {
    int read() {
      return Math.max(0, ids.length - 1);
    }
  }

  @Override
  public List<float[]> score(List<int[]> rows, Likelihood.Config config) {
    boolean inContext = config.start() == Likelihood.Start.IN_CONTEXT;
    OptionalInt before = inContext ? config.startToken() : OptionalInt.empty();
    OptionalInt begin = inContext ? config.startToken() : start;
    for (int r = 0; r < rows.size(); r++) {
      requireTokens(r, rows.get(r));
    }
    List<Scored> sorted =
        IntStream.range(0, rows.size())
            .mapToObj(r ->
                new Scored(
                    r, IntStream.concat(before.stream(), Arrays.stream(rows.get(r))).toArray()))
            .sorted(Comparator.comparingInt(Scored::read).reversed())
            .toList();
    if (!sorted.isEmpty()) {
      requireFits(sorted.getFirst().read());
    }
    float[][] found = new float[rows.size()][0];
    var batch = new ArrayList<Scored>();
    int tokens = 0;
    for (Scored row : sorted) {
      if (row.read() == 0) {
        continue;
      }
      if (!batch.isEmpty() && tokens + 2 * row.read() > config.tokensAtOnce()) {
        score(batch, begin, found);
        batch.clear();
        tokens = 0;
      }
      batch.add(row);
      tokens += 2 * row.read();
    }
    if (!batch.isEmpty()) {
      score(batch, begin, found);
    }
    return config.start() == Likelihood.Start.FIRST_ONLY
        ? withFirst(rows, found, config.startToken())
        : List.of(found);
  }

  private void requireTokens(int number, int[] row) {
    for (int id : row) {
      if (id < 0 || id >= outputs()) {
        throw new IllegalArgumentException(
            "row %d: token id %d is not in this model's vocabulary of %d"
                .formatted(number, id, outputs()));
      }
    }
  }

  private void score(List<Scored> batch, OptionalInt begin, float[][] found) {
    try (var scope = Scope.withoutGradients()) {
      Streams both =
          streams(batch.stream().map(row -> Arrays.copyOf(row.ids, row.read())).toList(), begin);
      int[] next =
          batch.stream().flatMapToInt(row -> Arrays.stream(row.ids, 1, row.ids.length)).toArray();
      float[] packed = new float[next.length];
      int chunk = (int) Math.max(1, CHUNK_BYTES / (4L * outputs()));
      for (int from = 0; from < next.length; from += chunk) {
        int count = Math.min(chunk, next.length - from);
        try (var inner = Scope.open()) {
          Tensor wanted = Tensor.of(Arrays.copyOfRange(next, from, from + count), count, 1);
          float[] part = adjusted(both.narrow(from, count)).gather(1, wanted).toFloats();
          System.arraycopy(part, 0, packed, from, count);
        }
      }
      int at = 0;
      for (Scored row : batch) {
        found[row.number] = Arrays.copyOfRange(packed, at, at + row.read());
        at += row.read();
      }
    }
  }

  /// Each row's values after that of its first token, predicted from the start token alone and from
  /// the start token with the announcement.
  private List<float[]> withFirst(List<int[]> rows, float[][] rest, OptionalInt startToken) {
    float[] first;
    try (var scope = Scope.withoutGradients()) {
      int[] alone = {startToken.orElseThrow()};
      first = adjusted(streams(List.of(alone), startToken)).toFloats();
    }
    return IntStream.range(0, rest.length)
        .mapToObj(r -> {
          int[] ids = rows.get(r);
          float[] values = new float[ids.length];
          if (ids.length > 0) {
            values[0] = first[ids[0]];
            System.arraycopy(rest[r], 0, values, 1, rest[r].length);
          }
          return values;
        })
        .toList();
  }

  // ---------------------------------------------------------------- token by token

  @Override
  public Session session(int rows, Tap tap) {
    return new Twice(model.session(2 * rows, tap), rows);
  }

  /// A session of twice as many rows: those announced behind the others.
  private final class Twice implements Session {
    private final Session both;
    private final List<Boolean> begun = new ArrayList<>();

    Twice(Session both, int rows) {
      this.both = both;
      for (int row = 0; row < rows; row++) {
        begun.add(false);
      }
    }

    @Override
    public int rows() {
      return begun.size();
    }

    @Override
    public int[] tokens(int row) {
      requireRow(row);
      return both.tokens(row);
    }

    private void requireRow(int row) {
      if (row < 0 || row >= rows()) {
        throw new IllegalArgumentException("there is no row %d among %d".formatted(row, rows()));
      }
    }

    @Override
    public Tensor append(List<int[]> tokens) {
      int n = rows();
      if (tokens.size() != n) {
        throw new IllegalArgumentException(
            "tokens of %d rows for a session of %d".formatted(tokens.size(), n));
      }
      var next = new ArrayList<>(tokens);
      for (int row = 0; row < n; row++) {
        next.add(begun.get(row) ? tokens.get(row) : announced(tokens.get(row), start));
      }
      try (var scope = Scope.withoutGradients()) {
        Tensor logits = both.append(next);
        begun.replaceAll(_ -> true);
        Tensor found = adjusted(logits.narrow(0, 0, n), logits.narrow(0, n, n));
        return scope.escape(found.to(model.card().dtype()));
      }
    }

    @Override
    public void select(int... rows) {
      Arrays.stream(rows).forEach(this::requireRow);
      int n = rows();
      both.select(
          IntStream.concat(Arrays.stream(rows), Arrays.stream(rows).map(row -> n + row)).toArray());
      List<Boolean> kept = Arrays.stream(rows).mapToObj(begun::get).toList();
      begun.clear();
      begun.addAll(kept);
    }

    @Override
    public void truncate(int row, int length) {
      requireRow(row);
      both.truncate(row, length);
      if (begun.get(row)) {
        both.truncate(rows() + row, length == 0 ? 0 : announcement.length + length);
        begun.set(row, length > 0);
      }
    }

    @Override
    public long bytes() {
      return both.bytes();
    }

    @Override
    public void close() {
      both.close();
    }
  }
}
