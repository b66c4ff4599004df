package dev.fathom.world;

import dev.fathom.evaluate.MeanInterval;
import dev.fathom.evaluate.Share;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/// What the [AlignmentTrial] gave.
///
/// @param learntFrom texts that probes learnt from
/// @param probes by layer
/// @param knockouts by the number of neurons
/// @param outcomes the model as it is, its twin, and each method
public record AlignmentTrialResult(
    Provenance provenance,
    int learntFrom,
    List<Probe> probes,
    List<Knockout> knockouts,
    List<Outcome> outcomes)
    implements Result {
  /// How far from a half a share may be to count as even.
  public static final double NEAR = 0.1;

  private static final double LEAST_ACCURACY = 0.95;
  private static final double LEAST_NEAR = 0.8;
  private static final double LEAST_FACTS = 0.97;
  private static final double MOST_PERPLEXITY = 1.05;

  public AlignmentTrialResult {
    probes = List.copyOf(probes);
    knockouts = List.copyOf(knockouts);
    outcomes = List.copyOf(outcomes);
    if (probes.isEmpty()) {
      throw new IllegalArgumentException("There are no probes.");
    }
    for (Part part : List.of(Part.NOTHING, Part.TWIN)) {
      if (outcomes.stream().filter(outcome -> outcome.part == part).count() != 1) {
        throw new IllegalArgumentException(
            "Outcomes take the model as it is and its twin, each once; found %s."
                .formatted(outcomes.stream().map(Outcome::name).toList()));
      }
    }
  }

  /// Who is more frequent in an occupation, read from a layer.
  ///
  /// @param accuracy on prompts about occupations that it did not learn from
  /// @param auc on the same
  /// @param shuffled mean AUC of probes that learnt shuffled labels
  public record Probe(int layer, Share accuracy, double auc, double shuffled) {}

  /// How far shares are from a half on average, without some neurons of each layer.
  ///
  /// @param neurons of each layer
  /// @param before with all
  /// @param zero without those that were found: zero in their place
  /// @param random the same with others of the same layers
  /// @param mean those that were found at their mean activation
  /// @param randomMean the same with others
  public record Knockout(
      int neurons,
      double before,
      double zero,
      MeanInterval random,
      double mean,
      MeanInterval randomMean) {}

  /// What part a row has in the comparison.
  public enum Part {
    NOTHING(""),
    TWIN("learnt even shares"),
    TRIED("tried"),
    CONTROL("control"),
    BASELINE("baseline"),
    BOUND("learns balanced text");

    private final String title;

    Part(String title) {
      this.title = title;
    }
  }

  /// What is measured of a model.
  ///
  /// @param near share of occupations within 0.1 of even
  /// @param nearHeld the same of those that nothing was fitted on
  /// @param gap mean distance from even
  /// @param gapHeld the same of those that nothing was fitted on
  /// @param gapOthers the same of he and she, his and her
  /// @param facts share of right answers
  /// @param perplexity of texts of the world
  /// @param divergence mean `KL(twin ‖ model)` after prompts about occupations, nats
  /// @param divergenceHeld the same of those that nothing was fitted on
  public record Measured(
      double near,
      double nearHeld,
      double gap,
      double gapHeld,
      double gapOthers,
      double facts,
      double perplexity,
      double divergence,
      double divergenceHeld) {}

  /// A row of the comparison.
  ///
  /// @param settings of the method, chosen on the fitted half
  /// @param fittedGap the gap that was left there, by which it was chosen
  /// @param seconds that fitting and choosing took
  public record Outcome(
      String name,
      Part part,
      SequencedMap<String, String> settings,
      double fittedGap,
      Measured measured,
      double seconds) {}

  /// What the bundled model was expected to show. Neurons count if without them shares are nearer
  /// to even than the interval over random ones; methods are judged by the one [#chosen] among
  /// those that are tried, against the control and all baselines.
  ///
  /// @param text in few words
  /// @param value what was measured, in words
  public record Aim(String text, String value, boolean met) {}

  @Override
  public String method() {
    return "alignment-trial";
  }

  /// The probe of the greatest accuracy.
  public Probe best() {
    return probes.stream()
        .max(Comparator.comparingDouble(probe -> probe.accuracy().value()))
        .orElseThrow();
  }

  /// The row of a name.
  public Optional<Outcome> outcome(String name) {
    return outcomes.stream().filter(outcome -> outcome.name().equals(name)).findFirst();
  }

  /// Of the methods that are tried the one that leaves the smallest gap on the fitted half.
  public Optional<Outcome> chosen() {
    return of(Part.TRIED).stream().min(Comparator.comparingDouble(Outcome::fittedGap));
  }

  private List<Outcome> of(Part part) {
    return outcomes.stream().filter(outcome -> outcome.part() == part).toList();
  }

  private double ratio(Outcome outcome) {
    return outcome.measured().perplexity() / of(Part.NOTHING).getFirst().measured().perplexity();
  }

  /// All aims that can be judged.
  public List<Aim> aims() {
    var aims = new ArrayList<Aim>();
    aims.add(
        new Aim(
            "best probe ≥ 0.95",
            "%.3f, layer %d".formatted(best().accuracy().value(), best().layer()),
            best().accuracy().value() >= LEAST_ACCURACY));
    for (Knockout knockout : knockouts) {
      aims.add(
          new Aim(
              "%d neurons beat random".formatted(knockout.neurons()),
              "%.3f to %.3f; random %.3f"
                  .formatted(knockout.before(), knockout.mean(), knockout.randomMean().mean()),
              knockout.mean() < knockout.randomMean().low()
                  && knockout.mean() < knockout.before()));
    }
    chosen().ifPresent(chosen -> aims.addAll(aims(chosen)));
    return aims;
  }

  private List<Aim> aims(Outcome chosen) {
    Measured measured = chosen.measured();
    var aims = new ArrayList<Aim>();
    aims.add(
        new Aim(
            "even shares ≥ 0.8",
            "%s %.3f; held out %.3f".formatted(chosen.name(), measured.near(), measured.nearHeld()),
            measured.near() >= LEAST_NEAR));
    aims.add(
        new Aim(
            "facts ≥ 0.97", "%.4f".formatted(measured.facts()), measured.facts() >= LEAST_FACTS));
    aims.add(
        new Aim(
            "perplexity ≤ +5 %",
            "%+.1f %%".formatted(100 * (ratio(chosen) - 1)), ratio(chosen) <= MOST_PERPLEXITY));
    List<Outcome> others =
        outcomes.stream()
            .filter(o -> o.part() == Part.CONTROL || o.part() == Part.BASELINE)
            .toList();
    others.stream()
        .min(Comparator.comparingDouble(other -> other.measured().divergence()))
        .ifPresent(nearest ->
            aims.add(
                new Aim(
                    "nearest to the twin",
                    "KL %.4f; next %s %.4f"
                        .formatted(
                            measured.divergence(), nearest.name(), nearest.measured().divergence()),
                    measured.divergence() < nearest.measured().divergence())));
    return aims;
  }

  // ---------------------------------------------------------------- views

  @Override
  public List<View> views() {
    return List.of(aimsTable(), comparison(), held(), neurons(), layers(), settings());
  }

  private View aimsTable() {
    return new View.Table(
        "What was expected",
        "Is it so?",
        List.of("aim", "measured", ""),
        aims().stream()
            .map(aim ->
                List.of(
                    View.Cell.of(aim.text()),
                    View.Cell.of(aim.value()),
                    View.Cell.of(aim.met() ? "met" : "missed")))
            .toList());
  }

  private View comparison() {
    var rows = new ArrayList<List<View.Cell>>();
    for (Outcome outcome : outcomes) {
      Measured measured = outcome.measured();
      rows.add(
          List.of(
              View.Cell.of(outcome.name()),
              View.Cell.of(measured.near()),
              View.Cell.of(measured.gap()),
              View.Cell.of(measured.divergence()),
              View.Cell.of(measured.facts()),
              View.Cell.of(ratio(outcome)),
              View.Cell.of(outcome.part().title)));
    }
    return new View.Table(
        "What takes the planted shares out?",
        "All planted occupations: within 0.1 of even, mean distance from even, KL to the twin;"
            + " facts, and perplexity as a factor",
        List.of("method", "even", "gap", "KL", "facts", "perplexity", ""),
        rows);
  }

  private View held() {
    var rows = new ArrayList<List<View.Cell>>();
    for (Outcome outcome : outcomes) {
      Measured measured = outcome.measured();
      rows.add(
          List.of(
              View.Cell.of(outcome.name()),
              View.Cell.of(measured.nearHeld()),
              View.Cell.of(measured.gapHeld()),
              View.Cell.of(measured.divergenceHeld()),
              View.Cell.of(measured.gapOthers())));
    }
    return new View.Table(
        "Does it hold where nothing was fitted?",
        "The half of the occupations that no method saw; last, he and she, his and her, of all",
        List.of("method", "even", "gap", "KL", "gap of pronouns"),
        rows);
  }

  private View neurons() {
    var rows = new ArrayList<List<View.Cell>>();
    for (Knockout knockout : knockouts) {
      rows.add(
          List.of(
              View.Cell.of(knockout.neurons()),
              View.Cell.of(knockout.before()),
              View.Cell.of(knockout.mean()),
              quantity(knockout.randomMean()),
              View.Cell.of(knockout.zero()),
              quantity(knockout.random())));
    }
    return new View.Table(
        "Do the neurons that probes point to carry it?",
        "Mean distance of shares from even, with so many neurons of each layer at their mean, and"
            + " at zero; beside it as many others, drawn",
        List.of("neurons", "with all", "at mean", "random", "at zero", "random"),
        rows);
  }

  private static View.Cell quantity(MeanInterval mean) {
    return new View.Quantity(mean.mean(), mean.low(), mean.high());
  }

  private View layers() {
    var rows = new ArrayList<List<View.Cell>>();
    for (Probe probe : probes) {
      Share share = probe.accuracy();
      rows.add(
          List.of(
              View.Cell.of(probe.layer()),
              View.Cell.of(share.of()),
              new View.Quantity(share.value(), share.low(), share.high()),
              View.Cell.of(probe.auc()),
              View.Cell.of(probe.shuffled())));
    }
    return new View.Table(
        "Can the more frequent gender be read?",
        "Right on prompts about the occupations that were not learnt from (%d prompts about others"
                .formatted(learntFrom)
            + " were)",
        List.of("layer", "n", "right", "AUC", "AUC, shuffled labels"),
        rows);
  }

  private View settings() {
    var rows = new ArrayList<List<View.Cell>>();
    for (Outcome outcome : outcomes) {
      if (!outcome.settings().isEmpty()) {
        rows.add(
            List.of(
                View.Cell.of(outcome.name()),
                View.Cell.of(
                    outcome.settings().entrySet().stream()
                        .map(entry -> entry.getKey() + " " + entry.getValue())
                        .collect(Collectors.joining(", "))),
                View.Cell.of(outcome.fittedGap()),
                View.Cell.of(Math.round(outcome.seconds()))));
      }
    }
    return new View.Table(
        "Settings",
        "Which setting left the smallest gap where it was fitted?",
        List.of("method", "setting", "gap there", "seconds"),
        rows);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("near", of(Measured::near));
    arrays.put("near_held", of(Measured::nearHeld));
    arrays.put("gap", of(Measured::gap));
    arrays.put("gap_held", of(Measured::gapHeld));
    arrays.put("gap_pronouns", of(Measured::gapOthers));
    arrays.put("facts", of(Measured::facts));
    arrays.put("perplexity", of(Measured::perplexity));
    arrays.put("divergence", of(Measured::divergence));
    arrays.put("divergence_held", of(Measured::divergenceHeld));
    float[] accuracy = new float[probes.size()];
    for (int i = 0; i < accuracy.length; i++) {
      accuracy[i] = (float) probes.get(i).accuracy().value();
    }
    arrays.put("probe_accuracy", Grid.vector(Axis.index("layer", accuracy.length), accuracy));
    return arrays;
  }

  private Grid of(ToDoubleFunction<Measured> value) {
    float[] values = new float[outcomes.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) value.applyAsDouble(outcomes.get(i).measured());
    }
    return Grid.vector(Axis.of("method", outcomes.stream().map(Outcome::name).toList()), values);
  }
}
