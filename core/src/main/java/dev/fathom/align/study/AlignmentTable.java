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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.function.ToDoubleBiFunction;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/// Which method makes a model less biased, and at what cost? (Thesis, Table 5.4.)
///
/// Domains are also pooled: every item of every domain counts the same, each with the remedy of its
/// domain and fold. Items of several seeds are taken together, so that an item counts once for each
/// seed, and intervals are a little too narrow then. A method that does no more than as many random
/// directions ([#CONTROL]) does nothing.
///
/// @param outcomes of each entrant in each domain, fold and seed
public record AlignmentTable(Provenance provenance, List<Outcome> outcomes) implements Result {
  /// The entrant whose directions are random.
  public static final String CONTROL = "random";

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
    if (outcomes.stream().noneMatch(outcome -> outcome.entrant().equals(Entrant.BASE))) {
      throw new IllegalArgumentException(
          "A table of methods needs outcomes of %s.".formatted(Entrant.BASE));
    }
  }

  @Override
  public String method() {
    return "align-table";
  }

  /// The entrants' names, the base first.
  public List<String> entrants() {
    return outcomes.stream().map(Outcome::entrant).distinct().toList();
  }

  private List<Outcome> of(String entrant) {
    return outcomes.stream().filter(outcome -> outcome.entrant().equals(entrant)).toList();
  }

  /// All items of an entrant; those of different seeds have different keys.
  private List<ScoredItem> items(String entrant) {
    boolean one = outcomes.stream().map(Outcome::seed).distinct().count() == 1;
    var items = new ArrayList<ScoredItem>();
    for (Outcome outcome : of(entrant)) {
      for (ScoredItem item : outcome.items()) {
        items.add(
            one
                ? item
                : new ScoredItem(
                    item.key() + "/" + outcome.seed(),
                    item.domain(),
                    item.target(),
                    item.stereotype(),
                    item.antiStereotype(),
                    item.unrelated()));
      }
    }
    return items;
  }

  /// What StereoSet says of an entrant, by domain and pooled.
  public BiasScores scores(String entrant) {
    return BiasScores.of(items(entrant), Bootstrap.standard());
  }

  /// An entrant compared with another, item by item.
  public BiasComparison compared(String with, String entrant) {
    return BiasComparison.of(items(with), items(entrant), Bootstrap.fine());
  }

  private double mean(String entrant, ToDoubleFunction<Outcome> of) {
    return of(entrant).stream().mapToDouble(of).average().orElse(Double.NaN);
  }

  /// How many times the base's perplexity it has, from means over domains, folds and seeds.
  public double perplexity(String entrant) {
    return mean(entrant, Outcome::perplexity) / mean(Entrant.BASE, Outcome::perplexity);
  }

  @Override
  public List<View> views() {
    var scores = new LinkedHashMap<String, BiasScores>();
    entrants().forEach(entrant -> scores.put(entrant, scores(entrant)));
    List<String> rows =
        scores.firstEntry().getValue().rows().stream().map(BiasScores.Row::name).toList();
    var views = new ArrayList<View>();
    for (String row : rows.size() > 3 ? rows : List.of(rows.getFirst())) {
      views.add(table(row, scores));
    }
    views.add(cost());
    views.add(against());
    views.add(tradeOff("LMS", "percent", scores, (_, own) -> own.pooled().lms()));
    views.add(tradeOff("perplexity", "times the base's", scores, (name, _) -> perplexity(name)));
    views.add(chosen());
    String control = entrants().contains(CONTROL) ? WITH_CONTROL : WITHOUT_CONTROL;
    views.add(View.Text.of("How to read this", READING, WARNING, control));
    return views;
  }

  private static View table(String row, SequencedMap<String, BiasScores> scores) {
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
    BiasScores.Row any = scores.firstEntry().getValue().row(row);
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
            + " seeds; weights are those that may differ, seconds those of fitting and choosing.",
        List.of("method", "perplexity", "%", "KL, nats", "weights", "seconds"),
        cells);
  }

  /// Paired tests of the pooled items against the base and against the random control.
  private View against() {
    boolean control = entrants().contains(CONTROL);
    var cells = new ArrayList<List<Cell>>();
    for (String entrant : entrants()) {
      if (entrant.equals(Entrant.BASE)) {
        continue;
      }
      var base = compared(Entrant.BASE, entrant).pooled();
      var row = new ArrayList<Cell>();
      row.add(Cell.of(entrant));
      for (Measure measure : List.of(Measure.DISTANCE, Measure.GAP)) {
        row.add(quantity(base.of(measure).difference()));
        row.add(Cell.of(base.of(measure).p()));
      }
      if (control) {
        row.addAll(againstControl(entrant));
      }
      cells.add(row);
    }
    var columns = new ArrayList<>(List.of("method", "|SS-50|", "p", "gap", "p"));
    if (control) {
      columns.addAll(List.of("p, random", "p, random (gap)"));
    }
    return new View.Table(
        "Change against the base, all domains pooled",
        "Is it more than chance, and more than as many random directions do? p: two-sided, paired"
            + " resamples of items within terms, against the base, or against random for |SS-50|"
            + " and for the gap; not corrected for the number of methods.",
        columns,
        cells);
  }

  private List<Cell> againstControl(String entrant) {
    if (entrant.equals(CONTROL)) {
      return List.of(Cell.of(Double.NaN), Cell.of(Double.NaN));
    }
    var control = compared(CONTROL, entrant).pooled();
    return List.of(Cell.of(control.of(Measure.DISTANCE).p()), Cell.of(control.of(Measure.GAP).p()));
  }

  private View tradeOff(
      String what,
      String unit,
      SequencedMap<String, BiasScores> scores,
      ToDoubleBiFunction<String, BiasScores> cost) {
    var points = new ArrayList<Point>();
    scores.forEach((entrant, own) ->
        points.add(
            Point.of(
                own.pooled().of(Measure.DISTANCE).value(),
                cost.applyAsDouble(entrant, own),
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
    var scores = entrants().stream().map(this::scores).toList();
    List<String> rows = scores.getFirst().rows().stream().map(BiasScores.Row::name).toList();
    List<Axis> axes = List.of(Axis.of("method", entrants()), Axis.of("domain", rows));
    var arrays = new LinkedHashMap<String, Grid>();
    for (Measure measure : Measure.values()) {
      float[] values = new float[scores.size() * rows.size()];
      for (int e = 0; e < scores.size(); e++) {
        for (int r = 0; r < rows.size(); r++) {
          values[e * rows.size() + r] = (float) scores.get(e).row(rows.get(r)).of(measure).value();
        }
      }
      arrays.put(measure.key(), Grid.real(axes, values));
    }
    float[] perplexities = new float[entrants().size()];
    for (int e = 0; e < perplexities.length; e++) {
      perplexities[e] = (float) mean(entrants().get(e), Outcome::perplexity);
    }
    arrays.put("perplexity", Grid.real(List.of(axes.getFirst()), perplexities));
    return arrays;
  }
}
