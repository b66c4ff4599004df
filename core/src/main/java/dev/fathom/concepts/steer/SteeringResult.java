package dev.fathom.concepts.steer;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import dev.fathom.view.View.Cell;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.DoubleStream;

/// What steering did at several strengths, beside random directions: see [SteeringSweep].
///
/// @param judge what the effects are
/// @param prompts that were continued
/// @param steered one for each strength, ascending
/// @param controls the same of each random direction, at least one
public record SteeringResult(
    Provenance provenance,
    Judge judge,
    List<String> prompts,
    List<Trial> steered,
    List<List<Trial>> controls)
    implements Result {
  private static final int MOST_SHOWN = 6;

  public SteeringResult {
    prompts = List.copyOf(prompts);
    steered = List.copyOf(steered);
    controls = controls.stream().map(List::copyOf).toList();
    if (steered.isEmpty() || controls.isEmpty()) {
      throw new IllegalArgumentException("steering is shown beside at least one random direction");
    }
    for (List<Trial> control : controls) {
      if (!strengths(steered).equals(strengths(control))) {
        throw new IllegalArgumentException(
            "steering and random directions go over the same strengths, found %s and %s"
                .formatted(strengths(steered), strengths(control)));
      }
    }
  }

  private static List<Double> strengths(List<Trial> trials) {
    return trials.stream().map(Trial::strength).toList();
  }

  /// One strength.
  ///
  /// @param effect as the judge measures it
  /// @param said perplexity of what was generated, by the model without steering; NaN of nothing
  /// @param neutral perplexity of neutral text, by the steered model; NaN without any
  /// @param repetition share of four-token stretches that repeat; NaN of short texts
  /// @param texts one for each prompt
  public record Trial(
      double strength,
      double effect,
      double said,
      double neutral,
      double repetition,
      List<String> texts) {
    public Trial {
      texts = List.copyOf(texts);
    }
  }

  @Override
  public String method() {
    return "steer";
  }

  /// Whether the effects only rise, or only fall, from one strength to the next.
  public static boolean monotone(List<Trial> trials) {
    boolean rises = true;
    boolean falls = true;
    for (int i = 1; i < trials.size(); i++) {
      rises &= trials.get(i).effect > trials.get(i - 1).effect;
      falls &= trials.get(i).effect < trials.get(i - 1).effect;
    }
    return rises || falls;
  }

  /// How far the effect moves from the first strength to the last.
  public static double moved(List<Trial> trials) {
    return trials.getLast().effect - trials.getFirst().effect;
  }

  /// What was found, a sentence.
  public String found() {
    if (steered.size() == 1) {
      return foundAt(steered.getFirst());
    }
    Trial first = steered.getFirst();
    Trial last = steered.getLast();
    double most = controls.stream().mapToDouble(c -> Math.abs(moved(c))).max().orElse(Double.NaN);
    return String.format(
        Locale.ROOT,
        "From strength %s to %s the %s goes from %s to %s%s; along random directions as long it"
            + " moves by %s at most (%d tried).",
        number(first.strength),
        number(last.strength),
        judge.unit(),
        shown(first.effect),
        shown(last.effect),
        steered.size() < 3
            ? ""
            : monotone(steered) ? ", always the same way" : ", not always the same way",
        shown(most),
        controls.size());
  }

  private String foundAt(Trial only) {
    String own =
        "At strength %s the %s is %s"
            .formatted(number(only.strength), judge.unit(), shown(only.effect));
    return only.strength == 0
        ? own + ", which is without steering."
        : "%s; along random directions as long it is %s to %s (%d tried)."
            .formatted(
                own,
                shown(over(0, Trial::effect, Over.LOWEST)),
                shown(over(0, Trial::effect, Over.HIGHEST)),
                controls.size());
  }

  private static String shown(double x) {
    return Double.isNaN(x) ? "none" : String.format(Locale.ROOT, "%.3g", x);
  }

  /// `4`, `-0.5`.
  private static String number(double x) {
    return x == Math.rint(x) && Math.abs(x) < 1e9 ? Long.toString((long) x) : Double.toString(x);
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    if (steered.size() > 2) {
      views.add(lines());
    }
    views.add(table());
    for (int p = 0; p < Math.min(MOST_SHOWN, prompts.size()); p++) {
      views.add(texts(p));
    }
    views.add(
        View.Text.of(
            "How to read this",
            found(),
            judge.explanation(),
            "Random directions are drawn at random, and steps along them are as long: their mean,"
                + " lowest and highest. An effect that they have too says nothing about the"
                + " direction.",
            "Perplexity of what is said is that of the model without steering; that of neutral"
                + " text is the steered model's. Where they rise much, the model is broken rather"
                + " than steered."));
    return views;
  }

  private View lines() {
    var panels = new ArrayList<View.Panel>();
    panels.add(new View.Panel(judge.unit(), false, series(Trial::effect)));
    panels.add(new View.Panel("perplexity of what is said", true, series(Trial::said)));
    if (hasNeutral()) {
      panels.add(new View.Panel("perplexity of neutral text", true, series(Trial::neutral)));
    }
    return new View.Lines(
        "Effect and fluency by strength",
        "How far does steering move the model, and what does it cost?",
        Grid.vector(axis(), values(steered, Trial::strength)),
        panels,
        List.of());
  }

  private boolean hasNeutral() {
    return steered.stream().anyMatch(trial -> !Double.isNaN(trial.neutral));
  }

  private Axis axis() {
    return Axis.of("strength", steered.stream().map(trial -> number(trial.strength)).toList());
  }

  private List<View.Series> series(ToDoubleFunction<Trial> of) {
    return List.of(
        View.Series.of("steered", Grid.vector(axis(), values(steered, of))),
        View.Series.of("random", over(of, Over.MEAN))
            .within(over(of, Over.LOWEST), over(of, Over.HIGHEST)));
  }

  /// What is taken of all random directions.
  private enum Over {
    MEAN,
    LOWEST,
    HIGHEST
  }

  private double over(int strength, ToDoubleFunction<Trial> of, Over how) {
    DoubleStream values =
        controls.stream()
            .mapToDouble(control -> of.applyAsDouble(control.get(strength)))
            .filter(x -> !Double.isNaN(x));
    return switch (how) {
      case MEAN -> values.average().orElse(Double.NaN);
      case LOWEST -> values.min().orElse(Double.NaN);
      case HIGHEST -> values.max().orElse(Double.NaN);
    };
  }

  private Grid over(ToDoubleFunction<Trial> of, Over how) {
    float[] values = new float[steered.size()];
    for (int s = 0; s < values.length; s++) {
      values[s] = (float) over(s, of, how);
    }
    return Grid.vector(axis(), values);
  }

  private static float[] values(List<Trial> trials, ToDoubleFunction<Trial> of) {
    float[] values = new float[trials.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) of.applyAsDouble(trials.get(i));
    }
    return values;
  }

  private View table() {
    var columns = new ArrayList<>(List.of("strength", "effect", "random", "said", "random said"));
    if (hasNeutral()) {
      columns.addAll(List.of("neutral", "random neutral"));
    }
    columns.add("repetition");
    var rows = new ArrayList<List<Cell>>();
    for (int s = 0; s < steered.size(); s++) {
      Trial own = steered.get(s);
      var row = new ArrayList<Cell>();
      row.add(Cell.of(number(own.strength)));
      row.add(Cell.of(own.effect));
      row.add(cell(s, Trial::effect));
      row.add(Cell.of(own.said));
      row.add(cell(s, Trial::said));
      if (hasNeutral()) {
        row.add(Cell.of(own.neutral));
        row.add(cell(s, Trial::neutral));
      }
      row.add(Cell.of(own.repetition));
      rows.add(row);
    }
    return new View.Table(
        "Steering by strength",
        "Effect (%s), perplexity of what is said and of neutral text, and share of four-token"
                .formatted(judge.unit())
            + " stretches that repeat; random directions beside them.",
        columns,
        rows);
  }

  private Cell cell(int strength, ToDoubleFunction<Trial> of) {
    return steered.get(strength).strength == 0 || controls.size() == 1
        ? Cell.of(over(strength, of, Over.MEAN))
        : new View.Quantity(
            over(strength, of, Over.MEAN),
            over(strength, of, Over.LOWEST),
            over(strength, of, Over.HIGHEST));
  }

  /// One prompt's texts, side by side; of the random directions the first.
  private View texts(int prompt) {
    var lines = new ArrayList<String>();
    for (int s = 0; s < steered.size(); s++) {
      String strength = number(steered.get(s).strength);
      lines.add("%s: %s".formatted(strength, line(steered.get(s).texts.get(prompt))));
      if (steered.get(s).strength != 0) {
        Trial random = controls.getFirst().get(s);
        lines.add("%s random: %s".formatted(strength, line(random.texts.get(prompt))));
      }
    }
    return View.Text.of(prompts.get(prompt), lines.toArray(String[]::new));
  }

  private static String line(String text) {
    String line = text.strip().lines().collect(Collectors.joining(" ⏎ "));
    return line.isEmpty() ? "(nothing)" : line;
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("strength", Grid.vector(axis(), values(steered, Trial::strength)));
    add(arrays, "effect", Trial::effect);
    add(arrays, "said_perplexity", Trial::said);
    add(arrays, "neutral_perplexity", Trial::neutral);
    add(arrays, "repetition", Trial::repetition);
    return arrays;
  }

  private void add(SequencedMap<String, Grid> arrays, String name, ToDoubleFunction<Trial> of) {
    arrays.put(name, Grid.vector(axis(), values(steered, of)));
    float[] random = new float[controls.size() * steered.size()];
    for (int c = 0; c < controls.size(); c++) {
      System.arraycopy(values(controls.get(c), of), 0, random, c * steered.size(), steered.size());
    }
    var control = Axis.index("control", controls.size());
    arrays.put("random_" + name, Grid.real(List.of(control, axis()), random));
  }
}
