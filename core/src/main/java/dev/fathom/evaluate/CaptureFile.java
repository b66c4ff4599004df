package dev.fathom.evaluate;

import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.checkpoint.WeightWriter;
import dev.fathom.model.Capture;
import dev.fathom.model.Captured;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.PositionSpan;
import dev.fathom.model.SiteAddress;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntConsumer;

/// Writes the activations that a model has on some prompts to a safetensors file, in memory that
/// does not grow with their number.
///
/// Each slice is one F32 tensor named by its address (`resid_post.3`, `z.10.h7@last`), of shape
/// `[prompts, positions, …]`, or at pairwise sites `[prompts, heads, queries, keys]`. Shorter
/// prompts are filled up on the right with zeros.
public final class CaptureFile {
  /// The names of the token ids and of what of them is no padding, both I64 `[prompts, positions]`.
  public static final String INPUT_IDS = "input_ids";

  public static final String ATTENTION_MASK = "attention_mask";

  private static final int MOST_TOKENS = 2048;
  private static final long MOST_BYTES = 64L << 20;
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Transformer model;
  private final List<Row> rows;
  private final List<SiteAddress> addresses;
  private final int longest;
  private final boolean subjects;

  /// One prompt. Two of them are equal only if they share their array.
  ///
  /// @param ids its tokens, not copied
  /// @param subject where its subject is, for addresses that name it
  public record Row(int[] ids, Optional<PositionSpan> subject) {}

  private CaptureFile(Transformer model, List<Row> rows, List<SiteAddress> addresses) {
    this.model = model;
    this.rows = rows;
    this.addresses = addresses;
    this.longest = rows.stream().mapToInt(row -> row.ids().length).max().orElseThrow();
    this.subjects = addresses.stream().anyMatch(SiteAddress::namesSubject);
  }

  /// Runs the model over every row and writes what it shows.
  ///
  /// @param withTokens whether the file also gets [#INPUT_IDS] and [#ATTENTION_MASK]
  /// @param metadata the file's `__metadata__`
  /// @param done told how many rows more are written
  /// @return what was written, in the order of the addresses
  /// @throws IllegalArgumentException if the model has no such site or token, a row is empty or too
  ///   long, or has no such position
  public static List<TensorSpec> write(
      Transformer model,
      List<Row> rows,
      List<SiteAddress> addresses,
      Path file,
      boolean withTokens,
      Map<String, String> metadata,
      IntConsumer done) {
    if (rows.isEmpty() || addresses.isEmpty()) {
      throw new IllegalArgumentException("A capture needs at least one prompt and one site.");
    }
    return new CaptureFile(model, rows, addresses).write(file, withTokens, metadata, done);
  }

  private List<TensorSpec> write(
      Path file, boolean withTokens, Map<String, String> metadata, IntConsumer done) {
    // The first row alone shows the widths of all tensors.
    Map<String, Captured> first = capture(rows.subList(0, 1));
    var specs = new ArrayList<TensorSpec>();
    first.forEach((name, captured) -> specs.add(spec(name, captured)));
    if (withTokens) {
      specs.add(TensorSpec.of(INPUT_IDS, TensorType.I64, rows.size(), longest));
      specs.add(TensorSpec.of(ATTENTION_MASK, TensorType.I64, rows.size(), longest));
    }
    try (var writer = SafetensorsWriter.create(file, specs, metadata)) {
      append(writer, specs, first, 1);
      done.accept(1);
      int tokens = tokensAtOnce(first);
      for (int from = 1; from < rows.size(); ) {
        int to = batchEnd(from, tokens);
        append(writer, specs, capture(rows.subList(from, to)), to - from);
        done.accept(to - from);
        from = to;
      }
      if (withTokens) {
        appendTokens(writer);
      }
      writer.commit();
    }
    return List.copyOf(specs);
  }

  /// The slices of a batch by the names of their tensors. Those that name the subject are a
  /// different part of each row.
  private SequencedSlices slices(List<Row> batch) {
    var slices = new LinkedHashMap<String, Slice>();
    for (SiteAddress address : addresses) {
      PositionSpan subject = batch.getFirst().subject().orElse(null);
      for (Slice slice : address.slices(model, subject)) {
        String name =
            address.namesSubject()
                ? slice.at(PositionSpan.ALL) + "@" + address.where()
                : slice.toString();
        slices.putIfAbsent(name, slice);
      }
    }
    return new SequencedSlices(slices);
  }

  private record SequencedSlices(Map<String, Slice> byName) {
    /// The last layer that has to be computed, `layers` if the head has to be too.
    int last(int layers) {
      return byName.values().stream()
          .map(Slice::site)
          .mapToInt(site ->
              switch (site.kind()) {
                case FINAL_NORM, NORM_SCALE_FINAL, LOGITS -> layers;
                default -> site.layer();
              })
          .max()
          .orElseThrow();
    }
  }

  private Map<String, Captured> capture(List<Row> batch) {
    var slices = slices(batch);
    var capture = Capture.of(List.copyOf(new LinkedHashSet<>(slices.byName().values())));
    int[] ids = batch.stream().flatMapToInt(row -> Arrays.stream(row.ids())).toArray();
    var layout = Layout.rows(batch.stream().mapToInt(row -> row.ids().length).toArray());
    int last = slices.last(model.layers());
    try (var scope = Scope.withoutGradients()) {
      Pass pass = Pass.over(layout).with(capture);
      Tensor input = Tensor.of(ids, ids.length);
      if (last == model.layers()) {
        model.forward(input, pass);
      } else {
        Tensor _ = model.streamAfter(last + 1, input, pass);
      }
    }
    var result = new LinkedHashMap<String, Captured>();
    slices.byName().forEach((name, slice) -> result.put(name, capture.get(slice)));
    return result;
  }

  /// The shape of a tensor for all rows, from what the first of them has.
  private TensorSpec spec(String name, Captured first) {
    int[] one = first.shape();
    long[] shape = new long[one.length];
    for (int axis = 0; axis < one.length; axis++) {
      shape[axis] = one[axis];
    }
    shape[0] = rows.size();
    boolean pairwise = first.site().kind().pairwise();
    shape[pairwise ? 2 : 1] = positions(name, first.slice().positions());
    if (pairwise) {
      shape[3] = longest;
    }
    return TensorSpec.of(name, TensorType.F32, shape);
  }

  /// The most positions that a slice has in any row.
  private int positions(String name, PositionSpan ofFirst) {
    boolean ofSubject = name.contains("@subject");
    boolean last = name.endsWith("@subject.last");
    int most = 0;
    for (Row row : rows) {
      PositionSpan span =
          ofSubject && !last ? row.subject().orElse(ofFirst) : last ? PositionSpan.LAST : ofFirst;
      int length = row.ids().length;
      int from = span.first() < 0 ? length + span.first() : span.first();
      int to = span.last() < 0 ? length + span.last() : span.last();
      most = Math.max(most, to - from + 1);
    }
    return most;
  }

  /// How many tokens a batch may have so that what is captured of it stays small.
  private int tokensAtOnce(Map<String, Captured> first) {
    long bytes = 0;
    long quadratic = 0;
    for (Captured captured : first.values()) {
      long values = captured.bytes() / rows.getFirst().ids().length;
      if (captured.site().kind().pairwise()) {
        quadratic += values / rows.getFirst().ids().length;
      } else {
        bytes += values;
      }
    }
    bytes += quadratic * longest + (needsHead() ? 4L * model.outputs() : 0);
    return (int) Math.clamp(MOST_BYTES / Math.max(1, bytes), 1, MOST_TOKENS);
  }

  private boolean needsHead() {
    return addresses.stream().map(SiteAddress::kind).anyMatch(kind -> kind == Kind.LOGITS);
  }

  private int batchEnd(int from, int most) {
    int end = from + 1;
    if (subjects) {
      return end;
    }
    int tokens = rows.get(from).ids().length;
    while (end < rows.size() && tokens + rows.get(end).ids().length <= most) {
      tokens += rows.get(end++).ids().length;
    }
    return end;
  }

  private void append(
      WeightWriter writer, List<TensorSpec> specs, Map<String, Captured> captured, int batch) {
    for (TensorSpec spec : specs) {
      Captured part = captured.get(spec.name());
      if (part != null) {
        float[] values = part.values();
        for (int b = 0; b < batch; b++) {
          writer.append(spec.name(), padded(part, values, b, spec.shape()));
        }
      }
    }
  }

  /// The values of one row of a batch, filled up with zeros to the shape that all rows have.
  private static float[] padded(Captured part, float[] values, int row, List<Long> to) {
    int[] from = part.shape();
    int size = 1;
    int each = 1;
    for (int axis = 1; axis < from.length; axis++) {
      size = Math.multiplyExact(size, Math.toIntExact(to.get(axis)));
      each *= from[axis];
    }
    float[] result = new float[size];
    if (!part.site().kind().pairwise()) {
      int width = from[1] == 0 ? 0 : each / from[1];
      System.arraycopy(values, row * each, result, 0, part.length(row) * width);
      return result;
    }
    int queries = Math.toIntExact(to.get(2));
    int keys = Math.toIntExact(to.get(3));
    for (int head = 0; head < from[1]; head++) {
      for (int q = 0; q < part.length(row); q++) {
        int source = row * each + (head * from[2] + q) * from[3];
        System.arraycopy(values, source, result, (head * queries + q) * keys, from[3]);
      }
    }
    return result;
  }

  private void appendTokens(WeightWriter writer) {
    byte[] bytes = new byte[Math.multiplyExact(8, longest)];
    MemorySegment line = MemorySegment.ofArray(bytes);
    for (Row row : rows) {
      for (int p = 0; p < longest; p++) {
        line.setAtIndex(LONG, p, p < row.ids().length ? row.ids()[p] : 0);
      }
      writer.append(INPUT_IDS, line);
      for (int p = 0; p < longest; p++) {
        line.setAtIndex(LONG, p, p < row.ids().length ? 1 : 0);
      }
      writer.append(ATTENTION_MASK, line);
    }
  }
}
