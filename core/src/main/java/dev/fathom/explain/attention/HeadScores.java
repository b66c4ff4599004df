package dev.fathom.explain.attention;

import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.HeadIndex;
import dev.fathom.model.Kind;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Specials;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// Which heads do one of the known small jobs? Mean attention on two copies of n random tokens,
/// where nothing but position and repetition can guide a head (Elhage et al. 2021; Olsson et al.
/// 2022):
///
///     induction        α[t, t − n + 1], t in the second copy: what followed this token before
///     previous token   α[t, t − 1]
///     duplicate token  α[t, t − n],     t in the second copy: where this token was before
///
/// It misleads on heads that do these jobs only on words that make sense, and a head that looks
/// there need not copy what it sees ([OvReading] tells).
public final class HeadScores {
  private HeadScores() {}

  /// The jobs, each named as its array's end and as people call it.
  public enum Job {
    INDUCTION("induction", "Induction"),
    PREVIOUS("previous", "Previous token"),
    DUPLICATE("duplicate", "Duplicate token");

    private final String text;
    private final String title;

    Job(String text, String title) {
      this.text = text;
      this.title = title;
    }

    public String text() {
      return text;
    }

    public String title() {
      return title;
    }
  }

  /// @param length tokens of each copy, n; all different
  /// @param rows random sequences to average over
  /// @param seed of the random tokens
  public record Config(int length, int rows, long seed) {
    public Config {
      if (length < 2 || rows < 1) {
        throw new IllegalArgumentException(
            "Head scores need at least 2 tokens to repeat and 1 sequence, found %d and %d."
                .formatted(length, rows));
      }
    }

    /// Four sequences of 50 tokens, twice each; fewer tokens where the model reads less.
    public static Config standard(Transformer model) {
      int known = (int) model.embedding().vocabulary();
      int most = Math.min((model.card().context() - 1) / 2, known / 2);
      return new Config(Math.clamp(most, 2, 50), 4, 0);
    }

    public Config withLength(int length) {
      return new Config(length, rows, seed);
    }

    public Config withSeed(long seed) {
      return new Config(length, rows, seed);
    }
  }

  /// Scores of every head.
  public static HeadScoresResult run(Transformer model, Tokenizer tokenizer, Config config) {
    long start = System.nanoTime();
    List<int[]> rows = repeated(model, tokenizer, config);
    int n = config.length;
    int before = rows.getFirst().length - 2 * n; // a start token
    int heads = HeadIndex.count(model);
    SequencedMap<Job, float[]> sums = new LinkedHashMap<>();
    for (Job job : Job.values()) {
      sums.put(job, new float[model.layers() * heads]);
    }
    new Walk(model, rows, Set.of(Kind.PATTERN))
        .each((layer, seen) -> {
          Tensor pattern = seen.at(Kind.PATTERN).mean(0, false); // [heads, queries, keys]
          sums.forEach((job, scores) -> {
            int first = before + (job == Job.PREVIOUS ? 1 : n);
            int back =
                switch (job) {
                  case INDUCTION -> n - 1;
                  case PREVIOUS -> 1;
                  case DUPLICATE -> n;
                };
            float[] own = stripe(pattern, first, back);
            System.arraycopy(own, 0, scores, layer * heads, heads);
          });
        });
    SequencedMap<Job, Grid> scores = new LinkedHashMap<>();
    sums.forEach((job, values) ->
        scores.put(
            job,
            Grid.real(
                List.of(Axis.index("layer", model.layers()), Axis.index("head", heads)), values)));
    return new HeadScoresResult(
        Provenances.of(
            model,
            (System.nanoTime() - start) / 1e9,
            "length",
            Integer.toString(n),
            "sequences",
            Integer.toString(config.rows),
            "seed",
            Long.toString(config.seed)),
        scores);
  }

  /// Each head's mean over `α[t, t − back]` for t from `first` on.
  private static float[] stripe(Tensor pattern, int first, int back) {
    int length = (int) pattern.size(1);
    long[] index = new long[length - first];
    for (int i = 0; i < index.length; i++) {
      index[i] = (long) (first + i) * length + first + i - back;
    }
    return pattern.flatten(1, 2).indexSelect(1, index).mean(1, false).toFloats();
  }

  /// Random ordinary tokens, twice, after the start token if the tokenizer adds one.
  static List<int[]> repeated(Transformer model, Tokenizer tokenizer, Config config) {
    int words = Math.toIntExact(Math.min(tokenizer.size(), model.embedding().vocabulary()));
    List<Integer> ordinary =
        IntStream.range(0, words)
            .filter(id -> !tokenizer.isSpecial(id))
            .boxed()
            .collect(Collectors.toCollection(ArrayList::new));
    Specials specials = tokenizer.specials();
    OptionalInt bos = specials.bos().isPresent() ? specials.bos() : specials.cls();
    int[] start = specials.addsBos() && bos.isPresent() ? new int[] {bos.getAsInt()} : new int[0];
    if (config.length > ordinary.size()
        || start.length + 2L * config.length > model.card().context()) {
      throw new IllegalArgumentException(
          "Two copies of %d different tokens do not fit this model, which reads %d tokens and knows %d: choose fewer."
              .formatted(config.length, model.card().context(), ordinary.size()));
    }
    var random = new Random(config.seed);
    return IntStream.range(0, config.rows)
        .mapToObj(_ -> {
          Collections.shuffle(ordinary, random);
          int[] once =
              ordinary.subList(0, config.length).stream().mapToInt(Integer::intValue).toArray();
          return IntStream.of(2, 0, 1)
              .flatMap(part -> IntStream.of(part == 2 ? start : once))
              .toArray();
        })
        .toList();
  }
}
