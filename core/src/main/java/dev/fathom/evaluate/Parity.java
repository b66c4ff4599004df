package dev.fathom.evaluate;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Dequantizer;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.model.Head;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Segment;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Whether a model computes what another implementation of it computed: every value of a reference
/// file against the same value here.
///
/// The file is safetensors and holds, of a batch of token ids that is padded on the right:
///
/// | tensor | shape | compared with |
/// |---|---|---|
/// | `input_ids`, `attention_mask` (optional) | b p | what is read; masked tokens are left out |
/// | `logits` | b p v, of a classifier b v | `logits`, of a classifier those of the first token |
/// | `hidden_states.L`, L below the layers | b p d | `resid_pre.L` |
/// | the last `hidden_states` | b p d | `final_norm`, of an encoder the last `resid_post` |
/// | `attentions.L` | b h q k | `pattern.L` |
/// | `greedy_ids` | 1 p | row 0 and what follows it greedily, end tokens ignored |
/// | `embed_grad` | 1 p d | gradient of log p(token after row 0) by its embeddings, the token being the most likely or the second most likely |
///
/// A value that fails is computed again in F64. If the gap then collapses it was rounding; if it
/// stays, one of the two implementations is wrong.
public final class Parity {
  private static final double F32_RELATIVE = 1e-4;
  private static final double F32_GRADIENT = 1e-3;
  private static final int GRADIENT_TARGETS = 2;
  private static final double BF16_RELATIVE = 5e-2;
  private static final double BF16_GRADIENT = 1e-1;

  private Parity() {}

  /// What became of one comparison.
  public enum Verdict {
    PASSED,
    /// Above the limit, but not in F64.
    ROUNDING,
    /// Above the limit in F64 too: one of the two is wrong.
    DIFFERENT
  }

  /// One tensor of the reference.
  ///
  /// @param name its name in the file
  /// @param gap largest absolute difference; of `greedy_ids` how many ids differ
  /// @param largest largest absolute value of the reference; of `greedy_ids` how many ids there are
  /// @param limit largest gap that passes
  /// @param gapInF64 the gap when computed in F64; empty when it was not needed
  /// @param note what to know about the comparison; empty for nothing
  public record Row(
      String name, double gap, double largest, double limit, OptionalDouble gapInF64, String note) {
    public Verdict verdict() {
      if (gap <= limit) {
        return Verdict.PASSED;
      }
      return gapInF64.isPresent() && gapInF64.getAsDouble() <= limit
          ? Verdict.ROUNDING
          : Verdict.DIFFERENT;
    }

    public boolean passed() {
      return verdict() == Verdict.PASSED;
    }
  }

  /// All comparisons with a file.
  ///
  /// @param rows one for each tensor that could be compared
  /// @param divergence largest KL divergence from the reference at a token, in nats; NaN without
  ///   logits
  /// @param agreement share of tokens at which both have the same most likely token; NaN without
  ///   logits
  /// @param ignored tensors of the file that mean nothing here
  public record Ledger(List<Row> rows, double divergence, double agreement, List<String> ignored) {
    public Ledger {
      rows = List.copyOf(rows);
      ignored = List.copyOf(ignored);
    }

    public boolean passed() {
      return rows.stream().allMatch(Row::passed);
    }
  }

  /// Compares a model with a reference file.
  ///
  /// @param inF64 loads the same model in F64; called, and what it returns closed, only if a value
  ///   fails
  /// @throws FathomException if the file is not such a reference, or not of a model of this shape
  public static Ledger of(Transformer model, Path reference, Supplier<Transformer> inF64) {
    try (var file = SafetensorsFile.open(reference)) {
      var batch = new Reference(file);
      var run = new Run(model, batch);
      run.all();
      if (run.rows().stream().allMatch(Row::passed) || model.card().dtype() == DType.F64) {
        return run.ledger(Map.of());
      }
      try (var exact = inF64.get()) {
        var again = new Run(exact, batch);
        again.all();
        return run.ledger(again.gaps);
      }
    }
  }

  private static final class Gap {
    private double gap;
    private double largest;

    void see(double found, double expected) {
      double difference = Math.abs(found - expected);
      gap = Double.isNaN(difference) || Double.isNaN(gap) ? Double.NaN : Math.max(gap, difference);
      largest = Math.max(largest, Math.abs(expected));
    }
  }

  /// The reference's tensors.
  private static final class Reference {
    private static final ValueLayout.OfLong LONG =
        ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
        ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    final SafetensorsFile file;
    final int[][] rows;
    final int width;

    Reference(SafetensorsFile file) {
      this.file = file;
      long[] ids = longs("input_ids");
      List<Long> shape = info("input_ids").shape();
      if (shape.size() != 2 || ids.length == 0) {
        throw malformed("input_ids should be [rows, positions], found " + shape);
      }
      width = Math.toIntExact(shape.get(1));
      rows = new int[Math.toIntExact(shape.get(0))][];
      long[] mask = has("attention_mask") ? longs("attention_mask") : null;
      if (mask != null && mask.length != ids.length) {
        throw malformed("attention_mask should have the shape of input_ids, " + shape);
      }
      for (int r = 0; r < rows.length; r++) {
        int length = 0;
        while (length < width && (mask == null || mask[r * width + length] != 0)) {
          length++;
        }
        for (int p = length; p < width; p++) {
          if (mask != null && mask[r * width + p] != 0) {
            throw malformed("row %d should be padded on the right only".formatted(r));
          }
        }
        if (length == 0) {
          throw malformed("row %d has no token".formatted(r));
        }
        rows[r] = new int[length];
        for (int p = 0; p < length; p++) {
          rows[r][p] = Math.toIntExact(ids[r * width + p]);
        }
      }
    }

    FathomException malformed(String reason) {
      return new FathomException("%s: %s".formatted(file.path(), reason));
    }

    boolean has(String name) {
      return file.tensors().containsKey(name);
    }

    TensorInfo info(String name) {
      TensorInfo info = file.tensors().get(name);
      if (info == null) {
        throw malformed("no tensor %s, so it is no reference".formatted(name));
      }
      return info;
    }

    long[] longs(String name) {
      if (info(name).type() != TensorType.I64) {
        throw malformed("%s should be I64, found %s".formatted(name, info(name).type()));
      }
      return file.bytes(name).toArray(LONG);
    }

    /// All values, once the shape is as expected.
    float[] floats(String name, long... shape) {
      TensorInfo info = info(name);
      if (!info.shape().equals(Arrays.stream(shape).boxed().toList())) {
        throw malformed(
            "%s should have shape %s for this model, found %s"
                .formatted(name, Arrays.toString(shape), info.shape()));
      }
      float[] values = new float[Math.toIntExact(info.elements())];
      MemorySegment decoded = MemorySegment.ofArray(new byte[Math.multiplyExact(4, values.length)]);
      Dequantizer.toF32(info.type(), file.bytes(name), values.length, decoded);
      MemorySegment.copy(decoded, FLOAT, 0, values, 0, values.length);
      return values;
    }

    int[] packed() {
      return Arrays.stream(rows).flatMapToInt(Arrays::stream).toArray();
    }

    Layout layout() {
      return Layout.rows(Arrays.stream(rows).mapToInt(row -> row.length).toArray());
    }
  }

  private static final class Run {
    private final Transformer model;
    private final Reference reference;
    private final Map<String, Gap> gaps = new LinkedHashMap<>();
    private double divergence = Double.NaN;
    private double agreement = Double.NaN;
    private int gradientRank;

    Run(Transformer model, Reference reference) {
      this.model = model;
      this.reference = reference;
    }

    void all() {
      forward();
      if (model.card().causal()) {
        if (reference.has("greedy_ids") && exact()) {
          greedy();
        }
        if (reference.has("embed_grad")) {
          gradient();
        }
      }
    }

    private boolean exact() {
      return model.card().dtype() == DType.F32 || model.card().dtype() == DType.F64;
    }

    private Gap gap(String name) {
      return gaps.computeIfAbsent(name, _ -> new Gap());
    }

    /// The reference's name of each site that it has.
    private Map<Site, String> sites() {
      var sites = new LinkedHashMap<Site, String>();
      for (int layer = 0; layer < model.layers(); layer++) {
        put(sites, Site.of(Kind.RESID_PRE, layer), "hidden_states." + layer);
        put(sites, Site.of(Kind.PATTERN, layer), "attentions." + layer);
      }
      Site last =
          model.card().causal()
              ? Site.of(Kind.FINAL_NORM)
              : Site.of(Kind.RESID_POST, model.layers() - 1);
      put(sites, last, "hidden_states." + model.layers());
      return sites;
    }

    private void put(Map<Site, String> sites, Site site, String name) {
      if (reference.has(name) && model.refusal(site).isEmpty()) {
        sites.put(site, name);
      }
    }

    private void forward() {
      var sites = sites();
      sites.values().forEach(this::gap); // the order of the ledger
      Tap tap =
          Taps.capture(
              new TreeSet<>(sites.keySet()),
              (site, value, rows) -> {
                String name = Objects.requireNonNull(sites.get(site));
                if (site.kind().pairwise()) {
                  patterns(name, value, rows);
                } else {
                  tokens(name, value, rows, model.dModel());
                }
              });
      try (var scope = Scope.withoutGradients()) {
        int[] ids = reference.packed();
        Layout layout = reference.layout();
        Tensor logits = model.forward(Tensor.of(ids, ids.length), Pass.over(layout).with(tap));
        if (!reference.has("logits")) {
          return;
        }
        if (model.head() instanceof Head.Classifier) {
          labels(logits, layout);
        } else {
          agreement(logits, tokens("logits", logits, layout, model.outputs()), layout);
        }
      }
    }

    /// `value [tokens, width]` against `[b, p, width]`; returns the reference.
    private float[] tokens(String name, Tensor value, Layout rows, int width) {
      float[] expected = reference.floats(name, reference.rows.length, reference.width, width);
      double[] found = value.to(DType.F64).toDoubles();
      Gap gap = gap(name);
      int t = 0;
      for (Segment segment : rows.segments()) {
        for (int p = segment.start(); p < segment.end(); p++, t++) {
          int from = (segment.row() * reference.width + p) * width;
          for (int i = 0; i < width; i++) {
            gap.see(found[t * width + i], expected[from + i]);
          }
        }
      }
      return expected;
    }

    /// `value [segments, heads, queries, keys]` against `[b, heads, p, p]`.
    private void patterns(String name, Tensor value, Layout rows) {
      int heads = Math.toIntExact(value.size(1));
      int width = reference.width;
      float[] expected = reference.floats(name, reference.rows.length, heads, width, width);
      double[] found = value.to(DType.F64).toDoubles();
      Gap gap = gap(name);
      int at = 0;
      for (Segment segment : rows.segments()) {
        for (int h = 0; h < heads; h++) {
          for (int q = 0; q < segment.length(); q++) {
            int from = ((segment.row() * heads + h) * width + q) * width;
            for (int k = 0; k < value.size(3); k++) {
              gap.see(found[at++], expected[from + k]);
            }
          }
        }
      }
    }

    private void labels(Tensor logits, Layout layout) {
      int labels = model.outputs();
      float[] expected = reference.floats("logits", reference.rows.length, labels);
      double[] found = logits.to(DType.F64).toDoubles();
      Gap gap = gap("logits");
      for (int r = 0; r < reference.rows.length; r++) {
        for (int i = 0; i < labels; i++) {
          gap.see(found[layout.offsets()[r] * labels + i], expected[r * labels + i]);
        }
      }
    }

    private void agreement(Tensor logits, float[] expected, Layout layout) {
      int columns = model.outputs();
      float[] kept = new float[layout.tokens() * columns];
      int t = 0;
      for (Segment segment : layout.segments()) {
        int from = segment.row() * reference.width * columns;
        System.arraycopy(expected, from, kept, t * columns, segment.length() * columns);
        t += segment.length();
      }
      Tensor theirs = Tensor.of(kept, layout.tokens(), columns).to(DType.F64);
      Tensor ours = logits.to(DType.F64);
      Tensor logP = theirs.logSoftmax(-1);
      divergence = logP.exp().mul(logP.sub(ours.logSoftmax(-1))).sum(-1, false).max().item();
      agreement = theirs.argmax(-1).eq(ours.argmax(-1)).to(DType.F64).mean().item();
    }

    private void greedy() {
      long[] expected = reference.longs("greedy_ids");
      int[] prompt = reference.rows[0];
      int length = Math.min(expected.length, model.card().context());
      int[] ids = Arrays.copyOf(prompt, Math.max(length, prompt.length));
      for (int n = prompt.length; n < length; n++) {
        try (var scope = Scope.withoutGradients()) {
          Pass pass = Pass.over(Layout.single(n)).with(Wanted.LAST);
          Tensor logits = model.forward(Tensor.of(Arrays.copyOf(ids, n), n), pass);
          ids[n] = (int) logits.argmax(-1).toLongs()[0];
        }
      }
      Gap gap = gap("greedy_ids");
      for (int i = 0; i < length; i++) {
        gap.gap += ids[i] == expected[i] ? 0 : 1;
      }
      gap.largest = length;
    }

    /// The gradient is taken where transformers takes `inputs_embeds`: after the embedding scale of
    /// Gemma, before the embedding multiplier of Granite. A file does not say which token it asked
    /// about, so the likeliest ones are tried; the ledger says which it was.
    private void gradient() {
      int[] ids = reference.rows[0];
      float[] expected = reference.floats("embed_grad", 1, ids.length, model.dModel());
      Gap closest = new Gap();
      closest.gap = Double.NaN;
      int rank = 0;
      for (int r = 0; r < Math.min(GRADIENT_TARGETS, model.outputs()); r++) {
        Gap gap = new Gap();
        double[] found = gradient(ids, r);
        for (int i = 0; i < found.length; i++) {
          gap.see(found[i], expected[i]);
        }
        if (r == 0 || gap.gap < closest.gap) {
          closest = gap;
          rank = r;
        }
      }
      gaps.put("embed_grad", closest);
      gradientRank = rank;
    }

    /// The gradient of the log probability of the token of this rank after `ids`, `[tokens,
    /// dModel]`.
    private double[] gradient(int[] ids, int rank) {
      double factor = model.card().family().equals("granite") ? model.embedding().scale() : 1;
      try (var scope = Scope.withGradients()) {
        var leaf = new Leaf(scope);
        Pass pass = Pass.over(Layout.single(ids.length)).with(leaf).with(Wanted.LAST);
        Tensor log = model.forward(Tensor.of(ids, ids.length), pass).logSoftmax(-1);
        long target = log.topK(rank + 1L, -1).indices().toLongs()[rank];
        log.narrow(1, target, 1).sum().backward();
        return leaf.gradient().to(DType.F64).mul(factor).toDoubles();
      }
    }

    private double limit(String name, Gap gap) {
      boolean exact = exact();
      return switch (name) {
        case "greedy_ids" -> 0;
        case "embed_grad" -> (exact ? F32_GRADIENT : BF16_GRADIENT) * gap.largest;
        default -> (exact ? F32_RELATIVE : BF16_RELATIVE) * Math.max(1, gap.largest);
      };
    }

    List<Row> rows() {
      return rows(Map.of());
    }

    private List<Row> rows(Map<String, Gap> inF64) {
      var rows = new ArrayList<Row>();
      gaps.forEach((name, gap) -> {
        OptionalDouble again =
            Optional.ofNullable(inF64.get(name))
                .map(other -> OptionalDouble.of(other.gap))
                .orElse(OptionalDouble.empty());
        rows.add(new Row(name, gap.gap, gap.largest, limit(name, gap), again, note(name)));
      });
      return rows;
    }

    private String note(String name) {
      return name.equals("embed_grad") && gradientRank > 0
          ? "of the token of rank %d, not of the most likely one".formatted(gradientRank + 1)
          : "";
    }

    Ledger ledger(Map<String, Gap> inF64) {
      List<String> ignored =
          reference.file.tensors().keySet().stream()
              .filter(name -> !gaps.containsKey(name))
              .filter(name -> !name.equals("input_ids") && !name.equals("attention_mask"))
              .toList();
      return new Ledger(rows(inF64), divergence, agreement, ignored);
    }
  }

  /// Puts a leaf of the gradient graph in the place of the token embeddings.
  private static final class Leaf implements Tap {
    private static final Site EMBED = Site.of(Kind.EMBED);
    private final Scope scope;
    private @Nullable Tensor leaf;

    Leaf(Scope scope) {
      this.scope = scope;
    }

    @Override
    public Set<Site> sites() {
      return Set.of(EMBED);
    }

    @Override
    public List<Slice> writes() {
      return List.of(Slice.of(EMBED));
    }

    @Override
    public Tensor at(Site site, Tensor value, Layout rows) {
      leaf = scope.keep(value.detach().copy()).requireGradient();
      return leaf;
    }

    Tensor gradient() {
      return Objects.requireNonNull(Objects.requireNonNull(leaf).gradient());
    }
  }
}
