package dev.fathom.model;

import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/// A model that reads texts of any length with constant memory: it remembers their first `start`
/// and last `recent` tokens (StreamingLLM: Xiao et al. 2023). The first tokens are kept because
/// trained models park attention there that they have no use for (attention sinks); without them
/// the prediction collapses as soon as the first token is forgotten.
///
/// ```java
/// Generator.of(Streaming.of(model, 4, 512), tokenizer).run(prompt, Decoding.greedy(5000));
/// ```
///
/// Up to `start + recent` tokens it is exactly the model. It does not see further back than that:
/// what is forgotten is forgotten. Rotary positions and ALiBi are counted inside the cache.
/// Absolute positions enter with the embedding and cannot be counted anew, so such a model reads at
/// most its context even so.
public final class Streaming implements LanguageModel {
  private final Transformer model;
  private final int start;
  private final int recent;
  private final boolean absolute;

  private Streaming(Transformer model, int start, int recent) {
    this.model = model;
    this.start = start;
    this.recent = recent;
    this.absolute = model.embedding().positions() != null;
  }

  /// @param start tokens to keep from the beginning: 4 in the paper, 0 for a plain window
  /// @param recent tokens to keep before the next one, itself included
  /// @throws IllegalArgumentException if the model is no decoder, the cache is larger than what the
  ///   model reads, or its kind of positions does not allow it
  public static Streaming of(Transformer model, int start, int recent) {
    Transformer.Card card = model.card();
    if (!card.causal()) {
      throw new IllegalArgumentException(
          "%s is a %s model, an encoder: it reads both ways and has no cache to roll"
              .formatted(card.name(), card.family()));
    }
    if (start < 0 || recent < 1) {
      throw new IllegalArgumentException(
          "a rolling cache keeps at least 0 first and 1 recent tokens, found %d and %d"
              .formatted(start, recent));
    }
    long most = Math.min(card.context(), model.longContext());
    if ((long) start + recent > most) {
      throw new IllegalArgumentException(
          "a rolling cache of %d + %d tokens is larger than the %d that this model can tell apart: keep fewer recent ones"
              .formatted(start, recent, most));
    }
    if (model.embedding().positions() != null
        && model.blocks().stream().anyMatch(block -> block.attention().window() > 0)) {
      throw new IllegalArgumentException(
          "%s models have absolute positions and windows of their own: a rolling cache cannot serve both"
              .formatted(card.family()));
    }
    return new Streaming(model, start, recent);
  }

  public int start() {
    return start;
  }

  public int recent() {
    return recent;
  }

  /// The model's, without a limit to its context where its positions allow that.
  @Override
  public Transformer.Card card() {
    Transformer.Card card = model.card();
    return absolute
        ? card
        : new Transformer.Card(
            card.family(),
            card.name(),
            card.sha256(),
            Integer.MAX_VALUE,
            card.parameters(),
            card.dtype(),
            card.causal(),
            card.labels());
  }

  @Override
  public int outputs() {
    return model.outputs();
  }

  /// Row by row, token by token.
  @Override
  public Tensor logits(Tensor ids, Layout layout, Wanted wanted) {
    try (var scope = Scope.withoutGradients()) {
      var parts = new ArrayList<Tensor>();
      int[] all = Arrays.stream(ids.toLongs()).mapToInt(Math::toIntExact).toArray();
      int[] offsets = layout.offsets();
      for (int s = 0; s < layout.segments().size(); s++) {
        if (layout.segments().get(s).start() != 0) {
          throw new IllegalArgumentException("a rolling cache reads rows from their beginning");
        }
        int[] row = Arrays.copyOfRange(all, offsets[s], offsets[s + 1]);
        try (var session = session(1)) {
          if (wanted.lastOnly()) {
            parts.add(session.append(List.of(row)));
          } else {
            for (int id : row) {
              parts.add(session.append(List.of(new int[] {id})));
            }
          }
        }
      }
      Tensor joined = Tensor.cat(parts, 0);
      long[] columns = wanted.columns();
      return scope.escape(columns == null ? joined : joined.indexSelect(1, columns));
    }
  }

  /// @param tap none: positions inside the cache are not those of the text
  @Override
  public Session session(int rows, Tap tap) {
    if (!tap.sites().isEmpty()) {
      throw new IllegalArgumentException(
          "a rolling cache numbers positions anew, so nothing can be watched or changed by position: leave the tap or the cache out");
    }
    return new Reading(rows);
  }

  /// Rows that are read on.
  private final class Reading implements Session {
    private final RollingCache cache;
    private List<int[]> read = new ArrayList<>();
    private int[] seen; // how many of a row's tokens the cache has seen

    Reading(int rows) {
      this.cache = new RollingCache(rows, start, recent);
      this.seen = new int[rows];
      for (int row = 0; row < rows; row++) {
        read.add(new int[0]);
      }
    }

    @Override
    public int rows() {
      return read.size();
    }

    @Override
    public int[] tokens(int row) {
      return read.get(row).clone();
    }

    @Override
    public Tensor append(List<int[]> tokens) {
      if (tokens.size() != rows() || tokens.stream().anyMatch(more -> more.length == 0)) {
        throw new IllegalArgumentException(
            "each of the %d rows of a session needs at least one more token, found rows of %s"
                .formatted(rows(), tokens.stream().map(more -> more.length).toList()));
      }
      var whole = new ArrayList<int[]>();
      for (int row = 0; row < rows(); row++) {
        whole.add(joined(read.get(row), tokens.get(row)));
        requireFits(whole.get(row).length);
      }
      var last = new Tensor[rows()];
      try (var scope = Scope.withoutGradients()) {
        while (Arrays.stream(last).anyMatch(Objects::isNull)) {
          step(whole, last, scope);
        }
        read = whole;
        return scope.escape(Tensor.cat(List.of(last), 0));
      }
    }

    private void requireFits(int length) {
      if (absolute && length > model.card().context()) {
        throw new IllegalArgumentException(
            "the text has %d tokens, but %s models have absolute positions, of which this one knows %d: a rolling cache cannot extend them"
                .formatted(length, model.card().family(), model.card().context()));
      }
    }

    /// Reads as much of each row as can be read at once: all that the cache has room for, or one
    /// token.
    private void step(List<int[]> whole, Tensor[] last, Scope home) {
      var segments = new ArrayList<Segment>();
      var fresh = new ArrayList<int[]>();
      for (int row = 0; row < rows(); row++) {
        int left = whole.get(row).length - seen[row];
        if (left > 0) {
          int length = Math.clamp(left, 1, Math.max(1, cache.capacity() - cache.held(row)));
          int at = absolute ? seen[row] : cache.next(row);
          segments.add(new Segment(row, at, length));
          fresh.add(Arrays.copyOfRange(whole.get(row), seen[row], seen[row] + length));
        }
      }
      try (var scope = Scope.open()) {
        int[] ids = fresh.stream().flatMapToInt(Arrays::stream).toArray();
        Pass pass = Pass.over(new Layout(segments)).with(cache).with(Wanted.LAST);
        Tensor logits = model.forward(Tensor.of(ids, ids.length), pass);
        for (int s = 0; s < segments.size(); s++) {
          int row = segments.get(s).row();
          seen[row] += segments.get(s).length();
          if (seen[row] == whole.get(row).length) {
            last[row] = home.keep(logits.narrow(0, s, 1));
          }
        }
      }
    }

    private static int[] joined(int[] a, int[] b) {
      int[] both = Arrays.copyOf(a, a.length + b.length);
      System.arraycopy(b, 0, both, a.length, b.length);
      return both;
    }

    @Override
    public void select(int... rows) {
      cache.select(rows);
      seen = Arrays.stream(rows).map(row -> seen[row]).toArray();
      read = new ArrayList<>(Arrays.stream(rows).mapToObj(read::get).toList());
    }

    /// What the cache has forgotten is read again with the next tokens.
    @Override
    public void truncate(int row, int length) {
      int before = read.get(row).length;
      if (length < 0 || length > before) {
        throw new IllegalArgumentException(
            "row %d has %d tokens and cannot be cut to %d".formatted(row, before, length));
      }
      int kept = length == before || seen[row] <= cache.capacity() ? length : 0;
      if (kept < before) {
        cache.truncate(row, kept);
        seen[row] = Math.min(seen[row], kept);
      }
      read.set(row, Arrays.copyOf(read.get(row), length));
    }

    @Override
    public long bytes() {
      return cache.bytes();
    }

    @Override
    public void close() {
      cache.close();
    }
  }
}
