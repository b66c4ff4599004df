package dev.fathom.refine;

import dev.fathom.model.KvCache;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Segment;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/// Rows that are read on by a model that may stop early, and what that has cost so far.
///
/// At each block the tokens of a row that have passed it are a prefix of the row. Tokens that were
/// left behind wait before the first block they have not passed; whoever enters that block next
/// takes them along.
public final class ExitSession implements LanguageModel.Session {
  private final Transformer model;
  private final Exit exit;
  private final int first; // layer from which on tokens may stay behind
  private final Speech.Beginning beginning;
  private final Tap tap;
  private final Wanted wanted;
  private final KvCache cache;
  private List<int[]> read = new ArrayList<>();
  private List<Waiting> waiting = new ArrayList<>();
  private final long[] exits;
  private long tokens;
  private long blocks;
  private long routes;
  private long heads;

  /// What a session has done.
  ///
  /// @param tokens that were read, those of prompts included
  /// @param blocks that tokens passed, over all tokens and blocks, those that were made up for
  ///   later included
  /// @param predictions tokens that were predicted from
  /// @param routes layers that were mixed, over all predictions; 0 where nothing is mixed
  /// @param heads times that the head was computed, over all predictions
  /// @param exits predictions that were settled at each layer, from 0 (the embedding)
  public record Effort(
      long tokens, long blocks, long predictions, long routes, long heads, List<Long> exits) {
    public Effort {
      exits = List.copyOf(exits);
    }

    /// Blocks before the prediction was settled, over all predictions.
    long blocksToExit() {
      return IntStream.range(0, exits.size()).mapToLong(layer -> layer * exits.get(layer)).sum();
    }
  }

  ExitSession(
      Transformer model, Exit exit, int first, Speech.Beginning beginning, int rows, Tap tap) {
    requireSites(model, tap);
    this.model = model;
    this.exit = exit;
    this.first = first;
    this.beginning = beginning;
    this.tap = tap;
    this.wanted = watchesLast() ? Wanted.ALL : Wanted.LAST;
    this.cache = new KvCache(rows, model.card().context());
    this.exits = new long[model.layers() + 1];
    for (int row = 0; row < rows; row++) {
      read.add(new int[0]);
      waiting.add(new Waiting(first, model.layers()));
    }
  }

  private static void requireSites(Transformer model, Tap tap) {
    for (Site site : tap.sites()) {
      switch (site.kind()) {
        case NORM_SCALE_FINAL, FINAL_NORM, LOGITS ->
            throw new IllegalArgumentException(
                "site %s has no one value while layers are mixed or left early: watch the streams (resid_post) instead"
                    .formatted(site));
        default ->
            model
                .refusal(site)
                .ifPresent(reason -> {
                  throw new IllegalArgumentException(
                      "site %s does not exist on this %s model: %s"
                          .formatted(site, model.card().family(), reason));
                });
      }
    }
  }

  private boolean watchesLast() {
    return tap.sites().stream().anyMatch(site -> site.layer() == model.layers() - 1);
  }

  @Override
  public int rows() {
    return read.size();
  }

  @Override
  public int[] tokens(int row) {
    return read.get(row).clone();
  }

  /// What has been done since the session began.
  public Effort effort() {
    return new Effort(
        tokens,
        blocks,
        Arrays.stream(exits).sum(),
        routes,
        heads,
        Arrays.stream(exits).boxed().toList());
  }

  // ---------------------------------------------------------------- reading

  /// Tokens on their way up, packed: `lengths[i]` of row `rows[i]`.
  ///
  /// @param stream `[tokens, dModel]`
  private record Climbers(int[] rows, int[] lengths, Tensor stream) {
    int[] offsets() {
      int[] offsets = new int[rows.length + 1];
      for (int i = 0; i < rows.length; i++) {
        offsets[i + 1] = offsets[i] + lengths[i];
      }
      return offsets;
    }

    /// Those of one row.
    Tensor of(int i) {
      return stream.narrow(0, offsets()[i], lengths[i]);
    }

    /// The last token of each of these, by their index.
    Tensor last(int[] some) {
      int[] offsets = offsets();
      return Speech.picked(stream, IntStream.of(some).map(i -> offsets[i + 1] - 1).toArray());
    }
  }

  @Override
  public Tensor append(List<int[]> more) {
    if (more.size() != rows()) {
      throw new IllegalArgumentException(
          "tokens of %d rows for a session of %d".formatted(more.size(), rows()));
    }
    var whole = new ArrayList<int[]>();
    var fresh = new ArrayList<int[]>();
    var segments = new ArrayList<Segment>();
    for (int row = 0; row < rows(); row++) {
      whole.add(joined(read.get(row), more.get(row)));
      int length = whole.get(row).length;
      int start = firstToCompute(row, length);
      fresh.add(Arrays.copyOfRange(whole.get(row), start, length));
      segments.add(new Segment(row, start, length - start));
    }
    try (var scope = Scope.withoutGradients()) {
      Tensor logits = predict(fresh, new Layout(segments));
      read = whole;
      return scope.escape(logits);
    } catch (RuntimeException | Error e) {
      forget(); // blocks may stand at different tokens now
      throw e;
    }
  }

  private static int[] joined(int[] a, int[] b) {
    int[] both = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, both, a.length, b.length);
    return both;
  }

  /// Normally the first new token. A LongRoPE model turns a row that outgrows its short context by
  /// other frequencies, hence reads it again.
  private int firstToCompute(int row, int after) {
    int before = Math.min(read.get(row).length, cache.length(0, row));
    if (before > model.longContext() || after <= model.longContext()) {
      return before;
    }
    cut(row, 0);
    return 0;
  }

  private void forget() {
    for (int row = 0; row < rows(); row++) {
      cut(row, 0);
    }
  }

  /// In the caller's scope, as all that outlives a block is.
  private Tensor predict(List<int[]> fresh, Layout layout) {
    Scope home = Scope.current();
    int[] ids = fresh.stream().flatMapToInt(Arrays::stream).toArray();
    int[] lengths = fresh.stream().mapToInt(own -> own.length).toArray();
    Pass pass = pass(layout);
    Tensor x = model.embed(Tensor.of(ids, ids.length), pass);
    for (int layer = 0; layer < first; layer++) {
      Tensor next = model.block(layer, x, pass);
      home.release(x);
      x = next;
    }
    Speech speech = beginning.of(rows());
    boolean[] settled = new boolean[rows()];
    var climbers = new Climbers(IntStream.range(0, rows()).toArray(), lengths, x);
    for (int layer = first; climbers.rows.length > 0; layer++) {
      listen(speech, layer, climbers, settled);
      if (layer == model.layers()) {
        break;
      }
      Climbers going = parted(layer, climbers, settled, lengths);
      if (going.rows.length > 0) {
        Layout here = layout(layer, going);
        pass = here.equals(pass.layout()) ? pass : pass(here);
        Tensor next = model.block(layer, going.stream, pass);
        blocks += here.tokens();
        boolean lastOnly = next.size(0) < here.tokens();
        int[] left = lastOnly ? ones(going.rows.length) : going.lengths;
        going = new Climbers(going.rows, left, next);
      }
      climbers = going;
    }
    tokens += ids.length;
    blocks += (long) first * ids.length;
    Tensor logits = speech.logits(Wanted.ALL);
    routes += speech.cost().routes();
    heads += speech.cost().heads();
    return logits;
  }

  private Pass pass(Layout layout) {
    return Pass.over(layout).with(cache).with(tap).with(wanted);
  }

  private Layout layout(int layer, Climbers climbers) {
    var segments = new ArrayList<Segment>();
    for (int i = 0; i < climbers.rows.length; i++) {
      int row = climbers.rows[i];
      segments.add(new Segment(row, cache.length(layer, row), climbers.lengths[i]));
    }
    return new Layout(segments);
  }

  private static int[] ones(int n) {
    int[] ones = new int[n];
    Arrays.fill(ones, 1);
    return ones;
  }

  /// Shows the last tokens of rows that are not settled.
  private void listen(Speech speech, int layer, Climbers climbers, boolean[] settled) {
    int[] open =
        IntStream.range(0, climbers.rows.length).filter(i -> !settled[climbers.rows[i]]).toArray();
    if (open.length == 0) {
      return;
    }
    try (var scope = Scope.open()) {
      int[] rows = IntStream.of(open).map(i -> climbers.rows[i]).toArray();
      boolean[] done = speech.at(layer, climbers.last(open), rows);
      for (int i = 0; i < rows.length; i++) {
        if (done[i]) {
          settled[rows[i]] = true;
          exits[layer]++;
        }
      }
    }
  }

  /// Those that go on, with what waits for them; the others stay behind.
  private Climbers parted(int layer, Climbers climbers, boolean[] settled, int[] fresh) {
    int[] going =
        IntStream.range(0, climbers.rows.length)
            .filter(i -> goesOn(climbers.rows[i], settled, fresh))
            .toArray();
    int[] staying =
        IntStream.range(0, climbers.rows.length)
            .filter(i -> !goesOn(climbers.rows[i], settled, fresh))
            .toArray();
    if (staying.length > 0) {
      stay(layer, climbers, staying);
    }
    boolean alone = IntStream.of(going).allMatch(i -> waiting.get(climbers.rows[i]).isEmpty(layer));
    if (staying.length == 0 && alone) {
      return climbers;
    }
    var parts = new ArrayList<Tensor>();
    int[] lengths = new int[going.length];
    for (int i = 0; i < going.length; i++) {
      Waiting own = waiting.get(climbers.rows[going[i]]);
      lengths[i] = own.tokens(layer) + climbers.lengths[going[i]];
      own.take(layer, parts);
      parts.add(climbers.of(going[i]));
    }
    Tensor stream = going.length == 0 ? climbers.stream : Tensor.cat(parts, 0);
    return new Climbers(IntStream.of(going).map(i -> climbers.rows[i]).toArray(), lengths, stream);
  }

  private boolean goesOn(int row, boolean[] settled, int[] fresh) {
    return !settled[row] || exit == Exit.NONE || (exit == Exit.PROPAGATE && fresh[row] > 1);
  }

  private void stay(int layer, Climbers climbers, int[] staying) {
    if (exit == Exit.EXACT) {
      for (int i : staying) {
        waiting.get(climbers.rows[i]).add(layer, climbers.of(i));
      }
      return;
    }
    int[] rows = IntStream.of(staying).map(i -> climbers.rows[i]).toArray();
    try (var scope = Scope.open()) {
      var left = new Climbers(rows, ones(rows.length), climbers.last(staying));
      Pass pass = pass(layout(layer, left));
      for (int above = layer; above < model.layers(); above++) {
        model.remember(above, left.stream, pass);
      }
    }
  }

  // ---------------------------------------------------------------- rows

  @Override
  public void select(int... rows) {
    cache.select(rows);
    List<Waiting> before = waiting;
    waiting = new ArrayList<>();
    for (int row : rows) {
      waiting.add(before.get(row).fork());
    }
    before.forEach(Waiting::free);
    read = new ArrayList<>(Arrays.stream(rows).mapToObj(read::get).toList());
  }

  @Override
  public void truncate(int row, int length) {
    int before = read.get(row).length;
    if (length < 0 || length > before) {
      throw new IllegalArgumentException(
          "row %d has %d tokens and cannot be cut to %d".formatted(row, before, length));
    }
    boolean turnsBack = before > model.longContext() && length <= model.longContext();
    cut(row, turnsBack ? 0 : length);
    read.set(row, Arrays.copyOf(read.get(row), length));
  }

  /// Forgets what was computed of a row from position `length` on.
  private void cut(int row, int length) {
    for (int layer = first; layer < model.layers(); layer++) {
      waiting.get(row).keep(layer, Math.max(0, length - cache.length(layer, row)));
    }
    cache.truncate(row, length);
  }

  @Override
  public long bytes() {
    return cache.bytes() + waiting.stream().mapToLong(Waiting::bytes).sum();
  }

  @Override
  public void close() {
    cache.close();
    waiting.forEach(Waiting::free);
  }

  /// Streams of a row's tokens that wait before each block, in the order of their positions. They
  /// belong to no scope.
  private static final class Waiting {
    private final int first;
    private final List<List<Tensor>> pieces = new ArrayList<>(); // of [some tokens, dModel]

    Waiting(int first, int layers) {
      this.first = first;
      for (int layer = first; layer < layers; layer++) {
        pieces.add(new ArrayList<>());
      }
    }

    private List<Tensor> before(int layer) {
      return pieces.get(layer - first);
    }

    boolean isEmpty(int layer) {
      return before(layer).isEmpty();
    }

    int tokens(int layer) {
      return before(layer).stream().mapToInt(piece -> (int) piece.size(0)).sum();
    }

    void add(int layer, Tensor stream) {
      before(layer).add(stream.copy().keep()); // a view would hold all it was cut from
    }

    /// Moves what waits to the current scope.
    void take(int layer, List<Tensor> to) {
      before(layer)
          .forEach(piece -> {
            to.add(Scope.current().keep(piece));
            piece.free();
          });
      before(layer).clear();
    }

    /// Drops all but the first so many tokens.
    void keep(int layer, int count) {
      var kept = new ArrayList<Tensor>();
      int left = count;
      for (Tensor piece : before(layer)) {
        int own = Math.min(left, (int) piece.size(0));
        left -= own;
        if (own == piece.size(0)) {
          kept.add(piece);
          continue;
        }
        if (own > 0) {
          try (var scope = Scope.withoutGradients()) {
            kept.add(piece.narrow(0, 0, own).copy().keep());
          }
        }
        piece.free();
      }
      pieces.set(layer - first, kept);
    }

    Waiting fork() {
      var fork = new Waiting(first, first + pieces.size());
      for (int i = 0; i < pieces.size(); i++) {
        for (Tensor piece : pieces.get(i)) {
          fork.pieces.get(i).add(piece.keep());
        }
      }
      return fork;
    }

    long bytes() {
      return pieces.stream().flatMap(List::stream).mapToLong(Tensor::bytes).sum();
    }

    void free() {
      pieces.forEach(layer -> {
        layer.forEach(Tensor::free);
        layer.clear();
      });
    }
  }
}
