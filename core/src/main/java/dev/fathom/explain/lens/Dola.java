package dev.fathom.explain.lens;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Names;
import dev.fathom.model.Head;
import dev.fathom.model.Kind;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// A transformer whose next token is what its late layers have added to its early ones: DoLa,
/// "decoding by contrasting layers" (Chuang et al. 2024). Facts are said to come late, and what a
/// half-read model would say anyway early.
///
/// At each token the premature layer M is the candidate whose prediction p_M differs most from the
/// final p_N. The score of a token is `ln p_N − ln p_M` among those with `p_N ≥ 0.1 · max p_N` (the
/// head set; the final best token is always in it), and that of all others is [#EXCLUDED], or minus
/// infinity where text is generated. A softmax of the scores is the new distribution. Layers are
/// counted as streams: 0 is the embedding, l the stream after block l − 1, as in the lens.
///
/// ```java
/// var dola = Dola.of(model, Dola.Config.low(model));
/// Generation next = Generator.of(dola, tokenizer).run(ids, decoding);
/// ```
///
/// It misleads where few layers are left to contrast (shallow models), and it repeats itself: the
/// published setting has a repetition penalty of 1.2. Scores of a text are not comparable with
/// log-probabilities of the model.
///
/// Cost: one more head for each candidate and token.
public final class Dola implements LanguageModel {
  /// The score of tokens outside the head set, of whole rows.
  public static final double EXCLUDED = -1000;

  /// Logits held at a time, over all candidates.
  private static final long CHUNK_BYTES = 64 << 20;

  private final Transformer model;
  private final Config config;

  /// How two distributions are compared; both are 0 only for equal ones.
  public enum Divergence {
    /// Jensen and Shannon's: `½ KL(p ‖ m) + ½ KL(q ‖ m)`, with m the mean of p and q.
    TEXTBOOK,
    /// What the published code computes, with the arguments swapped: `½ KL(m ‖ p) + ½ KL(m ‖ q)`.
    OFFICIAL
  }

  /// @param candidates layers to contrast with, ascending; one is used always
  /// @param divergence by which one of several is chosen
  /// @param relativeTop least probability of a token that may be chosen, as a share of the greatest
  /// @param normed whether the final norm is applied to a premature stream, as the lens does; the
  ///   published code leaves it out
  public record Config(
      List<Integer> candidates, Divergence divergence, double relativeTop, boolean normed) {
    public Config {
      candidates = List.copyOf(new TreeSet<>(candidates));
      if (candidates.isEmpty()) {
        throw new IllegalArgumentException("DoLa needs a layer to contrast the last one with");
      }
      if (!(relativeTop > 0 && relativeTop <= 1)) {
        throw new IllegalArgumentException(
            "relative top must be above 0 and at most 1, found " + relativeTop);
      }
    }

    /// Chooses among these layers.
    public static Config among(List<Integer> candidates) {
      return new Config(candidates, Divergence.OFFICIAL, 0.1, true);
    }

    /// Every other layer of the lower half (of 20 layers at most), for long answers. Where the head
    /// is the embedding table itself, the embedding only repeats its token and is left out.
    public static Config low(Transformer model) {
      int layers = model.layers();
      int first = !tied(model) || layers < 2 ? 0 : layers == 2 ? 1 : 2;
      int end = layers > 40 ? 20 : layers / 2;
      return among(first >= end ? List.of(Math.min(first, layers - 1)) : everyOther(first, end));
    }

    /// Every other layer of the upper half (the last 20 layers at most), for short answers.
    public static Config high(Transformer model) {
      int layers = model.layers();
      return among(everyOther(layers > 40 ? layers - 20 : layers / 2, layers));
    }

    /// One layer for all tokens.
    public static Config at(int layer) {
      return among(List.of(layer));
    }

    public Config with(Divergence divergence) {
      return new Config(candidates, divergence, relativeTop, normed);
    }

    public Config withRelativeTop(double relativeTop) {
      return new Config(candidates, divergence, relativeTop, normed);
    }

    /// Reads premature streams without the final norm.
    public Config withoutNorm() {
      return new Config(candidates, divergence, relativeTop, false);
    }

    private static List<Integer> everyOther(int from, int to) {
      return IntStream.iterate(from, layer -> layer < to, layer -> layer + 2).boxed().toList();
    }

    private static boolean tied(Transformer model) {
      return model.head().out().weight().values().address() == model.embedding().table().address();
    }

    /// As parameters of a result name them.
    String layers() {
      return candidates.stream().map(String::valueOf).collect(Collectors.joining(", "));
    }
  }

  private Dola(Transformer model, Config config) {
    this.model = model;
    this.config = config;
  }

  /// Wraps a model, which stays its owner's.
  ///
  /// @throws IllegalArgumentException if the model does not predict next tokens, or a candidate is
  ///   not one of its layers or is the last one, which would leave nothing to contrast
  public static Dola of(Transformer model, Config config) {
    if (!model.card().causal()) {
      throw new IllegalArgumentException(
          "%s is an encoder: DoLa contrasts predictions of a next token"
              .formatted(model.card().name()));
    }
    for (int layer : config.candidates) {
      if (layer < 0 || layer >= model.layers()) {
        throw new IllegalArgumentException(
            "layer %d cannot be contrasted with layer %d, the last: choose from 0 to %d"
                .formatted(layer, model.layers(), model.layers() - 1));
      }
    }
    return new Dola(model, config);
  }

  @Override
  public Transformer.Card card() {
    return model.card();
  }

  @Override
  public int outputs() {
    return model.outputs();
  }

  /// What the contrast finds for some tokens.
  ///
  /// @param scores `[n, vocab]`
  /// @param layers the premature layer of each
  private record Contrast(Tensor scores, int[] layers) {}

  /// @param last `[n, dModel]`
  /// @param premature one `[n, dModel]` a candidate
  /// @param excluded the score outside the head set
  private Contrast contrast(Tensor last, List<Tensor> premature, double excluded) {
    return contrastLogits(model.head().of(last), premature, excluded);
  }

  private Contrast contrastLogits(Tensor logits, List<Tensor> premature, double excluded) {
    Tensor logP = logP(logits);
    List<Tensor> logQ = premature.stream().map(stream -> logP(premature(stream))).toList();
    int[] chosen = new int[(int) logP.size(0)];
    if (logQ.size() > 1) {
      Tensor p = logP.exp();
      List<Tensor> distances =
          logQ.stream().map(q -> distance(config.divergence, logP, p, q)).toList();
      long[] best = Tensor.stack(distances, 0).argmax(0).toLongs(); // [candidates, n] -> [n]
      Arrays.setAll(chosen, i -> (int) best[i]);
    }
    Tensor base =
        Arrays.stream(chosen).allMatch(c -> c == chosen[0])
            ? logQ.get(chosen[0])
            : Tensor.cat(
                IntStream.range(0, chosen.length)
                    .mapToObj(i -> logQ.get(chosen[i]).narrow(0, i, 1))
                    .toList(),
                0);
    Tensor least = logP.max(-1, true).add(Math.log(config.relativeTop));
    Tensor scores = logP.sub(base).maskedFill(logP.lt(least), excluded);
    return new Contrast(scores, Arrays.stream(chosen).map(i -> config.candidates.get(i)).toArray());
  }

  private Tensor premature(Tensor stream) {
    Head head = model.head();
    return config.normed ? head.of(stream) : head.shaped(head.out().of(stream));
  }

  private static Tensor logP(Tensor logits) {
    return (logits.dtype() == DType.F64 ? logits : logits.to(DType.F32)).logSoftmax(-1);
  }

  /// Of each row of `q [n, vocab]` from that of `p`, `[n]`.
  static Tensor distance(Divergence divergence, Tensor logP, Tensor p, Tensor logQ) {
    Tensor q = logQ.exp();
    Tensor m = p.add(q).mul(0.5);
    // where both are 0 nothing is added, hence any finite logarithm does
    Tensor logM = m.maskedFill(m.le(Tensor.zeros(m.dtype(), 1)), 1).log();
    Tensor terms =
        switch (divergence) {
          case TEXTBOOK -> p.mul(logP.sub(logM)).add(q.mul(logQ.sub(logM)));
          case OFFICIAL -> m.mul(logM.mul(2).sub(logP).sub(logQ));
        };
    return terms.sum(-1, false).mul(0.5);
  }

  /// Where a candidate's stream is seen: never in the last block, which may leave tokens out.
  private static Site site(int layer) {
    return layer == 0 ? Site.of(Kind.RESID_PRE, 0) : Site.of(Kind.RESID_POST, layer - 1);
  }

  // ---------------------------------------------------------------- whole rows

  /// Scores of whole rows: `ln p_N − ln p_M`, [#EXCLUDED] outside the head set.
  @Override
  public Tensor logits(Tensor ids, Layout layout, Wanted wanted) {
    try (var scope = Scope.withoutGradients()) {
      Streams streams = streams(ids, layout, wanted);
      var parts = new ArrayList<Tensor>();
      each(streams, (from, part) -> parts.add(scope.keep(columns(part.scores, wanted))));
      return scope.escape(Tensor.cat(parts, 0).copy());
    }
  }

  private static Tensor columns(Tensor scores, Wanted wanted) {
    long[] columns = wanted.columns();
    return columns == null ? scores : scores.indexSelect(1, columns);
  }

  private record Streams(Tensor last, List<Tensor> premature) {}

  private Streams streams(Tensor ids, Layout layout, Wanted wanted) {
    Scope home = Scope.current();
    Pass pass = Pass.over(layout).with(wanted.lastOnly() ? Wanted.LAST : Wanted.ALL);
    var premature = new ArrayList<Tensor>();
    Tensor last =
        model.stream(
            ids,
            pass,
            (row, x) -> {
              if (config.candidates.contains(row)) {
                premature.add(
                    home.keep(wanted.lastOnly() ? x.indexSelect(0, layout.lastTokens()) : x));
              }
            });
    return new Streams(last, premature);
  }

  private interface Part {
    void of(int from, Contrast contrast);
  }

  /// A chunk of tokens at a time.
  private void each(Streams streams, Part what) {
    int n = (int) streams.last.size(0);
    long perToken = 4L * (config.candidates.size() + 1) * Float.BYTES * model.outputs();
    int chunk = (int) Math.max(1, CHUNK_BYTES / perToken);
    for (int from = 0; from < n; from += chunk) {
      int at = from;
      int count = Math.min(chunk, n - from);
      try (var scope = Scope.withoutGradients()) {
        what.of(
            at,
            contrast(
                streams.last.narrow(0, at, count),
                streams.premature.stream().map(s -> s.narrow(0, at, count)).toList(),
                EXCLUDED));
      }
    }
  }

  /// Which layer each token of a text was, or would be, contrasted with, and what that makes of it.
  /// It reads a finished text once: as each choice depends only on what stands before, it is the
  /// same as while the text was generated.
  ///
  /// @param from the first token that counts, at least 1
  public DolaResult trace(Tokenizer tokenizer, Prompt text, int from) {
    long start = System.nanoTime();
    int[] ids = text.ids();
    if (from < 1 || from >= ids.length) {
      throw new IllegalArgumentException(
          "the first token to look at must be from 1 to %d, found %d"
              .formatted(ids.length - 1, from));
    }
    int count = ids.length - from;
    long[] layers = new long[count];
    float[] scores = new float[count];
    try (var scope = Scope.withoutGradients()) {
      Streams all = streams(Tensor.of(ids, ids.length), Layout.single(ids.length), Wanted.ALL);
      Streams some =
          new Streams(
              all.last.narrow(0, from - 1, count),
              all.premature.stream().map(s -> s.narrow(0, from - 1, count)).toList());
      each(
          some,
          (at, part) -> {
            int n = part.layers.length;
            long[] said = Arrays.stream(ids, from + at, from + at + n).asLongStream().toArray();
            float[] own = part.scores.gather(1, Tensor.of(said, n, 1)).toFloats();
            for (int i = 0; i < n; i++) {
              layers[at + i] = part.layers[i];
              scores[at + i] = own[i];
            }
          });
    }
    List<String> tokens = new Names(model, tokenizer).tokens(text);
    Axis axis = Axis.of("token", tokens.subList(from, ids.length));
    return new DolaResult(
        Provenances.of(
            model,
            text,
            tokens,
            (System.nanoTime() - start) / 1e9,
            "candidates",
            config.layers(),
            "divergence",
            config.divergence.name().toLowerCase(Locale.ROOT),
            "relative_top",
            Double.toString(config.relativeTop),
            "normed",
            Boolean.toString(config.normed)),
        config.candidates,
        model.layers(),
        Grid.integer(List.of(axis), layers),
        Grid.vector(axis, scores));
  }

  // ---------------------------------------------------------------- token by token

  @Override
  public LanguageModel.Session session(int rows, Tap tap) {
    return new Session(rows, tap);
  }

  private final class Session implements LanguageModel.Session {
    private final LanguageModel.Session inner;
    private final Map<Integer, Tensor> seen = new HashMap<>(); // of the pass that is running
    private @Nullable Scope home;

    Session(int rows, Tap tap) {
      var layers = new HashMap<Site, Integer>();
      config.candidates.forEach(layer -> layers.put(site(layer), layer));
      Tap watch =
          Taps.capture(
              layers.keySet(),
              (site, value, layout) ->
                  seen.put(
                      Objects.requireNonNull(layers.get(site)),
                      Objects.requireNonNull(home)
                          .keep(value.indexSelect(0, layout.lastTokens()))));
      inner = model.session(rows, tap.then(watch));
    }

    @Override
    public Tensor append(List<int[]> tokens) {
      try (var scope = Scope.withoutGradients()) {
        home = scope;
        Tensor logits = inner.append(tokens);
        List<Tensor> premature =
            config.candidates.stream()
                .map(layer -> Objects.requireNonNull(seen.get(layer)))
                .toList();
        return scope.escape(contrastLogits(logits, premature, Double.NEGATIVE_INFINITY).scores);
      } finally {
        seen.clear();
      }
    }

    @Override
    public int rows() {
      return inner.rows();
    }

    @Override
    public int[] tokens(int row) {
      return inner.tokens(row);
    }

    @Override
    public void select(int... rows) {
      inner.select(rows);
    }

    @Override
    public void truncate(int row, int length) {
      inner.truncate(row, length);
    }

    @Override
    public long bytes() {
      return inner.bytes();
    }

    @Override
    public void close() {
      inner.close();
    }
  }
}
