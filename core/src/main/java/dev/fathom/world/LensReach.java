package dev.fathom.world;

import dev.fathom.evaluate.Share;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/// What no mixture of late layers can exceed. The lens of a layer (its stream through the final
/// norm and the head) gives each word a logit; is the answer first in one of the last k lenses, or
/// in any weighted mean of them, the weights chosen anew for each question by somebody who knows
/// its answer? Once among all words, once among those that answer such questions at all.
///
/// It bounds a router over the model's own norm. Norms of the routes' own may go beyond it: they
/// scale each direction of the stream, whoever is asked about.
///
/// @param late k
/// @param questions how many were asked
/// @param inLens questions whose answer is first in one of the lenses
/// @param inMixture those whose answer is first in a mixture of them, and those that the search
///   could not decide
/// @param inLensAmong the same as `inLens` among the words that answer such questions
/// @param inMixtureAmong the same as `inMixture` among them
/// @param chance what drawing one of those words would give
/// @param rank the median over the questions of the answer's best rank in the lenses, 0 is first
public record LensReach(
    int late,
    int questions,
    int inLens,
    int inMixture,
    int inLensAmong,
    int inMixtureAmong,
    double chance,
    double rank) {
  /// Rounds of the search for weights.
  private static final int ROUNDS = 400;

  public Share lens() {
    return new Share(inLens, questions);
  }

  public Share mixture() {
    return new Share(inMixture, questions);
  }

  public Share lensAmong() {
    return new Share(inLensAmong, questions);
  }

  public Share mixtureAmong() {
    return new Share(inMixtureAmong, questions);
  }

  /// For 1 to all late layers.
  static List<LensReach> of(Transformer model, Tokenizer tokenizer, List<Cloze> questions) {
    var found = new Counts[model.layers()];
    Arrays.setAll(found, _ -> new Counts());
    double[] chance = {0};
    Answers.inBatches(
        tokenizer,
        questions,
        (batch, ids) -> {
          for (int from = 0; from < batch.size(); from += 64) { // logits of all layers at a time
            var part = batch.subList(from, Math.min(batch.size(), from + 64));
            int[] own = part.stream().flatMapToInt(a -> IntStream.of(a.prompt())).toArray();
            float[][] lenses = lenses(model, Answers.layout(part), own);
            for (int q = 0; q < part.size(); q++) {
              int[] among = words(questions.get(part.get(q).index()), tokenizer);
              chance[0] += 1.0 / (among.length + 1) / questions.size();
              count(lenses, q, model.outputs(), part.get(q).answer(), among, found);
            }
          }
        });
    return IntStream.range(0, found.length)
        .mapToObj(i -> found[i].reach(i + 1, questions.size(), chance[0]))
        .toList();
  }

  private static final class Counts {
    private int inLens;
    private int inMixture;
    private int inLensAmong;
    private int inMixtureAmong;
    private final List<Integer> ranks = new ArrayList<>();

    LensReach reach(int late, int questions, double chance) {
      int[] sorted = ranks.stream().mapToInt(Integer::intValue).sorted().toArray();
      double median = (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2.0;
      return new LensReach(
          late, questions, inLens, inMixture, inLensAmong, inMixtureAmong, chance, median);
    }
  }

  /// Logits of every layer's lens at the last token of each row, the last layer first, `[layer][row
  /// · vocab]`.
  private static float[][] lenses(Transformer model, Layout layout, int[] ids) {
    float[][] lenses = new float[model.layers()][];
    try (var scope = Scope.withoutGradients()) {
      Tensor last = Tensor.of(layout.lastTokens(), layout.segments().size());
      model.stream(
          Tensor.of(ids, ids.length),
          Pass.over(layout),
          (row, stream) -> {
            if (row > 0) {
              try (var inner = Scope.open()) {
                lenses[model.layers() - row] =
                    model.head().of(stream.indexSelect(0, last)).wide().toFloats();
              }
            }
          });
    }
    return lenses;
  }

  private static int[] words(Cloze cloze, Tokenizer tokenizer) {
    int at = tokenizer.encode(cloze.prompt()).ids().length;
    return cloze.foils().stream()
        .mapToInt(foil -> tokenizer.encode(cloze.prompt() + foil).ids()[at])
        .toArray();
  }

  private static void count(
      float[][] lenses, int question, int vocab, int answer, int[] among, Counts[] found) {
    int[] all = IntStream.range(0, vocab).filter(v -> v != answer).toArray();
    int best = Integer.MAX_VALUE;
    boolean lens = false;
    boolean lensAmong = false;
    boolean mixture = false;
    boolean mixtureAmong = false;
    for (int late = 1; late <= lenses.length; late++) {
      int rank = above(lenses[late - 1], question * vocab, answer, all);
      best = Math.min(best, rank);
      lens |= rank == 0;
      lensAmong |= above(lenses[late - 1], question * vocab, answer, among) == 0;
      mixture |= lens || mixes(margins(lenses, late, question * vocab, answer, all));
      mixtureAmong |= lensAmong || mixes(margins(lenses, late, question * vocab, answer, among));
      Counts counts = found[late - 1];
      counts.ranks.add(best);
      counts.inLens += lens ? 1 : 0;
      counts.inMixture += mixture ? 1 : 0;
      counts.inLensAmong += lensAmong ? 1 : 0;
      counts.inMixtureAmong += mixtureAmong ? 1 : 0;
    }
  }

  private static int above(float[] logits, int from, int answer, int[] others) {
    return (int)
        IntStream.of(others).filter(v -> logits[from + v] >= logits[from + answer]).count();
  }

  /// By how much the answer is ahead of each word in each lens, `[word][layer]`; words that it is
  /// ahead of in all of them are left out.
  private static double[][] margins(
      float[][] lenses, int late, int from, int answer, int[] others) {
    var margins = new ArrayList<double[]>();
    for (int v : others) {
      double[] margin = new double[late];
      boolean behind = false;
      for (int i = 0; i < late; i++) {
        margin[i] = (double) lenses[i][from + answer] - lenses[i][from + v];
        behind |= margin[i] <= 0;
      }
      if (behind) {
        margins.add(margin);
      }
    }
    return margins.toArray(double[][]::new);
  }

  /// Whether some weights, none negative and with sum 1, put the answer ahead of every word.
  /// Weights and words play against each other (multiplicative weights; Freund and Schapire 1999):
  /// if the mean weights win, there are such; if a mixture of words is not behind in any layer,
  /// there are none.
  ///
  /// @param margins `[word][layer]`
  /// @return true also where [#ROUNDS] did not decide
  static boolean mixes(double[][] margins) {
    if (margins.length == 0) {
      return true;
    }
    int late = margins[0].length;
    for (double[] margin : margins) {
      if (Arrays.stream(margin).allMatch(m -> m <= 0)) {
        return false;
      }
    }
    double largest =
        Arrays.stream(margins).flatMapToDouble(Arrays::stream).map(Math::abs).max().orElse(1);
    double step = Math.sqrt(8 * Math.log(late) / ROUNDS) / (2 * largest);
    double[] gained = new double[late]; // sum of the chosen words' margins
    double[] mean = new double[late];
    for (int round = 1; round <= ROUNDS; round++) {
      double[] weights = softmax(gained, step);
      for (int i = 0; i < late; i++) {
        mean[i] += weights[i];
      }
      double[] worst = worst(margins, weights);
      if (dot(worst, weights) > 0) {
        return true;
      }
      for (int i = 0; i < late; i++) {
        gained[i] += worst[i];
      }
      if (Arrays.stream(gained).allMatch(g -> g <= 0)) {
        return false;
      }
      if (round % 20 == 0 && dot(worst(margins, mean), mean) > 0) {
        return true;
      }
    }
    return true;
  }

  private static double[] softmax(double[] scores, double factor) {
    double most = Arrays.stream(scores).max().orElse(0);
    double[] e = Arrays.stream(scores).map(s -> Math.exp(factor * (s - most))).toArray();
    double sum = Arrays.stream(e).sum();
    return Arrays.stream(e).map(x -> x / sum).toArray();
  }

  private static double[] worst(double[][] margins, double[] weights) {
    double[] worst = margins[0];
    double least = Double.POSITIVE_INFINITY;
    for (double[] margin : margins) {
      double value = dot(margin, weights);
      if (value < least) {
        least = value;
        worst = margin;
      }
    }
    return worst;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }
}
