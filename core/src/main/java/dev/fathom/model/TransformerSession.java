package dev.fathom.model;

import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// A transformer that reads on: new tokens only, the past from a [KvCache].
final class TransformerSession implements LanguageModel.Session {
  private final Transformer model;
  private final Tap tap;
  private final Wanted wanted;
  private final KvCache cache;
  private final long longContext;
  private List<int[]> read = new ArrayList<>();

  TransformerSession(Transformer model, int rows, Tap tap) {
    this.model = model;
    this.tap = tap;
    this.wanted = watchesEnd() ? Wanted.ALL : Wanted.LAST;
    this.cache = new KvCache(rows, model.card().context());
    this.longContext = model.longContext();
    for (int row = 0; row < rows; row++) {
      read.add(new int[0]);
    }
  }

  /// Whether the tap looks where otherwise only last tokens are computed.
  private boolean watchesEnd() {
    return tap.sites().stream()
        .anyMatch(site ->
            site.layer() == model.layers() - 1
                || switch (site.kind()) {
                  case NORM_SCALE_FINAL, FINAL_NORM, LOGITS -> true;
                  default -> false;
                });
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
    if (tokens.size() != rows()) {
      throw new IllegalArgumentException(
          "tokens of %d rows for a session of %d".formatted(tokens.size(), rows()));
    }
    var segments = new ArrayList<Segment>();
    var extended = new ArrayList<int[]>();
    var fresh = new ArrayList<int[]>();
    for (int row = 0; row < rows(); row++) {
      int[] whole = joined(read.get(row), tokens.get(row));
      int start = firstToCompute(row, whole.length);
      extended.add(whole);
      fresh.add(Arrays.copyOfRange(whole, start, whole.length));
      segments.add(new Segment(row, start, whole.length - start));
    }
    var layout = new Layout(segments);
    try (var scope = Scope.withoutGradients()) {
      int[] ids = fresh.stream().flatMapToInt(Arrays::stream).toArray();
      Pass pass = Pass.over(layout).with(cache).with(tap).with(wanted);
      Tensor logits = model.forward(Tensor.of(ids, ids.length), pass);
      read = extended;
      return scope.escape(wanted.lastOnly() ? logits : logits.indexSelect(0, layout.lastTokens()));
    }
  }

  /// Normally the first new token. A LongRoPE model turns a row that outgrows its short context by
  /// other frequencies, hence reads it again.
  private int firstToCompute(int row, int after) {
    int before = Math.min(read.get(row).length, cache.length(0, row));
    return before <= longContext && after > longContext ? 0 : before;
  }

  private static int[] joined(int[] a, int[] b) {
    int[] both = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, both, a.length, b.length);
    return both;
  }

  @Override
  public void select(int... rows) {
    cache.select(rows);
    read = new ArrayList<>(Arrays.stream(rows).mapToObj(read::get).toList());
  }

  @Override
  public void truncate(int row, int length) {
    int before = read.get(row).length;
    if (length < 0 || length > before) {
      throw new IllegalArgumentException(
          "row %d has %d tokens and cannot be cut to %d".formatted(row, before, length));
    }
    boolean turnsBack = before > longContext && length <= longContext;
    cache.truncate(row, turnsBack ? 0 : length);
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
