package dev.fathom.explain.lens;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.MeanInterval;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Names;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Over many prompts: at which layer does the answer come, on average, and how sure is that
/// average? For each layer the mean over prompts of the target's probability and rank, of the
/// entropy, of the distance to the final prediction and of agreement with it, and how the commit
/// depths are spread; each with a 95 % interval.
///
/// The interval says how much the mean would move with other prompts of the same kind, not how much
/// prompts differ. The mean rank is ruled by the worst prompts: look at the share of rank 0 as
/// well.
///
/// Prompts are read as they come, sorted by length a few hundred at a time and batched; only each
/// prompt's own position is read by the head. What was found goes into an [ItemDirectory], prompt
/// by prompt, so a killed run goes on and ends with the same numbers.
public final class LensStatistics {
  /// Prompts that are sorted by length together.
  private static final int SORTED_TOGETHER = 256;

  /// Tokens of a batch.
  private static final int BATCH_TOKENS = 2048;

  private final Transformer model;
  private final Reading lens;
  private final ItemDirectory items;
  private final Names names;
  private final IntConsumer listener;

  private LensStatistics(
      Transformer model, Reading lens, ItemDirectory items, Names names, IntConsumer listener) {
    this.model = model;
    this.lens = lens;
    this.items = items;
    this.names = names;
    this.listener = listener;
  }

  /// One prompt.
  ///
  /// @param key what tells it from the others
  /// @param target the output that is followed; empty for the model's own first choice
  /// @param position where it is read, from 0
  public record Item(String key, Prompt prompt, OptionalInt target, int position) {
    /// The tokens that matter: a causal model has not seen what stands behind the position.
    private int[] ids(boolean causal) {
      int[] ids = prompt.ids();
      return causal ? Arrays.copyOf(ids, position + 1) : ids;
    }
  }

  /// Prompts, one after another.
  @FunctionalInterface
  public interface Source {
    void forEach(Consumer<Item> each);
  }

  /// Reads the prompts that the directory does not have yet, and sums up all of them.
  ///
  /// @param lens the logit lens or a tuned one
  /// @param items opened with settings that tell these prompts, this model and this lens from
  ///   others
  /// @param listener is told how many prompts are done, batch by batch
  public static LensStatisticsResult run(
      Transformer model,
      Tokenizer tokenizer,
      Source prompts,
      Reading lens,
      ItemDirectory items,
      IntConsumer listener) {
    long start = System.nanoTime();
    var names = new Names(model, tokenizer);
    new LensStatistics(model, lens, items, names, listener).read(prompts);
    return totals(model, lens, items, start);
  }

  private void read(Source prompts) {
    var waiting = new ArrayList<Item>();
    prompts.forEach(item -> {
      waiting.add(item);
      if (waiting.size() == SORTED_TOGETHER) {
        sorted(waiting);
        waiting.clear();
      }
    });
    sorted(waiting);
  }

  /// Batches are made of all prompts, done or not: so each is computed in the same company in every
  /// run.
  private void sorted(List<Item> together) {
    var order = new ArrayList<>(together);
    order.sort(Comparator.comparingInt(item -> item.prompt().length()));
    var batch = new ArrayList<Item>();
    int tokens = 0;
    for (Item item : order) {
      if (!batch.isEmpty() && tokens + item.prompt().length() > BATCH_TOKENS) {
        batch(batch);
        batch.clear();
        tokens = 0;
      }
      batch.add(item);
      tokens += item.prompt().length();
    }
    batch(batch);
  }

  private void batch(List<Item> batch) {
    if (batch.stream().anyMatch(item -> !items.has(item.key()))) {
      LensCells cells = cells(batch);
      for (int i = 0; i < batch.size(); i++) {
        int at = i;
        Item item = batch.get(i);
        items.append(item.key(), line -> write(line, item, cells, at));
      }
    }
    listener.accept(batch.size());
  }

  private LensCells cells(List<Item> batch) {
    boolean causal = model.card().causal();
    List<int[]> rows = batch.stream().map(item -> item.ids(causal)).toList();
    try (var scope = Scope.withoutGradients()) {
      Layout layout = Layout.rows(rows.stream().mapToInt(row -> row.length).toArray());
      Pass pass = Pass.over(layout).with(causal ? Wanted.LAST : Wanted.ALL);
      long[] read = new long[batch.size()];
      int[] offsets = layout.offsets();
      for (int i = 0; i < read.length; i++) {
        read[i] = offsets[i] + batch.get(i).position();
      }
      int[] ids = rows.stream().flatMapToInt(Arrays::stream).toArray();
      var streams = new ArrayList<Tensor>();
      model.stream(
          Tensor.of(ids, ids.length),
          pass,
          (row, x) -> { // the last block of a decoder computes only what is read
            boolean all = row < model.layers() || !causal;
            streams.add(scope.keep(all ? x.indexSelect(0, read) : x));
          });
      int[] targets = batch.stream().mapToInt(item -> item.target().orElse(-1)).toArray();
      return LensCells.of(model, lens.of(Tensor.stack(streams, 0)), targets, 1);
    }
  }

  private void write(ObjectNode line, Item item, LensCells cells, int at) {
    int depth = cells.rows - 1;
    while (depth > 0 && cells.top(depth - 1, at) == cells.top(cells.rows - 1, at)) {
      depth--;
    }
    line.put("tokens", item.prompt().length());
    line.put("target", cells.targets[at]);
    line.put("target_text", names.output(cells.targets[at]));
    line.put("said", names.output(cells.top(cells.rows - 1, at)));
    line.put("commit_depth", depth);
    ArrayNode probability = line.putArray("probability");
    ArrayNode rank = line.putArray("rank");
    ArrayNode entropy = line.putArray("entropy");
    ArrayNode divergence = line.putArray("kl_to_final");
    ArrayNode agrees = line.putArray("agrees");
    for (int row = 0; row < cells.rows; row++) {
      int cell = cells.cell(row, at);
      probability.add((float) Math.exp(cells.targetLogP[cell]));
      rank.add(cells.targetRank[cell]);
      entropy.add(cells.entropy[cell]);
      divergence.add(cells.divergence[cell]);
      agrees.add(cells.top(row, at) == cells.top(cells.rows - 1, at) ? 1 : 0);
    }
  }

  // ---------------------------------------------------------------- totals

  /// A number for each layer over all prompts.
  private static final class Column {
    private final List<MeanInterval> rows;
    private final Axis axis;

    Column(Axis axis) {
      this.axis = axis;
      this.rows = Stream.generate(MeanInterval::new).limit(axis.size()).toList();
    }

    void add(JsonNode values) {
      for (int row = 0; row < rows.size(); row++) {
        rows.get(row).add(values.path(row).asDouble());
      }
    }

    LensStatisticsResult.ByLayer result() {
      return new LensStatisticsResult.ByLayer(
          grid(MeanInterval::mean), grid(MeanInterval::low), grid(MeanInterval::high));
    }

    private Grid grid(ToDoubleFunction<MeanInterval> number) {
      float[] values = new float[rows.size()];
      for (int row = 0; row < values.length; row++) {
        values[row] = (float) number.applyAsDouble(rows.get(row));
      }
      return Grid.vector(axis, values);
    }
  }

  private static LensStatisticsResult totals(
      Transformer model, Reading lens, ItemDirectory items, long start) {
    int rows = model.layers() + 1;
    Axis axis = LensResult.axes(rows, List.of()).getFirst();
    var probability = new Column(axis);
    var rank = new Column(axis);
    var first = new Column(axis);
    var entropy = new Column(axis);
    var divergence = new Column(axis);
    var agreement = new Column(axis);
    var depth = new MeanInterval();
    long[] settled = new long[rows];
    items.forEach(item -> {
      probability.add(item.path("probability"));
      rank.add(item.path("rank"));
      first.add(firsts(item.path("rank")));
      entropy.add(item.path("entropy"));
      divergence.add(item.path("kl_to_final"));
      agreement.add(item.path("agrees"));
      depth.add(item.path("commit_depth").asInt());
      settled[item.path("commit_depth").asInt()]++;
    });
    float[] shares = new float[rows];
    for (int row = 0; row < rows; row++) {
      shares[row] = (float) ((double) settled[row] / items.size());
    }
    return new LensStatisticsResult(
        Provenances.of(
            model,
            (System.nanoTime() - start) / 1e9,
            "lens",
            lens.name(),
            "prompts",
            Integer.toString(items.size())),
        items.size(),
        probability.result(),
        rank.result(),
        first.result(),
        entropy.result(),
        divergence.result(),
        agreement.result(),
        Grid.vector(axis, shares),
        depth.mean(),
        depth.low(),
        depth.high());
  }

  /// 1 where a rank is 0.
  private static JsonNode firsts(JsonNode ranks) {
    ArrayNode firsts = ((ArrayNode) ranks).arrayNode();
    ranks.values().forEach(rank -> firsts.add(rank.asLong() == 0 ? 1 : 0));
    return firsts;
  }
}
