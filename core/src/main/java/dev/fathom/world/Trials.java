package dev.fathom.world;

import dev.fathom.data.TokenSpan;
import dev.fathom.evaluate.MeanInterval;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.HeadIndex;
import dev.fathom.explain.attribute.Attribution;
import dev.fathom.explain.attribute.AttributionMethod;
import dev.fathom.explain.attribute.Filler;
import dev.fathom.explain.attribute.TokenAttribution;
import dev.fathom.explain.causal.Ablation;
import dev.fathom.explain.causal.CausalTracing;
import dev.fathom.explain.causal.PathPatching;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.PositionSpan;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Random;
import java.util.Set;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Do the methods of [dev.fathom.explain] find what is known to be there? They are tried on
/// questions whose answer the model knows and whose decisive tokens follow from how the texts were
/// written; beside each result stands what chance would give.
///
/// A fact's question is asked against a foil, the answer for another subject of the same relation:
/// what makes the model say *this* city? Without a foil, or with a method that takes a whole word's
/// place away, the words that name the relation decide as much: without them, no city is asked for.
///
/// It misleads where it is read as a ranking of methods: each is asked what it can answer.
public final class Trials {
  /// Steps of integrated gradients.
  private static final int STEPS = 64;

  /// Heads that are compared and taken away together.
  static final List<Integer> FIRST = List.of(3, 5);

  /// Noise samples of the control of causal tracing, of which only means over facts are read.
  private static final int CONTROL_NOISE = 2;

  /// Draws of random heads a story.
  private static final int DRAWS = 5;

  private final Transformer model;
  private final Tokenizer tokenizer;
  private final TrialQuestions questions;
  private final Config config;

  private Trials(Transformer model, Tokenizer tokenizer, World world, Config config) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.questions = new TrialQuestions(model, tokenizer, world);
    this.config = config;
  }

  /// @param facts in each trial of a method on facts
  /// @param stories that name movers are found on, as many more that they are taken away on
  /// @param noise samples of causal tracing
  /// @param sets of tokens that Shapley values are estimated on, beyond 12 tokens
  /// @param progress told how many questions are done, again and again
  public record Config(int facts, int stories, int noise, int sets, LongConsumer progress) {
    public Config {
      if (facts < 2 || stories < 2) {
        throw new IllegalArgumentException(
            "trials take at least 2 facts and 2 stories, found %d and %d"
                .formatted(facts, stories));
      }
    }

    /// 42 facts, three of each relation, and 24 stories.
    public static Config standard() {
      return new Config(42, 24, 10, 512, _ -> {});
    }

    public Config withFacts(int count) {
      return new Config(count, stories, noise, sets, progress);
    }

    public Config withStories(int count) {
      return new Config(facts, count, noise, sets, progress);
    }

    /// Faster, with larger errors.
    public Config withSamples(int noise, int sets) {
      return new Config(facts, stories, noise, sets, progress);
    }

    public Config telling(LongConsumer told) {
      return new Config(facts, stories, noise, sets, told);
    }

    /// How many questions there are.
    public int total() {
      return 5 * facts + 3 * stories;
    }
  }

  /// All trials.
  ///
  /// @param world the one the model was trained on
  /// @throws IllegalArgumentException if the model knows too few of the world's facts
  public static TrialsResult run(
      Transformer model, Tokenizer tokenizer, World world, Config config) {
    long start = System.nanoTime();
    var trials = new Trials(model, tokenizer, world, config);
    var facts = new ArrayList<FactTrial>();
    facts.add(trials.tracing());
    facts.add(trials.ablation());
    facts.addAll(
        trials.attribution(
            "facts", trials.facts(trials.questions.rephrased(config.facts)), Filler.OTHER, true));
    facts.addAll(
        trials.attribution("stories", trials.questions.stories(config.stories), Filler.MEAN, true));
    facts.addAll(comparisons(model, tokenizer, world, config));
    NameMovers movers = trials.nameMovers();
    return new TrialsResult(
        Provenances.of(
            model,
            (System.nanoTime() - start) / 1e9,
            "facts",
            Integer.toString(config.facts),
            "stories",
            Integer.toString(config.stories)),
        facts,
        movers);
  }

  /// Does causal tracing find the subject? The top cell of the map of MLPs, windows as
  /// [CausalTracing] has them, in the columns from the subject to the last but one. At the last
  /// token the answer is read, so whatever is put back there brings it back.
  public static FactTrial tracing(
      Transformer model, Tokenizer tokenizer, World world, Config config) {
    return new Trials(model, tokenizer, world, config).tracing();
  }

  /// Does ablation find it? The same for what MLPs add, taken from the prompt's twin about another
  /// subject.
  public static FactTrial ablation(
      Transformer model, Tokenizer tokenizer, World world, Config config) {
    return new Trials(model, tokenizer, world, config).ablation();
  }

  /// Do integrated gradients and Shapley values put the subject first? Its tokens are to have the
  /// highest score, by sign. What is taken away is replaced by another prompt of the same relation
  /// that says it in other words.
  public static List<FactTrial> attribution(
      Transformer model, Tokenizer tokenizer, World world, Config config) {
    var trials = new Trials(model, tokenizer, world, config);
    return trials.attribution(
        "facts", trials.facts(trials.questions.rephrased(config.facts)), Filler.OTHER, true);
  }

  /// Do they put the receiver of a story first, where the mean embedding stands in?
  public static List<FactTrial> stories(
      Transformer model, Tokenizer tokenizer, World world, Config config) {
    var trials = new Trials(model, tokenizer, world, config);
    return trials.attribution(
        "stories", trials.questions.stories(config.stories), Filler.MEAN, true);
  }

  /// What the same questions give where the method is not asked what it can answer: zero in the
  /// place of whole blocks, and attribution from the mean embedding.
  public static List<FactTrial> comparisons(
      Transformer model, Tokenizer tokenizer, World world, Config config) {
    var trials = new Trials(model, tokenizer, world, config);
    var found = new ArrayList<>(List.of(trials.zeroed()));
    found.addAll(
        trials.attribution(
            "facts", trials.facts(trials.questions.facts(config.facts)), Filler.MEAN, false));
    return found;
  }

  /// Which heads say the name in stories of giving, by ablation and by path patching?
  public static NameMovers nameMovers(
      Transformer model, Tokenizer tokenizer, World world, Config config) {
    return new Trials(model, tokenizer, world, config).nameMovers();
  }

  private List<TrialQuestions.Asked> facts(List<TrialQuestions.Asked> asked) {
    if (asked.size() < config.facts) {
      throw new IllegalArgumentException(
          "Only %d of the %d facts asked for can be used: the model knows too little of this world."
              .formatted(asked.size(), config.facts));
    }
    return asked;
  }

  private FactTrial tracing() {
    var plain =
        CausalTracing.Config.standard(model).of(CausalTracing.State.MLP).withSamples(config.noise);
    var random = plain.inRandomDirections().withSamples(Math.min(config.noise, CONTROL_NOISE));
    var cases = new ArrayList<FactTrial.Case>();
    for (var asked : facts(questions.facts(config.facts))) {
      cases.add(
          top(asked, asked.decisive().first(), traced(asked, plain), () -> traced(asked, random)));
    }
    return new FactTrial("causal tracing, MLPs", true, cases);
  }

  private Grid traced(TrialQuestions.Asked asked, CausalTracing.Config config) {
    return CausalTracing.run(model, tokenizer, asked.question(), asked.decisive(), config)
        .indirectEffect(CausalTracing.State.MLP);
  }

  private FactTrial ablation() {
    var cases = new ArrayList<FactTrial.Case>();
    for (var asked : facts(questions.facts(config.facts))) {
      var twin = new Ablation.Instead.Resample(asked.twin());
      var random = new Ablation.Instead.RandomDirection(asked.twin(), 1);
      cases.add(
          top(
              asked,
              asked.decisive().first(),
              ablated(asked, Ablation.Part.MLP, twin),
              () -> ablated(asked, Ablation.Part.MLP, random)));
    }
    return new FactTrial("ablation, MLPs, other subject's", true, cases);
  }

  /// What a block at a position is worth to the answer: with zero in its place, the words that name
  /// the relation are as good as the subject.
  private FactTrial zeroed() {
    var cases = new ArrayList<FactTrial.Case>();
    for (var asked : facts(questions.facts(config.facts))) {
      cases.add(
          top(
              asked,
              asked.prompt().startToken() ? 1 : 0,
              ablated(asked, Ablation.Part.BOTH, new Ablation.Instead.Zero()),
              null));
    }
    return new FactTrial("ablation, blocks, zero", false, cases);
  }

  private Grid ablated(TrialQuestions.Asked asked, Ablation.Part part, Ablation.Instead instead) {
    return Ablation.run(
            model, tokenizer, asked.question(), Ablation.Config.standard().of(part).with(instead))
        .effect(part);
  }

  /// Where is the top cell of a map `[layer, position]`?
  ///
  /// @param from the first column that counts
  private FactTrial.Case top(
      TrialQuestions.Asked asked, int from, Grid map, @Nullable Supplier<Grid> control) {
    int[] found = top(map, from, asked.last());
    int[] ofAll = top(map, from, asked.last() + 1);
    config.progress.accept(1);
    return new FactTrial.Case(
        asked.prompt().text(),
        "%s, layer %d".formatted(map.axis(1).label(found[1]), found[0]),
        asked.decisive().contains(found[1]),
        asked.decisive().contains(ofAll[1]),
        (double) asked.decisive().length() / (asked.last() - from),
        control == null ? OptionalDouble.empty() : OptionalDouble.of(map.at(found)),
        control == null ? OptionalDouble.empty() : OptionalDouble.of(control.get().at(found)));
  }

  private static int[] top(Grid map, int from, int to) {
    int[] best = {0, from};
    for (int layer = 0; layer < map.axis(0).size(); layer++) {
      for (int p = from; p < to; p++) {
        if (map.at(layer, p) > map.at(best)) {
          best = new int[] {layer, p};
        }
      }
    }
    return best;
  }

  /// @param filler what stands in for a token
  /// @param claim whether the subject is meant to be found, or this is for comparison
  private List<FactTrial> attribution(
      String what, List<TrialQuestions.Asked> all, Filler filler, boolean claim) {
    boolean mean = filler == Filler.MEAN;
    List<AttributionMethod> methods =
        List.of(
            new AttributionMethod.IntegratedGradients(
                filler, AttributionMethod.Path.MIDPOINT, STEPS),
            new AttributionMethod.Shap(filler, config.sets, 0));
    var cases = List.of(new ArrayList<FactTrial.Case>(), new ArrayList<FactTrial.Case>());
    for (var asked : all) {
      List<TokenAttribution> found =
          Attribution.run(model, tokenizer, asked.question(), methods, Optional.of(asked.twin()))
              .attributions();
      for (int m = 0; m < methods.size(); m++) {
        cases.get(m).add(first(asked, found.get(m), mean));
      }
      config.progress.accept(1);
    }
    String by = mean ? "mean embedding" : "other subject, other words";
    return List.of(
        new FactTrial("integrated gradients, %s, %s".formatted(what, by), claim, cases.get(0)),
        new FactTrial("Shapley values, %s, %s".formatted(what, by), claim, cases.get(1)));
  }

  /// Which token has the highest score?
  private static FactTrial.Case first(
      TrialQuestions.Asked asked, TokenAttribution by, boolean mean) {
    List<Integer> order =
        by.order().stream().filter(t -> !(t == 0 && asked.prompt().startToken())).toList();
    TokenSpan decisive = asked.decisive();
    int first = order.getFirst();
    boolean hit = decisive.contains(first);
    return new FactTrial.Case(
        asked.prompt().text(),
        by.scores().axis(0).label(first),
        hit,
        hit,
        (double) decisive.length() / (mean ? order.size() : asked.different()),
        OptionalDouble.empty(),
        OptionalDouble.empty());
  }

  private NameMovers nameMovers() {
    int count = config.stories;
    List<TrialQuestions.Asked> all = questions.stories(2 * count);
    int cells = model.layers() * heads();
    double[] last = new double[cells];
    double[] everywhere = new double[cells];
    double[] direct = new double[cells];
    double[] looks = new double[cells];
    double clean = 0;
    for (var asked : all.subList(0, count)) {
      try (var story = new Story(asked)) {
        clean += story.clean() / count;
        add(looks, story.looks(), count);
      }
      var twin = new Ablation.Instead.Resample(asked.twin());
      var heads = Ablation.Config.standard().of(Ablation.Part.HEAD).with(twin);
      add(last, heads(asked, heads.atPositions(List.of(asked.question().position()))), count);
      add(everywhere, heads(asked, heads), count);
      add(direct, direct(asked), count);
      config.progress.accept(1);
    }
    Grid ablated = grid(last);
    var knockouts = new ArrayList<NameMovers.Knockout>();
    var found = new HashMap<Integer, MeanInterval>();
    var random = new HashMap<Integer, MeanInterval>();
    double before = 0;
    for (var asked : all.subList(count, 2 * count)) {
      try (var story = new Story(asked)) {
        before += story.clean() / count;
        for (int k : FIRST) {
          var sets = new ArrayList<Set<HeadIndex>>();
          sets.add(Set.copyOf(NameMovers.top(ablated, k)));
          Random source = Chance.source("heads", k, asked.prompt().text());
          for (int draw = 0; draw < DRAWS; draw++) {
            sets.add(some(cells, k, source));
          }
          double[] lost = story.losses(sets);
          found.computeIfAbsent(k, _ -> new MeanInterval()).add(lost[0]);
          random
              .computeIfAbsent(k, _ -> new MeanInterval())
              .add(Arrays.stream(lost).skip(1).average().orElse(Double.NaN));
        }
      }
      config.progress.accept(1);
    }
    for (int k : FIRST) {
      knockouts.add(
          new NameMovers.Knockout(
              k,
              before,
              found.getOrDefault(k, new MeanInterval()),
              random.getOrDefault(k, new MeanInterval())));
    }
    return new NameMovers(
        count, clean, ablated, grid(everywhere), grid(direct), grid(looks), knockouts);
  }

  private double[] heads(TrialQuestions.Asked asked, Ablation.Config config) {
    return doubles(
        Ablation.run(model, tokenizer, asked.question(), config).effect(Ablation.Part.HEAD));
  }

  private double[] direct(TrialQuestions.Asked asked) {
    return doubles(
        PathPatching.run(
                model,
                tokenizer,
                asked.question(),
                asked.twin(),
                List.of(new PathPatching.Receiver.Logits()),
                Ablation.Config.standard().budget(),
                _ -> {})
            .effect());
  }

  private static double[] doubles(Grid grid) {
    float[] values = grid.values();
    return IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray();
  }

  private int heads() {
    return model.blocks().getFirst().attention().heads();
  }

  private HeadIndex head(int cell) {
    return new HeadIndex(cell / heads(), cell % heads());
  }

  private Set<HeadIndex> some(int cells, int count, Random random) {
    var set = new HashSet<HeadIndex>();
    while (set.size() < count) {
      set.add(head(random.nextInt(cells)));
    }
    return set;
  }

  private static void add(double[] sums, double[] values, int count) {
    for (int i = 0; i < sums.length; i++) {
      sums[i] += values[i] / count;
    }
  }

  private Grid grid(double[] values) {
    float[] floats = new float[values.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) values[i];
    }
    return Grid.real(
        List.of(Axis.index("layer", model.layers()), Axis.index("head", heads())), floats);
  }

  /// A story and its twin as the model reads them: what its heads do, and what it says when some of
  /// them do what they do in the twin.
  private final class Story implements AutoCloseable {
    private final Scope scope = Scope.withoutGradients();
    private final TrialQuestions.Asked asked;
    private final int length;
    private final Map<Site, Tensor> kept = new HashMap<>();
    private final double clean;

    Story(TrialQuestions.Asked asked) {
      this.asked = asked;
      this.length = asked.prompt().length();
      var sites = new HashSet<Site>();
      for (int layer = 0; layer < model.layers(); layer++) {
        sites.add(Site.of(Kind.Z, layer));
        sites.add(Site.of(Kind.PATTERN, layer));
      }
      var capture = Taps.capture(sites, (site, value, _) -> kept.put(site, scope.keep(value)));
      int[] ids =
          IntStream.concat(Arrays.stream(asked.prompt().ids()), Arrays.stream(asked.twin().ids()))
              .toArray();
      Pass pass = Pass.over(Layout.rows(length, length)).with(capture);
      this.clean = differences(ids, pass, 2)[0];
    }

    double clean() {
      return clean;
    }

    /// What is lost when these heads write at the last token what they write in the twin, a set at
    /// a time.
    double[] losses(List<Set<HeadIndex>> sets) {
      try (var inner = Scope.withoutGradients()) {
        var changes = new ArrayList<Intervention>();
        int[] lengths = new int[sets.size()];
        Arrays.fill(lengths, length);
        for (int row = 0; row < sets.size(); row++) {
          for (HeadIndex head : sets.get(row)) {
            Tensor z = at(Site.of(Kind.Z, head.layer())).narrow(0, 2L * length - 1, 1);
            changes.add(
                new Intervention.Replace(
                    Slice.of(Kind.Z, head.layer())
                        .heads(head.head())
                        .onRows(row)
                        .at(PositionSpan.LAST),
                    z.narrow(1, head.head(), 1)));
          }
        }
        int[] ids =
            Collections.nCopies(sets.size(), asked.prompt().ids()).stream()
                .flatMapToInt(Arrays::stream)
                .toArray();
        Pass pass = Pass.over(Layout.rows(lengths)).with(Taps.of(changes));
        double[] left = differences(ids, pass, sets.size());
        return Arrays.stream(left).map(value -> clean - value).toArray();
      }
    }

    /// Each head's attention from the last token to the receiver.
    double[] looks() {
      double[] looks = new double[model.layers() * heads()];
      for (int layer = 0; layer < model.layers(); layer++) {
        double[] row =
            at(Site.of(Kind.PATTERN, layer))
                .select(0, 0)
                .select(1, length - 1)
                .narrow(1, asked.decisive().first(), asked.decisive().length())
                .sum(-1, false)
                .toDoubles(); // [heads]
        System.arraycopy(row, 0, looks, layer * heads(), heads());
      }
      return looks;
    }

    private Tensor at(Site site) {
      Tensor value = kept.get(site);
      if (value == null) {
        throw new IllegalStateException(site + " was not kept");
      }
      return value;
    }

    /// The logit of the target less that of the foil after each row.
    private double[] differences(int[] ids, Pass pass, int rows) {
      try (var inner = Scope.withoutGradients()) {
        Wanted two = Wanted.ALL.columns(asked.target(), asked.foil());
        double[] logits = model.forward(Tensor.of(ids, ids.length), pass.with(two)).toDoubles();
        return IntStream.range(0, rows)
            .map(row -> 2 * (row * length + length - 1))
            .mapToDouble(i -> logits[i] - logits[i + 1])
            .toArray();
      }
    }

    @Override
    public void close() {
      scope.close();
    }
  }
}
