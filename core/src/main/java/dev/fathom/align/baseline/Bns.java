package dev.fathom.align.baseline;

import dev.fathom.align.AttributeWords;
import dev.fathom.align.AttributeWords.Counterfactual;
import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.checkpoint.KeptFile;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.edit.Zeroing;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.model.Kind;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.SpecialTokens;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;

/// Bias neuron suppression: finds the neurons through which the model prefers one of two words and
/// silences them, `m_j = 0` at every position, which is a zero value vector.
///
/// Contributions are integrated gradients of the gap `P(d1) − P(d2)` at the last token of a prompt
/// ([IntegratedGap]). A neuron belongs to a prompt if it contributes at least [#threshold()] of the
/// largest contribution; to a bag of prompts if it belongs to [#bagShare()] of them and to 3 at
/// least, where the share is moved by 0.05, at most 6 times, until bags have 2 to 5 neurons on
/// average; to the domain if it belongs to a tenth of the bags. These are silenced.
///
/// After Liu et al. 2024 (*The devil is in the neurons*, IG²) and their code. They read masked
/// models on templates about demographic words (*The GROUP of this MODIFIER person is*); a causal
/// model has no mask to fill in, so prompts here are what two texts of the fitting begin with, and
/// d1 and d2 the first tokens in which they differ: stereotype and anti-stereotype of an item, a
/// bag being a term; or a sentence and its counterfactual, d1 being of the group that is listed
/// first, a bag being a word. A few bags stand for all, as every prompt costs a pass up and down
/// the model for each block and point.
///
/// It misleads by the words it compares: *caring* and *tough* differ in more than what they say of
/// mothers, and neurons that tell them apart do that elsewhere too.
///
/// @param pairs which two texts
/// @param bags so many at most, those with the most prompts
/// @param perBag prompts of a bag, at most
/// @param points M of the integral
/// @param threshold share of a prompt's largest contribution
/// @param bagShare share of a bag's prompts, at first
public record Bns(Pairs pairs, int bags, int perBag, int points, double threshold, double bagShare)
    implements Method {
  private static final int LEAST_PROMPTS = 3; // of a bag's that a neuron belongs to
  private static final int LEAST_TOKENS = 2; // of a prompt
  private static final int MOST_ROUNDS = 6;
  private static final double MOVE = 0.05;
  private static final double FEW = 2;
  private static final double MANY = 5;
  private static final double DOMAIN_SHARE = 0.1;
  private static final String GAPS = "gaps";

  /// Which texts are compared.
  public enum Pairs {
    /// Stereotype and anti-stereotype of an item.
    ITEMS,
    /// A sentence and its counterfactual.
    COUNTERFACTUALS
  }

  public Bns {
    if (bags < 1 || perBag < LEAST_PROMPTS || points < 1) {
      throw new IllegalArgumentException(
          "there must be a bag, %d prompts of it and a point, found %d, %d and %d"
              .formatted(LEAST_PROMPTS, bags, perBag, points));
    }
    if (!(threshold > 0 && threshold <= 1) || !(bagShare >= 0 && bagShare <= 1)) {
      throw new IllegalArgumentException(
          "threshold and share of a bag are from 0 to 1, found %s and %s"
              .formatted(threshold, bagShare));
    }
  }

  /// 4 bags of 5 prompts, 20 points, a threshold of 0.2 and seven tenths of a bag.
  public static Bns of(Pairs pairs) {
    return new Bns(pairs, 4, 5, 20, 0.2, 0.7);
  }

  public Bns withThreshold(double threshold) {
    return new Bns(pairs, bags, perBag, points, threshold, bagShare);
  }

  /// Both sorts of pairs, each with thresholds of 0.02 to 0.2; those of a sort share their
  /// gradients.
  public static List<Bns> grid() {
    var grid = new ArrayList<Bns>();
    for (Pairs pairs : Pairs.values()) {
      for (double threshold : new double[] {0.02, 0.05, 0.1, 0.2}) {
        grid.add(of(pairs).withThreshold(threshold));
      }
    }
    return grid;
  }

  @Override
  public String name() {
    return "bns";
  }

  @Override
  public SequencedMap<String, String> settings() {
    return Settings.of(
        "pairs",
        pairs,
        "bags",
        bags,
        "per bag",
        perBag,
        "points",
        points,
        "threshold",
        threshold,
        "bag share",
        bagShare);
  }

  @Override
  public Remedy fit(Fitting fitting) {
    Transformer model = fitting.model();
    if (!model.card().causal()) {
      throw new IllegalArgumentException(
          "BNS compares predictions of a next token, but %s is an encoder"
              .formatted(model.card().name()));
    }
    if (model.blocks().stream().anyMatch(block -> block.steps().post2() != null)) {
      throw new IllegalArgumentException(
          "BNS scales the coefficients of a block's neurons, but this %s model normalises what its MLPs write: scaling changes nothing there."
              .formatted(model.card().family()));
    }
    List<List<Prompted>> prompts = prompts(fitting);
    List<float[]> gaps = gaps(fitting, prompts.stream().flatMap(List::stream).toList());
    var sets = new ArrayList<List<int[]>>();
    int at = 0;
    for (List<Prompted> bag : prompts) {
      sets.add(
          gaps.subList(at, at + bag.size()).stream().map(gap -> strong(gap, threshold)).toList());
      at += bag.size();
    }
    List<Integer> chosen = chosen(sets, bagShare);
    List<Slice> slices = slices(model, chosen);
    var found = Settings.of("prompts", gaps.size(), "neurons", chosen.size());
    return new Remedy.OfWeights(
        fitting.edit(
            this, slices.isEmpty() ? List.of() : Zeroing.of(model, slices).changes(), found));
  }

  // ---------------------------------------------------------------- prompts

  /// What two texts begin with, and how they go on.
  @SuppressWarnings("ArrayRecordComponent")
  record Prompted(int[] prompt, int first, int second) {}

  /// The bags with the most prompts, as many of each as are to be read.
  private List<List<Prompted>> prompts(Fitting fitting) {
    Map<String, List<Prompted>> byBag =
        switch (pairs) {
          case ITEMS -> ofItems(fitting);
          case COUNTERFACTUALS -> ofCounterfactuals(fitting);
        };
    var random = new SplittableRandom(fitting.seed());
    List<List<Prompted>> large =
        byBag.values().stream()
            .filter(bag -> bag.size() >= LEAST_PROMPTS)
            .sorted(Comparator.<List<Prompted>>comparingInt(List::size).reversed())
            .limit(bags)
            .map(bag -> Sentences.drawn(bag, perBag, random))
            .toList();
    if (large.isEmpty()) {
      throw new IllegalArgumentException(
          "BNS needs a %s with at least %d pairs of texts of %s that begin alike, and there is none among %d: give more items or neutral text."
              .formatted(
                  pairs == Pairs.ITEMS ? "term" : "word",
                  LEAST_PROMPTS,
                  fitting.domain(),
                  byBag.size()));
    }
    return large;
  }

  private static Map<String, List<Prompted>> ofItems(Fitting fitting) {
    var byTerm = new LinkedHashMap<String, List<Prompted>>();
    for (StereoSetItem item : fitting.items()) {
      prompted(fitting, item.stereotype().text(), item.antiStereotype().text())
          .ifPresent(
              found -> byTerm.computeIfAbsent(item.target(), _ -> new ArrayList<>()).add(found));
    }
    return byTerm;
  }

  private static Map<String, List<Prompted>> ofCounterfactuals(Fitting fitting) {
    AttributeWords words = fitting.words();
    var random = new SplittableRandom(fitting.seed());
    var byWord = new LinkedHashMap<String, List<Prompted>>();
    for (String text : Sentences.of(fitting)) {
      Optional<Counterfactual> pair = words.counterfactual(text, random);
      if (pair.isEmpty()) {
        continue;
      }
      AttributeWords.Found word = words.found(text).getFirst();
      int other = words.found(pair.get().other()).getFirst().group();
      boolean inOrder = word.group() < other;
      String first = inOrder ? text : pair.get().other();
      String second = inOrder ? pair.get().other() : text;
      String bag = text.substring(word.from(), word.to()).toLowerCase(Locale.ROOT);
      prompted(fitting, first, second)
          .ifPresent(found -> byWord.computeIfAbsent(bag, _ -> new ArrayList<>()).add(found));
    }
    return byWord;
  }

  /// Empty where the texts begin with less than two tokens alike, or one begins with the other.
  static Optional<Prompted> prompted(Fitting fitting, String first, String second) {
    int[] one = ids(fitting, first);
    int[] other = ids(fitting, second);
    int shared = Arrays.mismatch(one, other);
    int most = fitting.model().card().context();
    boolean usable =
        shared >= LEAST_TOKENS && shared <= most && shared < Math.min(one.length, other.length);
    return usable
        ? Optional.of(new Prompted(Arrays.copyOf(one, shared), one[shared], other[shared]))
        : Optional.empty();
  }

  private static int[] ids(Fitting fitting, String text) {
    int[] ids = fitting.tokenizer().encode(text, SpecialTokens.NONE).ids();
    return fitting.context() == SentenceScorer.Context.BOS
        ? IntStream.concat(IntStream.of(fitting.start().id()), Arrays.stream(ids)).toArray()
        : ids;
  }

  // ---------------------------------------------------------------- contributions

  /// Of every neuron to each prompt's gap; kept in the fitting's cache.
  private List<float[]> gaps(Fitting fitting, List<Prompted> prompts) {
    Transformer model = fitting.model();
    if (fitting.cache().isEmpty()) {
      return computed(model, prompts);
    }
    int neurons = IntegratedGap.before(model, model.layers());
    List<TensorSpec> specs = List.of(TensorSpec.of(GAPS, TensorType.F32, prompts.size(), neurons));
    try (var scope = Scope.withoutGradients();
        var file =
            KeptFile.of(
                fitting.cache().get(),
                "bns",
                decides(model, prompts),
                specs,
                writer -> writer.append(GAPS, joined(computed(model, prompts)).memory()))) {
      Tensor kept = Tensor.borrow(file.bytes(GAPS), DType.F32, prompts.size(), neurons);
      return IntStream.range(0, prompts.size())
          .mapToObj(i -> kept.select(0, i).toFloats())
          .toList();
    }
  }

  private static Tensor joined(List<float[]> gaps) {
    int each = gaps.getFirst().length;
    float[] all = new float[Math.multiplyExact(gaps.size(), each)];
    for (int i = 0; i < gaps.size(); i++) {
      System.arraycopy(gaps.get(i), 0, all, i * each, each);
    }
    return Tensor.of(all, gaps.size(), each);
  }

  private List<float[]> computed(Transformer model, List<Prompted> prompts) {
    var gap = new IntegratedGap(model, points, false);
    return prompts.stream()
        .map(prompt -> gap.of(prompt.prompt, prompt.first, prompt.second))
        .toList();
  }

  private String decides(Transformer model, List<Prompted> prompts) {
    var all = new ArrayList<String>();
    all.add("%s %s %d points".formatted(model.card().sha256().get(), model.card().dtype(), points));
    for (Prompted each : prompts) {
      all.add("%s %d %d".formatted(Arrays.toString(each.prompt), each.first, each.second));
    }
    return String.join("\n", all);
  }

  // ---------------------------------------------------------------- selection

  /// The neurons that contribute at least so large a share of the largest contribution; none where
  /// none is above 0.
  static int[] strong(float[] gap, double threshold) {
    float most = 0;
    for (float each : gap) {
      most = Math.max(most, each);
    }
    double least = threshold * most;
    return most > 0
        ? IntStream.range(0, gap.length).filter(j -> gap[j] >= least).toArray()
        : new int[0];
  }

  /// The neurons of the domain, ascending.
  ///
  /// @param bags of each the neurons of its prompts
  static List<Integer> chosen(List<List<int[]>> bags, double bagShare) {
    double share = bagShare;
    List<List<Integer>> kept = List.of();
    for (int round = 0; round < MOST_ROUNDS; round++) {
      double now = share;
      kept =
          bags.stream()
              .map(bag -> frequent(bag, Math.max(LEAST_PROMPTS, now * bag.size())))
              .toList();
      double mean = kept.stream().mapToInt(List::size).average().orElse(0);
      if (mean >= FEW && mean <= MANY) {
        break;
      }
      share += mean < FEW ? -MOVE : MOVE;
    }
    List<int[]> ofBags =
        kept.stream().map(bag -> bag.stream().mapToInt(Integer::intValue).toArray()).toList();
    return frequent(ofBags, DOMAIN_SHARE * bags.size());
  }

  /// What is in at least so many of the sets, ascending.
  private static List<Integer> frequent(List<int[]> sets, double least) {
    var counts = new TreeMap<Integer, Integer>();
    sets.forEach(set -> Arrays.stream(set).forEach(each -> counts.merge(each, 1, Integer::sum)));
    return counts.entrySet().stream()
        .filter(entry -> entry.getValue() >= least)
        .map(Map.Entry::getKey)
        .toList();
  }

  private static List<Slice> slices(Transformer model, List<Integer> neurons) {
    var slices = new ArrayList<Slice>();
    for (int layer = 0; layer < model.layers(); layer++) {
      int from = IntegratedGap.before(model, layer);
      int to = from + Math.toIntExact(model.blocks().get(layer).mlp().out().in());
      int[] own =
          neurons.stream()
              .filter(neuron -> neuron >= from && neuron < to)
              .mapToInt(neuron -> neuron - from)
              .toArray();
      if (own.length > 0) {
        slices.add(Slice.of(Kind.MLP_ACT, layer).neurons(own));
      }
    }
    return slices;
  }
}
