package dev.fathom.evaluate;

import dev.fathom.model.LanguageModel;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Specials;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/// How well does a causal model predict a text? `exp(−(1/n) Σ_i ln p_i)` over the n tokens that are
/// predicted: at least 1, and the size of the vocabulary for a model that knows nothing.
///
/// The text is read in windows. Each token after the first is predicted exactly once, from the
/// tokens before it in its window; windows begin `stride` tokens apart, so with a stride of the
/// window a window's first tokens have little before them, and with a shorter one all have at least
/// `window − stride`. A shorter stride costs as much more and usually gives a lower number. Where
/// the tokenizer's own files put a start token before texts, every window begins with it, and the
/// text's first token is predicted too.
///
/// Perplexities of models with different tokenizers are not comparable (bits a byte would be), nor
/// are those of different windows.
public final class Perplexity {
  /// Windows that are handed over together.
  private static final int TOGETHER = 8;

  private Perplexity() {}

  /// How a text is cut and counted.
  ///
  /// @param window tokens that are read for a prediction, at most
  /// @param stride tokens that a window predicts, 1 to `window`
  /// @param biasBench whether to count as bias-bench does: windows do not overlap where the stride
  ///   is the window, a window's first token is then not predicted, and the mean of the others
  ///   counts for it; no start token but at the text's beginning
  public record Config(int window, int stride, boolean biasBench) {
    /// Tokens that bias-bench leaves free in a model's context.
    private static final int RESERVED = 32;

    public Config {
      if (window < 2) {
        throw new IllegalArgumentException("a window needs at least 2 tokens, found " + window);
      }
      if (stride < 1 || stride > window) {
        throw new IllegalArgumentException(
            "the stride should be 1 to %d, the window; found %d".formatted(window, stride));
      }
    }

    /// Windows side by side of 512 tokens, or the context where it is shorter.
    public static Config standard(int context) {
      int window = Math.min(512, context);
      return new Config(window, window, false);
    }

    /// As bias-bench: windows side by side of the context less 32 tokens.
    ///
    /// @throws IllegalArgumentException if the context is too short for that
    public static Config likeBiasBench(int context) {
      return new Config(context - RESERVED, context - RESERVED, true);
    }
  }

  /// A window.
  ///
  /// @param ids what is read and predicted; not copied
  /// @param counted how many of the last tokens it predicts
  @SuppressWarnings("ArrayRecordComponent")
  private record Window(int[] ids, int counted) {}

  /// Reads a text with a model.
  ///
  /// @param model only named in the result; `scorer` reads it
  /// @param done is told how many windows were read since it was last told
  /// @throws IllegalArgumentException if the text has no token to predict
  public static PerplexityResult run(
      LanguageModel model,
      TokenScorer scorer,
      Tokenizer tokenizer,
      String text,
      Config config,
      IntConsumer done) {
    if (config.window > model.card().context()) {
      throw new IllegalArgumentException(
          "a window of %d tokens is more than this model reads, %d"
              .formatted(config.window, model.card().context()));
    }
    long start = System.nanoTime();
    OptionalInt first = start(tokenizer);
    var special = config.biasBench ? SpecialTokens.AS_CONFIGURED : SpecialTokens.NONE;
    int[] ids = tokenizer.encode(text, special).ids();
    Found found =
        config.biasBench
            ? biasBench(scorer, ids, config, done)
            : windows(scorer, ids, first, config, done);
    return new PerplexityResult(
        found.nats,
        found.predicted,
        ids.length,
        found.windows,
        config,
        Provenances.of(
            model,
            (System.nanoTime() - start) / 1e9,
            "window",
            Integer.toString(config.window),
            "stride",
            Integer.toString(config.stride),
            "counted",
            config.biasBench ? "as bias-bench does" : "each token once",
            "start token",
            first.isPresent() ? tokenizer.piece(first.getAsInt()) : "none"));
  }

  /// The mean loss of a text's tokens in nats a token, of which the perplexity is the exponential.
  ///
  /// @param start the token before every window's first; empty for none
  /// @throws IllegalArgumentException if there is no token to predict
  public static double nats(TokenScorer scorer, int[] ids, OptionalInt start, Config config) {
    return (config.biasBench
            ? biasBench(scorer, ids, config, _ -> {})
            : windows(scorer, ids, start, config, _ -> {}))
        .nats;
  }

  private static OptionalInt start(Tokenizer tokenizer) {
    Specials specials = tokenizer.specials();
    return specials.addsBos() ? specials.bos() : OptionalInt.empty();
  }

  /// How many windows a text of so many tokens has.
  public static int windows(int tokens, Config config) {
    return Math.max(1, (tokens + config.stride - 1) / config.stride);
  }

  private record Found(double nats, int predicted, int windows) {}

  private static Found windows(
      TokenScorer scorer, int[] ids, OptionalInt start, Config config, IntConsumer done) {
    var windows = new ArrayList<Window>();
    for (int from = start.isPresent() ? 0 : 1; from < ids.length; from += config.stride) {
      int to = Math.min(ids.length, from + config.stride);
      // reads all but the last, and the start token
      int begin = Math.max(0, start.isPresent() ? to - config.window : to - 1 - config.window);
      int[] read = Arrays.copyOfRange(ids, begin, to);
      windows.add(
          new Window(
              start.isPresent()
                  ? IntStream.concat(start.stream(), Arrays.stream(read)).toArray()
                  : read,
              to - from));
    }
    double sum = 0;
    int predicted = 0;
    for (double[] losses : losses(scorer, windows, done)) {
      sum += Arrays.stream(losses).sum();
      predicted += losses.length;
    }
    return new Found(sum / requireSome(predicted), predicted, windows.size());
  }

  private static Found biasBench(TokenScorer scorer, int[] ids, Config config, IntConsumer done) {
    var windows = new ArrayList<Window>();
    for (int from = 0; from < ids.length; from += config.stride) {
      int begin = Math.max(0, from + config.stride - config.window);
      int to = Math.min(ids.length, from + config.stride);
      windows.add(new Window(Arrays.copyOfRange(ids, begin, to), to - Math.max(from, begin + 1)));
    }
    double sum = 0;
    int predicted = 0;
    int from = 0;
    for (double[] losses : losses(scorer, windows, done)) {
      int tokens = Math.min(ids.length, from + config.stride) - from;
      sum += tokens * Arrays.stream(losses).average().orElse(0); // NaN there
      predicted += losses.length;
      from += config.stride;
    }
    requireSome(predicted);
    return new Found(sum / ids.length, predicted, windows.size());
  }

  private static int requireSome(int predicted) {
    if (predicted == 0) {
      throw new IllegalArgumentException("The text has no token that could be predicted.");
    }
    return predicted;
  }

  /// The losses that each window counts.
  private static List<double[]> losses(TokenScorer scorer, List<Window> windows, IntConsumer done) {
    var reading = Likelihood.Config.standard();
    var losses = new ArrayList<double[]>();
    for (int from = 0; from < windows.size(); from += TOGETHER) {
      List<Window> some = windows.subList(from, Math.min(windows.size(), from + TOGETHER));
      List<float[]> found = scorer.score(some.stream().map(Window::ids).toList(), reading);
      for (int w = 0; w < found.size(); w++) {
        float[] values = found.get(w);
        int skipped = values.length - some.get(w).counted;
        double[] counted = new double[some.get(w).counted];
        Arrays.setAll(counted, i -> -values[skipped + i]);
        losses.add(counted);
      }
      done.accept(some.size());
    }
    return losses;
  }
}
