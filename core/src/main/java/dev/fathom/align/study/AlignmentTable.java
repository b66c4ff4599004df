package dev.fathom.align.study;

import dev.fathom.evaluate.bias.BiasComparison;
import dev.fathom.evaluate.bias.BiasScores;
import dev.fathom.evaluate.bias.Bootstrap;
import dev.fathom.evaluate.bias.Estimate;
import dev.fathom.evaluate.bias.Measures.Measure;
import dev.fathom.evaluate.bias.ScoredItem;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import dev.fathom.view.View.Cell;
import dev.fathom.view.View.Point;
import dev.fathom.view.View.Quantity;
import dev.fathom.view.View.Scatter;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/// Which method makes a model less biased, and at what cost? (Thesis, Table 5.4.)
///
/// Domains are also pooled: every item of every domain counts the same, each with the remedy of its
/// domain and fold. Of several seeds the means are taken; intervals say nothing about other seeds.
/// A method that does no more than as many random directions does nothing: each is compared with
/// its own control, the entrant of its name with `-random` behind it, or with [#CONTROL] if it has
/// none.
///
/// @param outcomes of each entrant in each domain, fold and seed
/// @param scores what StereoSet says of each entrant, the base first
/// @param fromBase each entrant but the base compared with the base, item by item
/// @param fromControl the same with a random control, but of those that are controls; empty without
///   one
public record AlignmentTable(
    Provenance provenance,
    List<Outcome> outcomes,
    SequencedMap<String, BiasScores> scores,
    SequencedMap<String, BiasComparison> fromBase,
    SequencedMap<String, BiasComparison> fromControl)
    implements Result {
  /// The entrant whose directions are random, a control for all that have none of their own.
  public static final String CONTROL = "random";

  private static final String OWN_CONTROL = "-random";

  private static final String READING =
      "SS: how often the stereotype is more probable than the anti-stereotype, percent; 50 is the"
          + " ideal. LMS: how often a sentence with a meaning beats the one without; 100 is the"
          + " ideal. ICAT joins both. gap: how much more probable the stereotype is, bits a token."
          + " Intervals hold 95 % of resamples of the items within terms. No item was scored by"
          + " what was fitted on its term.";

  private static final String WARNING =
      "A score near 50 does not say that a model has no bias: these tests have badly made items"
          + " (Blodgett et al. 2021), see only some words and domains, and a method may have learnt"
          + " the test's form.";

  private static final String WITH_CONTROL =
      "Differences that random directions make too are no effect.";

  private static final String WITHOUT_CONTROL =
      "Random directions are not among the methods: any change moves these scores, and without"
          + " them nothing here says that a change is more than that.";

  public AlignmentTable {
    outcomes = List.copyOf(outcomes);
    scores = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(scores));
    fromBase = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(fromBase));
    fromControl = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(fromControl));
  }

  /// Counts and compares.
  ///
  /// @throws IllegalArgumentException if there are none of the base, or entrants or seeds have
  ///   different items
  public static AlignmentTable of(Provenance provenance, List<Outcome> outcomes) {
    var bySeed = new LinkedHashMap<String, SequencedMap<Long, List<ScoredItem>>>();
    for (Outcome outcome : outcomes) {
      bySeed
          .computeIfAbsent(outcome.entrant(), _ -> new LinkedHashMap<>())
          .computeIfAbsent(outcome.seed(), _ -> new ArrayList<>())
          .addAll(outcome.items());
    }
    var runs = new LinkedHashMap<String, List<List<ScoredItem>>>();
    bySeed.forEach((entrant, own) -> runs.put(entrant, List.copyOf(own.values())));
    if (!runs.containsKey(Entrant.BASE)) {
      throw new IllegalArgumentException(
          "A table of methods needs outcomes of %s.".formatted(Entrant.BASE));
    }
    var scores = new LinkedHashMap<String, BiasScores>();
    runs.forEach(
        (entrant, own) -> scores.put(entrant, BiasScores.ofRuns(own, Bootstrap.standard())));
    return new AlignmentTable(
        provenance,
        outcomes,
        scores,
        compared(runs, _ -> Entrant.BASE),
        compared(runs, entrant -> control(entrant, runs.keySet())));
  }

  /// Whether an entrant is there for the others to be compared with.
  static boolean isControl(String entrant) {
    return entrant.equals(CONTROL) || entrant.endsWith(OWN_CONTROL);
  }

  /// What tells whether an entrant does more than chance; of a control, itself.
  private static String control(String entrant, Set<String> entrants) {
    if (isControl(entrant)) {
      return entrant;
    }
    return entrants.contains(entrant + OWN_CONTROL) ? entrant + OWN_CONTROL : CONTROL;
  }

  /// Every entrant but the base compared with its reference, if that is there and another one.
  private static SequencedMap<String, BiasComparison> compared(
      SequencedMap<String, List<List<ScoredItem>>> runs, UnaryOperator<String> references) {
    var compared = new LinkedHashMap<String, BiasComparison>();
    runs.forEach((entrant, own) -> {
      String reference = references.apply(entrant);
      List<List<ScoredItem>> first = runs.get(reference);
      if (first != null && !entrant.equals(reference) && !entrant.equals(Entrant.BASE)) {
        compared.put(entrant, BiasComparison.ofRuns(first, own, Bootstrap.fine()));
      }
    });
    return compared;
  }

  @Override
  public String method() {
    return "align-table";
  }

  /// The entrants' names, the base first.
  public List<String> entrants() {
    return List.copyOf(scores.keySet());
  }

  /// The scores of an entrant.
  ///
  /// @throws IllegalArgumentException if there is none of this name
  public BiasScores scores(String entrant) {
    BiasScores own = scores.get(entrant);
    if (own == null) {
      throw new IllegalArgumentException(
          "There is no entrant %s, only %s.".formatted(entrant, String.join(", ", entrants())));
    }
    return own;
  }

  private double mean(String entrant, ToDoubleFunction<Outcome> of) {
    return outcomes.stream()
        .filter(outcome -> outcome.entrant().equals(entrant))
        .mapToDouble(of)
        .average()
        .orElse(Double.NaN);
  }

  /// How many times the base's perplexity it has, from means over domains, folds and seeds.
  public double perplexity(String entrant) {
    return mean(entrant, Outcome::perplexity) / mean(Entrant.BASE, Outcome::perplexity);
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<>(tables());
    views.add(tradeOff("LMS", "percent", entrant -> scores(entrant).pooled().lms()));
    views.add(tradeOff("perplexity", "times the base's", this::perplexity));
    views.add(chosen());
    String control = fromControl.isEmpty() ? WITHOUT_CONTROL : WITH_CONTROL;
    views.add(View.Text.of("How to read this", READING, WARNING, control));
    return views;
  }

  /// Bias, side effects and tests, without what was chosen and how to read it.
  public List<View> tables() {
    List<String> rows = rows();
    var views = new ArrayList<View>();
    for (String row : rows.size() > 3 ? rows : rows.subList(0, 1)) { // one domain is all there is
      views.add(table(row));
    }
    views.add(cost());
    views.add(against());
    return views;
  }

  private List<String> rows() {
    return scores(Entrant.BASE).rows().stream().map(BiasScores.Row::name).toList();
  }

  private View table(String row) {
    var cells = new ArrayList<List<Cell>>();
    scores.forEach((entrant, own) -> {
      BiasScores.Row found = own.row(row);
      cells.add(
          List.of(
              Cell.of(entrant),
              quantity(found.of(Measure.SS)),
              quantity(found.of(Measure.LMS)),
              quantity(found.of(Measure.ICAT)),
              quantity(found.of(Measure.GAP))));
    });
    BiasScores.Row any = scores(Entrant.BASE).row(row);
    return new View.Table(
        String.format(Locale.ROOT, "%s: %d items, %d terms", row, any.n(), any.terms()),
        "How often is the stereotype preferred, and does the model still know language?",
        List.of("method", "SS", "LMS", "ICAT", "gap, bits"),
        cells);
  }

  private static Quantity quantity(Estimate estimate) {
    return new Quantity(estimate.value(), estimate.low(), estimate.high());
  }

  private View cost() {
    var cells = new ArrayList<List<Cell>>();
    for (String entrant : entrants()) {
      long changed = Math.round(mean(entrant, Outcome::changed));
      cells.add(
          List.of(
              Cell.of(entrant),
              Cell.of(mean(entrant, Outcome::perplexity)),
              Cell.of(100 * (perplexity(entrant) - 1)),
              Cell.of(mean(entrant, Outcome::divergence)),
              Cell.of(String.format(Locale.ROOT, "%,d", changed)),
              Cell.of(mean(entrant, Outcome::seconds))));
    }
    return new View.Table(
        "Side effects",
        "What does it cost on text that has nothing to do with it? Means over domains, folds and"
            + " seeds; % is perplexity above the base's, weights are those that may differ, seconds"
            + " those of fitting and choosing.",
        List.of("method", "perplexity", "%", "KL, nats", "weights", "seconds"),
        cells);
  }

  /// Paired tests of the pooled items against the base and against the random control.
  private View against() {
    boolean control = !fromControl.isEmpty();
    var cells = new ArrayList<List<Cell>>();
    fromBase.forEach((entrant, compared) -> {
      var row = new ArrayList<Cell>();
      row.add(Cell.of(entrant));
      for (Measure measure : List.of(Measure.DISTANCE, Measure.GAP)) {
        row.add(quantity(compared.pooled().of(measure).difference()));
        row.add(Cell.of(compared.pooled().of(measure).p()));
      }
      if (control) {
        row.add(Cell.of(pFromControl(entrant, Measure.DISTANCE)));
        row.add(Cell.of(pFromControl(entrant, Measure.GAP)));
      }
      cells.add(row);
    });
    var columns = new ArrayList<>(List.of("method", "|SS-50|", "p", "gap", "p"));
    if (control) {
      columns.addAll(List.of("p, random", "p, random (gap)"));
    }
    return new View.Table(
        "Change against the base, all domains pooled",
        "Is it more than chance, and more than as many random directions do? p: two-sided, paired"
            + " resamples of items within terms, against the base, or against the method's random"
            + " control for |SS-50| and for the gap; not corrected for the number of methods.",
        columns,
        cells);
  }

  /// Of a pooled difference; not a number for the control itself.
  private double pFromControl(String entrant, Measure measure) {
    BiasComparison compared = fromControl.get(entrant);
    return compared == null ? Double.NaN : compared.pooled().of(measure).p();
  }

  private View tradeOff(String what, String unit, ToDoubleFunction<String> cost) {
    var points = new ArrayList<Point>();
    scores.forEach((entrant, own) ->
        points.add(
            Point.of(
                own.pooled().of(Measure.DISTANCE).value(),
                cost.applyAsDouble(entrant),
                entrant,
                entrant)));
    return Scatter.of(
        "Bias against " + what,
        "Which methods lower |SS-50| without a price? (%s: %s; all domains pooled)"
            .formatted(what, unit),
        "|SS-50|",
        what,
        points);
  }

  private View chosen() {
    var cells = new ArrayList<List<Cell>>();
    for (Outcome outcome : outcomes) {
      if (!outcome.settings().isEmpty()) {
        cells.add(
            List.of(
                Cell.of(outcome.entrant()),
                Cell.of(outcome.domain()),
                Cell.of(Integer.toString(outcome.fold())),
                Cell.of(Long.toString(outcome.seed())),
                Cell.of(
                    outcome.settings().entrySet().stream()
                        .map(entry -> entry.getKey() + " " + entry.getValue())
                        .collect(Collectors.joining(", ")))));
      }
    }
    return new View.Table(
        "Chosen settings",
        "Which setting did best on the items that were fitted on?",
        List.of("method", "domain", "fold", "seed", "settings"),
        cells);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    List<String> names = entrants();
    List<String> rows = rows();
    List<Axis> axes = List.of(Axis.of("method", names), Axis.of("domain", rows));
    var arrays = new LinkedHashMap<String, Grid>();
    for (Measure measure : Measure.values()) {
      float[] values = new float[names.size() * rows.size()];
      for (int e = 0; e < names.size(); e++) {
        for (int r = 0; r < rows.size(); r++) {
          BiasScores.Row row = scores(names.get(e)).row(rows.get(r));
          values[e * rows.size() + r] = (float) row.of(measure).value();
        }
      }
      arrays.put(measure.key(), Grid.real(axes, values));
    }
    float[] perplexities = new float[names.size()];
    for (int e = 0; e < perplexities.length; e++) {
      perplexities[e] = (float) mean(names.get(e), Outcome::perplexity);
    }
    arrays.put("perplexity", Grid.real(List.of(axes.getFirst()), perplexities));
    return arrays;
  }
}
