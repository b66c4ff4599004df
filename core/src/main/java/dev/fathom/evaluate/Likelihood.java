package dev.fathom.evaluate;

import dev.fathom.model.LanguageModel;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/// How probable does a causal model find each token of a text? `ln P(t_i | t_0 … t_{i-1})` in nats
/// for every token of many rows: what perplexity and the comparison of sentences are sums of.
///
/// Rows are sorted by length and packed without padding, so rows of one length share each attention
/// call and none changes another's result. What several rows begin with is read once. The last
/// token of a row predicts nothing and is not read. The head goes over the packed positions in
/// chunks: no `[tokens, vocab]` tensor is ever held.
///
/// The sum over a row favours short rows; the mean favours rows of many easy tokens. Which of the
/// two a measure means is for the measure to say.
///
/// ```java
/// List<float[]> found = Likelihood.of(model, rows, Likelihood.Config.standard());
/// double perplexity = Math.exp(-Likelihood.sum(found.getFirst()) / found.getFirst().length);
/// ```
public final class Likelihood {
  /// Logits held at a time; enough rows to keep the product of the head efficient.
  private static final long CHUNK_BYTES = 32 << 20;

  private final Transformer model;
  private final Tap tap;
  private final DType wide;

  private Likelihood(Transformer model, Tap tap) {
    this.model = model;
    this.tap = tap;
    this.wide = model.card().dtype() == DType.F64 ? DType.F64 : DType.F32;
  }

  /// What a row's first token is predicted from.
  public enum Start {
    /// Nothing: the first token gets no value.
    NONE,
    /// The start token, which stays in the context of all tokens.
    IN_CONTEXT,
    /// The start token, which only the first token sees; the others see the row alone (StereoSet's
    /// official script).
    FIRST_ONLY
  }

  /// @param start what a row's first token is predicted from
  /// @param startToken its id; present unless `start` is [Start#NONE]
  /// @param tokensAtOnce tokens packed into one pass; a longer row goes alone
  public record Config(Start start, OptionalInt startToken, int tokensAtOnce) {
    public Config {
      if (startToken.isPresent() == (start == Start.NONE)) {
        throw new IllegalArgumentException(
            start == Start.NONE
                ? "a start token is given, but nothing is to be predicted from it"
                : "predicting first tokens needs a start token");
      }
      if (tokensAtOnce < 1) {
        throw new IllegalArgumentException(
            "at least one token must be read at once, found " + tokensAtOnce);
      }
    }

    /// Rows as they are, 2048 tokens at once.
    public static Config standard() {
      return new Config(Start.NONE, OptionalInt.empty(), 2048);
    }

    /// The same with values for first tokens too.
    public Config starting(Start start, int token) {
      return new Config(start, OptionalInt.of(token), tokensAtOnce);
    }

    public Config tokensAtOnce(int tokens) {
      return new Config(start, startToken, tokens);
    }
  }

  /// A row in the order of computation.
  ///
  /// @param number its place among the caller's rows
  /// @param read the tokens the model reads
  /// @param predicted the tokens that follow them, as many
  private record Row(int number, int[] read, int[] predicted) {
    static Row of(int number, int[] ids, OptionalInt before) {
      int[] whole =
          before.isEmpty()
              ? ids
              : IntStream.concat(IntStream.of(before.getAsInt()), Arrays.stream(ids)).toArray();
      int count = Math.max(0, whole.length - 1);
      return new Row(
          number,
          Arrays.copyOf(whole, count),
          Arrays.copyOfRange(whole, Math.min(1, whole.length), whole.length));
    }

    int length() {
      return read.length;
    }
  }

  /// The log-probabilities, in nats, of each row's tokens given those before: a row of `n` token
  /// ids gets `n - 1` values, or `n` where first tokens are predicted from a start token. In the
  /// order of `rows`; the arrays are the caller's.
  ///
  /// @throws IllegalArgumentException if the model is not causal, or a row has an id outside the
  ///   vocabulary or more tokens than the model reads
  public static List<float[]> of(Transformer model, List<int[]> rows, Config config) {
    return of(model, rows, config, Tap.NONE);
  }

  /// The same of a model whose blocks are watched or changed. What several rows begin with passes
  /// the tap once.
  ///
  /// @param tap of sites below the head, which is computed apart from them
  /// @throws IllegalArgumentException as [#of(Transformer, List, Config)], or if the tap names a
  ///   site of the head, or one that the model does not have
  public static List<float[]> of(Transformer model, List<int[]> rows, Config config, Tap tap) {
    for (Site site : tap.sites()) {
      switch (site.kind()) {
        case NORM_SCALE_FINAL, FINAL_NORM, LOGITS ->
            throw new IllegalArgumentException(
                "%s: probabilities are computed without the head's sites; choose one of a block"
                    .formatted(site));
        default -> {}
      }
    }
    if (!model.card().causal()) {
      throw new IllegalArgumentException(
          "%s models read both ways and give no probability of a next token: use a causal model"
              .formatted(model.card().family()));
    }
    config.startToken.ifPresent(token -> requireToken("the start token", token, model));
    for (int r = 0; r < rows.size(); r++) {
      for (int id : rows.get(r)) {
        requireToken("row " + r, id, model);
      }
    }
    return new Likelihood(model, tap).run(rows, config);
  }

  /// The log-probabilities, in nats, of a text's tokens after the first, read token by token in a
  /// new session of one row: what a model makes of a text that remembers in its own way, such as a
  /// [dev.fathom.model.Streaming].
  public static float[] read(LanguageModel model, int[] ids) {
    float[] values = new float[Math.max(0, ids.length - 1)];
    try (var session = model.session(1)) {
      for (int i = 0; i < values.length; i++) {
        try (var scope = Scope.withoutGradients()) {
          Tensor logits = session.append(List.of(new int[] {ids[i]}));
          Tensor wide = logits.dtype() == DType.F64 ? logits : logits.to(DType.F32);
          values[i] = (float) wide.logSoftmax(-1).select(1, ids[i + 1]).item();
        }
      }
    }
    return values;
  }

  /// The log-probability of a whole row, accumulated in double precision.
  public static double sum(float[] logProbabilities) {
    double sum = 0;
    for (float value : logProbabilities) {
      sum += value;
    }
    return sum;
  }

  private static void requireToken(String where, int id, Transformer model) {
    int vocabulary = Math.toIntExact(Math.min(model.outputs(), model.embedding().vocabulary()));
    if (id < 0 || id >= vocabulary) {
      throw new IllegalArgumentException(
          "%s: token id %d is not in this model's vocabulary of %d"
              .formatted(where, id, vocabulary));
    }
  }

  private List<float[]> run(List<int[]> rows, Config config) {
    OptionalInt before = config.start == Start.IN_CONTEXT ? config.startToken : OptionalInt.empty();
    List<Row> all =
        IntStream.range(0, rows.size()).mapToObj(r -> Row.of(r, rows.get(r), before)).toList();
    requireFit(all);
    float[][] found = new float[rows.size()][];
    all.forEach(row -> found[row.number] = new float[row.length()]);
    List<Row> reading = all.stream().filter(row -> row.length() > 0).toList();
    List<int[]> read = reading.stream().map(Row::read).toList();
    for (PackedRows packed : PackedRows.of(read, config.tokensAtOnce, true)) {
      compute(packed, reading, found);
    }
    return config.start == Start.FIRST_ONLY
        ? withFirst(rows, found, config.startToken.orElseThrow())
        : List.of(found);
  }

  private void requireFit(List<Row> rows) {
    for (Row row : rows) {
      if (row.length() > model.card().context()) {
        throw new IllegalArgumentException(
            "row %d has %d tokens, but this model reads at most %d before the last: shorten it"
                .formatted(row.number, row.length() + 1, model.card().context()));
      }
    }
  }

  /// What is to be looked up after a pass: a token after a place among the packed ones.
  private record Asked(int at, int token) {}

  /// Whose it is.
  private record Asking(Row row, int index) {}

  /// One pass over packed rows.
  private void compute(PackedRows packed, List<Row> reading, float[][] found) {
    var asked = new LinkedHashMap<Asked, List<Asking>>();
    for (int number : packed.rows()) {
      Row row = reading.get(number);
      for (int i = 0; i < row.length(); i++) {
        asked
            .computeIfAbsent(
                new Asked(packed.place(number, i), row.predicted[i]), _ -> new ArrayList<>())
            .add(new Asking(row, i));
      }
    }
    float[] values = values(packed, List.copyOf(asked.sequencedKeySet()));
    int at = 0;
    for (List<Asking> all : asked.sequencedValues()) {
      for (Asking asking : all) {
        found[asking.row.number][asking.index] = values[at];
      }
      at++;
    }
  }

  private float[] values(PackedRows packed, List<Asked> asked) {
    float[] values = new float[asked.size()];
    int chunk = (int) Math.max(1, CHUNK_BYTES / ((long) model.outputs() * wide.bytes()));
    try (var scope = Scope.withoutGradients()) {
      Tensor x = model.stream(packed.ids(), packed.pass().with(tap)); // [tokens, dModel]
      for (int from = 0; from < values.length; from += chunk) {
        List<Asked> some = asked.subList(from, Math.min(values.length, from + chunk));
        long[] places = some.stream().mapToLong(Asked::at).toArray();
        int[] tokens = some.stream().mapToInt(Asked::token).toArray();
        try (var inner = Scope.open()) {
          Tensor next = Tensor.of(tokens, tokens.length, 1);
          float[] part = logProbabilities(x.indexSelect(0, places)).gather(1, next).toFloats();
          System.arraycopy(part, 0, values, from, part.length);
        }
      }
    }
    return values;
  }

  /// `x [n, dModel] -> [n, vocab]`.
  private Tensor logProbabilities(Tensor x) {
    return model.head().of(x).to(wide).logSoftmax(-1);
  }

  /// Each row's values after that of its first token given the start token alone, which is the same
  /// prediction for all rows.
  private List<float[]> withFirst(List<int[]> rows, float[][] rest, int startToken) {
    float[] first;
    try (var scope = Scope.withoutGradients()) {
      Tensor start = Tensor.of(new int[] {startToken}, 1);
      first =
          logProbabilities(model.stream(start, Pass.over(Layout.single(1)).with(tap))).toFloats();
    }
    var all = new ArrayList<float[]>(rest.length);
    for (int r = 0; r < rest.length; r++) {
      int[] ids = rows.get(r);
      float[] values = new float[ids.length];
      if (ids.length > 0) {
        values[0] = first[ids[0]];
        System.arraycopy(rest[r], 0, values, 1, rest[r].length);
      }
      all.add(values);
    }
    return List.copyOf(all);
  }
}
