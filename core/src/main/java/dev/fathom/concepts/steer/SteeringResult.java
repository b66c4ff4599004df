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

/// What steering did at several strengths, beside a random direction: see [SteeringSweep].
///
/// @param judge what the effects are
/// @param prompts that were continued
/// @param steered one for each strength, ascending
/// @param random the same of the control
public record SteeringResult(
    Provenance provenance,
    Judge judge,
    List<String> prompts,
    List<Trial> steered,
    List<Trial> random)
    implements Result {
  private static final int MOST_SHOWN = 6;

  public SteeringResult {
    prompts = List.copyOf(prompts);
    steered = List.copyOf(steered);
    random = List.copyOf(random);
    if (!strengths(steered).equals(strengths(random))) {
      throw new IllegalArgumentException(
          "steering and its control go over the same strengths, found %s and %s"
              .formatted(strengths(steered), strengths(random)));
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

  /// What was found, a sentence.
  public String found() {
    return String.format(
        Locale.ROOT,
        "From strength %s to %s the effect (%s) goes from %s to %s, %s; along a random direction of"
            + " the same length from %s to %s. Perplexity of what is said: %s to %s at the ends%s.",
        number(steered.getFirst().strength),
        number(steered.getLast().strength),
        judge.unit(),
        shown(steered.getFirst().effect),
        shown(steered.getLast().effect),
        monotone(steered) ? "each step the same way" : "not always the same way",
        shown(random.getFirst().effect),
        shown(random.getLast().effect),
        shown(steered.getFirst().said),
        shown(steered.getLast().said),
        steered.stream()
            .filter(trial -> trial.strength == 0)
            .findFirst()
            .map(trial -> ", %s without steering".formatted(shown(trial.said)))
            .orElse(""));
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
            judge.explanation(),
            "Random is another direction, drawn at random, whose steps are as long. An effect that"
                + " it has too says nothing about the direction.",
            "Perplexity of what is said is that of the model without steering; that of neutral"
                + " text is the steered model's. Where they rise much, the model is broken rather"
                + " than steered."));
    return views;
  }

  private View lines() {
    var axis = Axis.of("strength", steered.stream().map(trial -> number(trial.strength)).toList());
    var panels = new ArrayList<View.Panel>();
    panels.add(
        View.Panel.of(
            judge.unit(),
            series("steered", axis, steered, Trial::effect),
            series("random", axis, random, Trial::effect)));
    panels.add(
        View.Panel.logarithmic(
            "perplexity of what is said",
            series("steered", axis, steered, Trial::said),
            series("random", axis, random, Trial::said)));
    if (steered.stream().anyMatch(trial -> !Double.isNaN(trial.neutral))) {
      panels.add(
          View.Panel.logarithmic(
              "perplexity of neutral text",
              series("steered", axis, steered, Trial::neutral),
              series("random", axis, random, Trial::neutral)));
    }
    return View.Lines.over(
        "Effect and fluency by strength",
        "How far does steering move the model, and what does it cost?",
        Grid.vector(axis, values(steered, Trial::strength)),
        panels.toArray(View.Panel[]::new));
  }

  private static View.Series series(
      String name, Axis axis, List<Trial> trials, ToDoubleFunction<Trial> of) {
    return View.Series.of(name, Grid.vector(axis, values(trials, of)));
  }

  private static float[] values(List<Trial> trials, ToDoubleFunction<Trial> of) {
    float[] values = new float[trials.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) of.applyAsDouble(trials.get(i));
    }
    return values;
  }

  private View table() {
    var rows = new ArrayList<List<Cell>>();
    for (int i = 0; i < steered.size(); i++) {
      Trial own = steered.get(i);
      Trial other = random.get(i);
      rows.add(
          List.of(
              Cell.of(number(own.strength)),
              Cell.of(own.effect),
              Cell.of(other.effect),
              Cell.of(own.said),
              Cell.of(other.said),
              Cell.of(own.neutral),
              Cell.of(other.neutral),
              Cell.of(own.repetition)));
    }
    return new View.Table(
        "Steering by strength",
        "Effect (%s), perplexity of what is said and of neutral text, and share of four-token stretches that repeat."
            .formatted(judge.unit()),
        List.of(
            "strength",
            "effect",
            "random",
            "said",
            "said random",
            "neutral",
            "neutral random",
            "repetition"),
        rows);
  }

  private View texts(int prompt) {
    var lines = new ArrayList<String>();
    for (int i = 0; i < steered.size(); i++) {
      String strength = number(steered.get(i).strength);
      lines.add("%s: %s".formatted(strength, line(steered.get(i).texts.get(prompt))));
      if (steered.get(i).strength != 0) {
        lines.add("%s random: %s".formatted(strength, line(random.get(i).texts.get(prompt))));
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
    var axis = Axis.of("strength", steered.stream().map(trial -> number(trial.strength)).toList());
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("strength", Grid.vector(axis, values(steered, Trial::strength)));
    add(arrays, "effect", axis, Trial::effect);
    add(arrays, "said_perplexity", axis, Trial::said);
    add(arrays, "neutral_perplexity", axis, Trial::neutral);
    add(arrays, "repetition", axis, Trial::repetition);
    return arrays;
  }

  private void add(
      SequencedMap<String, Grid> arrays, String name, Axis axis, ToDoubleFunction<Trial> of) {
    arrays.put(name, Grid.vector(axis, values(steered, of)));
    arrays.put("random_" + name, Grid.vector(axis, values(random, of)));
  }
}
