package dev.fathom.model;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.random.RandomGenerator;

/// How the next token is chosen from its logits. The filters, their defaults and their order are
/// those of transformers: repetition penalty, temperature, top-k, top-p, min-p; then one of what is
/// left is drawn by its probability.
///
/// | value | effect |
/// |---|---|
/// | `temperature` | logits are divided by it; 0 takes the most likely token and draws nothing |
/// | `topK` | tokens less likely than the k-th are left out; 0 for all |
/// | `topP` | the smallest set of likely tokens that has this probability (Holtzman et al. 2020); 1 for all |
/// | `minP` | tokens less likely than this share of the most likely one are left out; 0 for all |
/// | `repetitionPenalty` | divides positive and multiplies negative logits of tokens that the row has already, prompt included (Keskar et al. 2019); 1 for none |
/// | `seed` | of the draws; the same seed gives the same text |
public record Sampling(
    double temperature, int topK, double topP, double minP, double repetitionPenalty, long seed) {
  /// Always the most likely token, the first of equals.
  public static final Sampling GREEDY = new Sampling(0, 0, 1, 0, 1, 0);

  public Sampling {
    require(temperature >= 0 && Double.isFinite(temperature), "temperature", temperature, "from 0");
    require(topK >= 0, "top-k", topK, "from 0");
    require(topP > 0 && topP <= 1, "top-p", topP, "above 0 and at most 1");
    require(minP >= 0 && minP <= 1, "min-p", minP, "from 0 to 1");
    require(
        repetitionPenalty > 0 && Double.isFinite(repetitionPenalty),
        "repetition penalty",
        repetitionPenalty,
        "above 0");
  }

  private static void require(boolean holds, String what, Number found, String expected) {
    if (!holds) {
      throw new IllegalArgumentException(
          "%s should be %s, found %s".formatted(what, expected, found));
    }
  }

  /// Draws from the whole vocabulary at this temperature.
  public static Sampling at(double temperature, long seed) {
    return GREEDY.withTemperature(temperature).withSeed(seed);
  }

  public Sampling withTemperature(double value) {
    return new Sampling(value, topK, topP, minP, repetitionPenalty, seed);
  }

  public Sampling withTopK(int value) {
    return new Sampling(temperature, value, topP, minP, repetitionPenalty, seed);
  }

  public Sampling withTopP(double value) {
    return new Sampling(temperature, topK, value, minP, repetitionPenalty, seed);
  }

  public Sampling withMinP(double value) {
    return new Sampling(temperature, topK, topP, value, repetitionPenalty, seed);
  }

  public Sampling withRepetitionPenalty(double value) {
    return new Sampling(temperature, topK, topP, minP, value, seed);
  }

  public Sampling withSeed(long value) {
    return new Sampling(temperature, topK, topP, minP, repetitionPenalty, value);
  }

  /// Whether the most likely token is taken instead of drawing one.
  public boolean greedy() {
    return temperature == 0;
  }

  /// Whether the logits are used as they are, so that the largest decides.
  boolean plain() {
    return greedy() && repetitionPenalty == 1;
  }

  /// A token that can be drawn, and its probability relative to the most likely one's.
  record Candidate(int id, double weight) {}

  /// The token after a row that has the tokens `seen`; `logits` are overwritten.
  int choose(float[] logits, Set<Integer> seen, RandomGenerator random) {
    penalize(logits, seen);
    return greedy() ? best(logits) : draw(candidates(logits), random);
  }

  /// The repetition penalty, in place.
  void penalize(float[] logits, Set<Integer> seen) {
    if (repetitionPenalty == 1) {
      return;
    }
    float penalty = (float) repetitionPenalty;
    for (int id : seen) {
      logits[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
    }
  }

  private static int best(float[] logits) {
    int best = 0;
    for (int id = 1; id < logits.length; id++) {
      if (logits[id] > logits[best]) {
        best = id;
      }
    }
    return best;
  }

  /// What the filters leave.
  List<Candidate> candidates(float[] logits) {
    float most = logits[best(logits)];
    if (!Float.isFinite(most)) {
      throw new IllegalStateException(
          "the largest logit is %s: the model's numbers overflowed".formatted(most));
    }
    boolean all = topK == 0 || topK >= logits.length;
    float least = all ? -Float.MAX_VALUE : Math.max(-Float.MAX_VALUE, kth(logits, topK));
    var left = new ArrayList<Candidate>();
    for (int id = 0; id < logits.length; id++) {
      if (logits[id] >= least) {
        left.add(new Candidate(id, Math.exp(((double) logits[id] - most) / temperature)));
      }
    }
    List<Candidate> likely = topP < 1 ? nucleus(left) : left;
    return minP == 0 ? likely : likely.stream().filter(c -> c.weight >= minP).toList();
  }

  /// The k-th largest.
  private static float kth(float[] logits, int k) {
    var largest = new PriorityQueue<Float>(k);
    for (float logit : logits) {
      if (largest.size() < k) {
        largest.add(logit);
      } else if (logit > largest.peek()) {
        largest.poll();
        largest.add(logit);
      }
    }
    return largest.element();
  }

  /// The most likely ones up to and including the one that reaches `topP`, the smaller id first of
  /// equals.
  private List<Candidate> nucleus(List<Candidate> all) {
    double total = total(all);
    double negligible = (1 - topP) * total / all.size(); // all below it together are not needed
    List<Candidate> sorted =
        all.stream()
            .filter(c -> c.weight >= negligible)
            .sorted(Comparator.comparingDouble(Candidate::weight).reversed())
            .toList();
    double before = 0;
    int kept = 0;
    while (kept < sorted.size() && before < topP * total) {
      before += sorted.get(kept++).weight;
    }
    return sorted.subList(0, kept);
  }

  private static int draw(List<Candidate> candidates, RandomGenerator random) {
    double rest = random.nextDouble() * total(candidates);
    for (Candidate candidate : candidates) {
      rest -= candidate.weight;
      if (rest < 0) {
        return candidate.id;
      }
    }
    return candidates.getLast().id; // rounding
  }

  private static double total(List<Candidate> candidates) {
    double total = 0;
    for (Candidate candidate : candidates) {
      total += candidate.weight;
    }
    return total;
  }
}
