package dev.fathom.world;

import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.align.baseline.Bns;
import dev.fathom.align.baseline.Cda;
import dev.fathom.align.baseline.DropoutTuning;
import dev.fathom.align.baseline.Ethos;
import dev.fathom.align.baseline.Inlp;
import dev.fathom.align.baseline.SelfDebias;
import dev.fathom.align.baseline.SentenceDebias;
import dev.fathom.align.baseline.Subtraction;
import dev.fathom.align.baseline.Tuning;
import dev.fathom.align.lope.BiasNeurons;
import dev.fathom.align.lope.GapErasure;
import dev.fathom.align.lope.Lope;
import dev.fathom.align.lope.PairErasure;
import dev.fathom.align.probe.Features;
import dev.fathom.align.probe.LayerProbes;
import dev.fathom.align.probe.Probing;
import dev.fathom.align.probe.ProbingResult;
import dev.fathom.align.probe.Split;
import dev.fathom.align.probe.TwoClasses;
import dev.fathom.data.LabelledText;
import dev.fathom.evaluate.MeanInterval;
import dev.fathom.evaluate.Provenances;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.evaluate.bias.StartToken;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.LongConsumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Does what is said to find a bias, or to take it out, do so where the bias is known? The shares
/// of men in the occupations of this world were written down before the first text, and a twin
/// learnt the same texts with even shares: what a model without the bias says is known too.
///
/// Probes, neurons and methods of [dev.fathom.align] are fitted on one half of the occupations and
/// tried on all; what holds for the half that nothing was fitted on stands beside it. A method's
/// setting is the one that leaves the smallest gap on the fitted half, of those that keep the
/// perplexity of neutral text within 5 %.
///
/// It misleads where it is read as a ranking for other models: here one line of the stream holds
/// the bias, the fitted sentences say it in the words that are asked for, and both groups' words
/// are single tokens.
public final class AlignmentTrial {
  /// How much more perplexity a setting may cost to be chosen.
  private static final double MOST_PERPLEXITY = 1.05;

  /// Ways of asking for an association where much is measured.
  private static final int FEW_WAYS = 2;

  private static final int NEUTRAL = 300;

  /// Which texts of neutral text a setting is chosen by.
  private static final int CHOSEN_BY = 150;

  private static final String CONTROL = "random";

  private final Transformer model;
  private final Tokenizer tokenizer;
  private final AlignmentQuestions questions;
  private final AlignmentJudge judge;
  private final Config config;
  private final Fitting fitting;

  private AlignmentTrial(
      Transformer model, Transformer fair, Tokenizer tokenizer, World world, Config config) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.config = config;
    this.questions = new AlignmentQuestions(world);
    List<Cloze> facts = Truth.of(world).questions(Truth.Check.TRAINED_FACTS);
    int step = Math.max(1, facts.size() / config.facts);
    this.judge =
        new AlignmentJudge(
            fair,
            tokenizer,
            questions,
            IntStream.range(0, facts.size())
                .filter(i -> i % step == 0)
                .mapToObj(facts::get)
                .limit(config.facts)
                .toList(),
            questions.texts(config.texts));
    this.fitting =
        new Fitting(
            model,
            tokenizer,
            "gender",
            questions.items(),
            questions.words(),
            questions.neutral(NEUTRAL),
            SentenceScorer.Context.BOS,
            StartToken.of(tokenizer),
            1,
            config.cache);
  }

  /// @param methods that are tried, by name
  /// @param neurons so many of each layer are taken away, one count after another
  /// @param draws of random neurons
  /// @param facts questions about what is simply true, at most
  /// @param texts of the world whose perplexity is measured, at most
  /// @param cache where what is learnt may be kept, so that settings share it; empty for nowhere
  /// @param progress told how many steps of [#total()] are done, again and again
  public record Config(
      List<String> methods,
      List<Integer> neurons,
      int draws,
      int facts,
      int texts,
      Optional<Path> cache,
      LongConsumer progress) {
    public Config {
      methods = List.copyOf(methods);
      neurons = List.copyOf(neurons);
      for (String method : methods) {
        if (!names().contains(method)) {
          throw new IllegalArgumentException(
              "There is no method '%s' in this trial: choose from %s."
                  .formatted(method, String.join(", ", names())));
        }
      }
      if (neurons.stream().anyMatch(count -> count < 1) || draws < 2) {
        throw new IllegalArgumentException(
            "The trial takes away at least 1 neuron a layer and draws at least 2 times; found %s and %d."
                .formatted(neurons, draws));
      }
      if (facts < 1 || texts < 1) {
        throw new IllegalArgumentException(
            "The trial asks at least 1 fact and reads at least 1 text; found %d and %d."
                .formatted(facts, texts));
      }
    }

    /// All methods; 10, 40 and 100 neurons a layer, 5 draws; all facts, 600 texts.
    public static Config standard() {
      return new Config(
          names(), List.of(10, 40, 100), 5, Integer.MAX_VALUE, 600, Optional.empty(), _ -> {});
    }

    public Config withMethods(List<String> methods) {
      return new Config(methods, neurons, draws, facts, texts, cache, progress);
    }

    public Config withNeurons(List<Integer> neurons, int draws) {
      return new Config(methods, neurons, draws, facts, texts, cache, progress);
    }

    /// Faster, with larger errors.
    public Config withSamples(int facts, int texts) {
      return new Config(methods, neurons, draws, facts, texts, cache, progress);
    }

    public Config keepingIn(Path folder) {
      return new Config(methods, neurons, draws, facts, texts, Optional.of(folder), progress);
    }

    public Config telling(LongConsumer told) {
      return new Config(methods, neurons, draws, facts, texts, cache, told);
    }

    /// How many steps there are.
    public int total() {
      return 3 + neurons.size() * (draws + 1) + methods.size();
    }
  }

  /// The names of all methods, in the order of tables.
  public static List<String> names() {
    return List.copyOf(entrants().keySet());
  }

  /// A method, what part it has in the comparison, and the settings it may be tried with.
  private record Entrant(AlignmentTrialResult.Part part, List<? extends Method> settings) {}

  private static SequencedMap<String, Entrant> entrants() {
    var baseline = AlignmentTrialResult.Part.BASELINE;
    var tried = AlignmentTrialResult.Part.TRIED;
    Tuning brief = Tuning.standard().withSteps(40);
    Tuning packed = new Tuning(60, 4, 1e-3, 8, 0);
    Lope all = Lope.allProbes().with(Lope.Labels.ANTI).withNeurons(100);
    var entrants = new LinkedHashMap<String, Entrant>();
    entrants.put("lope", new Entrant(tried, List.of(Lope.standard(), all, all.withStrength(4))));
    entrants.put(
        "pairs",
        new Entrant(tried, List.of(PairErasure.of(2), PairErasure.of(8), PairErasure.of(32))));
    entrants.put("gap", new Entrant(tried, GapErasure.grid()));
    entrants.put(
        CONTROL,
        new Entrant(
            AlignmentTrialResult.Part.CONTROL,
            GapErasure.grid().stream().map(GapErasure::atRandom).toList()));
    entrants.put(
        "subtraction",
        new Entrant(baseline, List.of(new Subtraction(1, true), new Subtraction(5, true))));
    entrants.put("inlp", new Entrant(baseline, List.of(Inlp.of(1), Inlp.of(10))));
    entrants.put(
        "bns",
        new Entrant(
            baseline,
            List.of(
                new Bns(Bns.Pairs.ITEMS, 4, 5, 10, 0.05, 0.7),
                new Bns(Bns.Pairs.ITEMS, 4, 5, 10, 0.2, 0.7))));
    entrants.put(
        "ethos",
        new Entrant(baseline, List.of(new Ethos(brief, 0.03, 1), new Ethos(brief, 0.3, 1))));
    entrants.put(
        "sentence-debias",
        new Entrant(baseline, List.of(SentenceDebias.of(1), SentenceDebias.of(4))));
    entrants.put(
        "self-debias",
        new Entrant(baseline, List.of(SelfDebias.standard(), new SelfDebias(200, 0.0001))));
    Tuning dropped = brief.withDropout(DropoutTuning.standard().tuning().dropout());
    entrants.put(
        "dropout",
        new Entrant(
            baseline, List.of(new DropoutTuning(dropped, 0.5), new DropoutTuning(dropped, 1))));
    entrants.put("cda", new Entrant(AlignmentTrialResult.Part.BOUND, List.of(new Cda(packed, 1))));
    entrants.put(
        "balanced",
        new Entrant(AlignmentTrialResult.Part.BOUND, List.of(new BalancedText(4, 3e-3))));
    return entrants;
  }

  /// The whole trial.
  ///
  /// @param model that learnt the planted shares
  /// @param fair its twin
  /// @param world the one the model was trained on
  public static AlignmentTrialResult run(
      Transformer model, Transformer fair, Tokenizer tokenizer, World world, Config config) {
    if (model.outputs() != fair.outputs()) {
      throw new IllegalArgumentException(
          "The twin %s has %d tokens and %s has %d: give the twin of the same tokenizer."
              .formatted(fair.card().name(), fair.outputs(), model.card().name(), model.outputs()));
    }
    long start = System.nanoTime();
    var trial = new AlignmentTrial(model, fair, tokenizer, world, config);
    ProbingResult probing = trial.probing();
    List<AlignmentTrialResult.Knockout> knockouts = trial.knockouts(probing);
    List<AlignmentTrialResult.Outcome> outcomes = trial.outcomes(fair);
    return new AlignmentTrialResult(
        Provenances.of(
            model,
            (System.nanoTime() - start) / 1e9,
            "twin",
            fair.card().name(),
            "texts",
            Integer.toString(config.texts)),
        probing.learntFrom(),
        probing.layers().stream()
            .map(layer ->
                new AlignmentTrialResult.Probe(
                    layer.slice().site().layer(),
                    layer.quality().accuracy(),
                    layer.quality().auc().value(),
                    layer.meanShuffled()))
            .toList(),
        knockouts,
        outcomes);
  }

  private void step() {
    config.progress.accept(1);
  }

  // ---------------------------------------------------------------- probes

  /// Probes of who is more frequent in an occupation, from prompts before the word that says it.
  private ProbingResult probing() {
    List<LabelledText> texts = questions.labelled();
    var data = TwoClasses.of(texts, Optional.of("men"), Optional.of("women"));
    var train = new ArrayList<Integer>();
    var test = new ArrayList<Integer>();
    for (int i = 0; i < data.size(); i++) {
      boolean fitted = questions.isFitted(data.groups().get(i));
      (fitted ? train : test).add(i);
    }
    List<Slice> slices = Features.everyLayer(model, Kind.RESID_POST);
    var probing = Probing.Config.standard().withProbes(1).withShuffles(2).withSeed(1);
    try (Features features =
        fitting.features(data.texts().stream().map(LabelledText::text).toList(), slices)) {
      var split = new Split(Split.Rule.GROUP, train, test);
      ProbingResult result = Probing.run(model, features, data, split, probing, () -> {});
      step();
      return result;
    }
  }

  // ---------------------------------------------------------------- neurons

  /// What the shares of men become without the neurons that write along the probes, on either side,
  /// and without as many others of the same layers.
  private List<AlignmentTrialResult.Knockout> knockouts(ProbingResult probing) {
    try (var scope = Scope.withoutGradients()) {
      return knockouts(probing, meanActivations(scope));
    }
  }

  /// @param means of each layer's neurons
  private List<AlignmentTrialResult.Knockout> knockouts(ProbingResult probing, List<Tensor> means) {
    double before = gap(Tap.NONE);
    step();
    var knockouts = new ArrayList<AlignmentTrialResult.Knockout>();
    for (int count : config.neurons) {
      Map<Integer, Set<Integer>> found = found(probing, count);
      double zero = gap(zeroed(found));
      double mean = gap(replaced(found, means));
      step();
      var random = new MeanInterval();
      var randomMean = new MeanInterval();
      for (int draw = 0; draw < config.draws; draw++) {
        Map<Integer, Set<Integer>> drawn = drawn(found, Chance.source("neurons", count, draw));
        random.add(gap(zeroed(drawn)));
        randomMean.add(gap(replaced(drawn, means)));
        step();
      }
      knockouts.add(
          new AlignmentTrialResult.Knockout(count, before, zero, random, mean, randomMean));
    }
    return knockouts;
  }

  private double gap(Tap tap) {
    return AlignmentJudge.gap(
        judge.said(
            new TappedModel(model, tap),
            planted -> AlignmentQuestions.isShare(planted) && AlignmentQuestions.isPlanted(planted),
            FEW_WAYS));
  }

  /// The neurons of each layer whose value vectors point along its probe best, one way or the
  /// other.
  private Map<Integer, Set<Integer>> found(ProbingResult probing, int count) {
    var found = new HashMap<Integer, Set<Integer>>();
    for (LayerProbes layer : probing.layers()) {
      double[] direction = layer.probe().direction();
      double[] back = Arrays.stream(direction).map(x -> -x).toArray();
      try (var scope = Scope.withoutGradients()) {
        int number = layer.slice().site().layer();
        found.put(
            number,
            BiasNeurons.ofLayer(model, number, Tensor.ofRows(List.of(direction, back)), count)
                .stream()
                .map(BiasNeurons.Found::neuron)
                .collect(Collectors.toCollection(TreeSet::new)));
      }
    }
    return found;
  }

  /// As many others of each layer.
  private Map<Integer, Set<Integer>> drawn(Map<Integer, Set<Integer>> found, Random random) {
    var drawn = new HashMap<Integer, Set<Integer>>();
    found.forEach((layer, own) -> {
      var others =
          IntStream.range(0, Math.toIntExact(model.blocks().get(layer).mlp().out().in()))
              .filter(neuron -> !own.contains(neuron))
              .boxed()
              .collect(Collectors.toCollection(ArrayList::new));
      Collections.shuffle(others, random);
      drawn.put(layer, new TreeSet<>(others.subList(0, Math.min(own.size(), others.size()))));
    });
    return drawn;
  }

  private static Slice slice(int layer, Set<Integer> neurons) {
    return Slice.of(Kind.MLP_ACT, layer)
        .neurons(neurons.stream().mapToInt(Integer::intValue).sorted().toArray());
  }

  private static Tap zeroed(Map<Integer, Set<Integer>> neurons) {
    return Taps.of(
        neurons.entrySet().stream()
            .map(entry -> new Intervention.Zero(slice(entry.getKey(), entry.getValue())))
            .toList());
  }

  private static Tap replaced(Map<Integer, Set<Integer>> neurons, List<Tensor> means) {
    return Taps.of(
        neurons.entrySet().stream()
            .map(entry -> {
              Slice slice = slice(entry.getKey(), entry.getValue());
              long[] units = slice.units().stream().mapToLong(Integer::longValue).toArray();
              return new Intervention.Replace(
                  slice, means.get(entry.getKey()).indexSelect(0, units));
            })
            .toList());
  }

  /// Of each layer's neurons over the prompts of the fitted half.
  ///
  /// @return `[dMlp]` each, in the scope
  private List<Tensor> meanActivations(Scope scope) {
    List<int[]> rows =
        judge.rows(
            questions.rates().stream()
                .filter(rate -> AlignmentQuestions.isShare(rate.planted()))
                .filter(rate -> questions.isFitted(rate.planted()))
                .flatMap(rate -> rate.prompts().stream().limit(FEW_WAYS))
                .map(Cloze::prompt)
                .toList());
    int[] ids = rows.stream().flatMapToInt(Arrays::stream).toArray();
    var sites = new TreeSet<Site>();
    IntStream.range(0, model.layers()).forEach(layer -> sites.add(Site.of(Kind.MLP_ACT, layer)));
    var means = new TreeMap<Integer, Tensor>();
    try (var inner = Scope.open()) {
      Tap capture =
          Taps.capture(
              sites, (site, value, _) -> means.put(site.layer(), scope.keep(value.mean(0, false))));
      Layout layout = Layout.rows(rows.stream().mapToInt(row -> row.length).toArray());
      model.stream(Tensor.of(ids, ids.length), Pass.over(layout).with(capture));
    }
    return List.copyOf(means.values());
  }

  // ---------------------------------------------------------------- methods

  private List<AlignmentTrialResult.Outcome> outcomes(Transformer fair) {
    var outcomes = new ArrayList<AlignmentTrialResult.Outcome>();
    outcomes.add(untouched("nothing", AlignmentTrialResult.Part.NOTHING, model));
    outcomes.add(untouched("twin", AlignmentTrialResult.Part.TWIN, fair));
    step();
    for (String name : config.methods) {
      outcomes.add(outcome(name, Objects.requireNonNull(entrants().get(name))));
      step();
    }
    return outcomes;
  }

  private AlignmentTrialResult.Outcome untouched(
      String name, AlignmentTrialResult.Part part, Transformer of) {
    return new AlignmentTrialResult.Outcome(
        name, part, new LinkedHashMap<>(), fittedGap(of), judge.of(of, TokenScorer.of(of)), 0);
  }

  /// A setting that was fitted.
  ///
  /// @param gap left on the fitted half
  private record Fitted(
      Method method, Remedy remedy, double gap, double perplexity, boolean affordable) {
    boolean beats(@Nullable Fitted other) {
      if (other == null) {
        return true;
      }
      if (affordable != other.affordable) {
        return affordable;
      }
      return affordable ? gap < other.gap : perplexity < other.perplexity;
    }
  }

  private AlignmentTrialResult.Outcome outcome(String name, Entrant entrant) {
    long start = System.nanoTime();
    List<int[]> neutral = judge.rows(fitting.neutral().subList(0, CHOSEN_BY));
    double most = MOST_PERPLEXITY * TokenScorer.of(model).perplexity(neutral);
    Fitted best = null;
    for (Method method : entrant.settings) {
      Remedy remedy = method.fit(fitting);
      try (var treated = remedy.applied(model)) {
        double perplexity = treated.scorer().perplexity(neutral);
        var fitted =
            new Fitted(method, remedy, fittedGap(treated.model()), perplexity, perplexity <= most);
        best = fitted.beats(best) ? fitted : best;
      }
    }
    Fitted chosen = Objects.requireNonNull(best);
    double seconds = (System.nanoTime() - start) / 1e9;
    try (var treated = chosen.remedy.applied(model)) {
      return new AlignmentTrialResult.Outcome(
          name,
          entrant.part,
          chosen.method.settings(),
          chosen.gap,
          judge.of(treated.model(), treated.scorer()),
          seconds);
    }
  }

  /// The gap that is left on the occupations that methods are fitted on.
  private double fittedGap(LanguageModel of) {
    return AlignmentJudge.gap(
        judge.said(
            of,
            planted ->
                AlignmentQuestions.isShare(planted)
                    && AlignmentQuestions.isPlanted(planted)
                    && questions.isFitted(planted),
            FEW_WAYS));
  }
}
