package dev.fathom.world;

import dev.fathom.concepts.map.ConceptMapResult;
import dev.fathom.evaluate.RankTest;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;

/// What the [ConceptTrial] gave.
///
/// @param separations of each group of attributes
/// @param kinds map of subjects, each read against all others
/// @param purityOfMap neighbours of the same group on the drawn map, over chance
/// @param map of subjects in the model and its twin, each read against others of its kind
/// @param planted mean `1 − cos` between both models over subjects with something planted
/// @param others the same over all others
/// @param test of the one against the other
public record ConceptTrialResult(
    Provenance provenance,
    List<Separation> separations,
    ConceptMapResult kinds,
    double purityOfMap,
    ConceptMapResult map,
    double planted,
    double others,
    RankTest test)
    implements Result {
  private static final double LEAST_AUC = 0.95;
  private static final double LEAST_PURITY = 5;
  private static final double MOST_P = 0.01;

  public ConceptTrialResult {
    separations = List.copyOf(separations);
  }

  /// How well concepts of a group are told from each other on texts that were held out.
  ///
  /// @param group of concepts, each read against the others of its group
  /// @param layer the best of all groups together
  /// @param concepts of the group
  /// @param auc median over them
  /// @param shuffled the same of directions read from shuffled labels
  public record Separation(String group, int layer, int concepts, double auc, double shuffled) {}

  /// What was expected.
  ///
  /// @param text in few words
  /// @param value what was measured, in words
  public record Aim(String text, String value, boolean met) {}

  @Override
  public String method() {
    return "concept-trial";
  }

  /// How many of the nearest directions are of the same group, over chance.
  public double purity() {
    return kinds.sides().getFirst().purity().orElseThrow().ratio().value();
  }

  /// What was expected, and whether it is so.
  public List<Aim> aims() {
    var aims = new ArrayList<Aim>();
    for (Separation group : separations) {
      aims.add(
          new Aim(
              "AUC of %s ≥ 0.95".formatted(group.group),
              ConceptTrial.format("%.3f; shuffled %.3f", group.auc, group.shuffled),
              group.auc >= LEAST_AUC));
    }
    aims.add(
        new Aim(
            "neighbours of one kind ≥ 5× chance",
            ConceptTrial.format("%.1f×", purity()),
            purity() >= LEAST_PURITY));
    aims.add(
        new Aim(
            "the same on the map",
            ConceptTrial.format("%.1f×", purityOfMap),
            purityOfMap >= LEAST_PURITY));
    aims.add(
        new Aim(
            "planted ones differ, p < 0.01",
            ConceptTrial.format("%.3f, others %.3f; p %.1e", planted, others, test.p()),
            test.p() < MOST_P && test.share() > 0.5));
    return aims;
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    views.add(
        new View.Table(
            "Aims",
            "Do directions of concepts find what is known?",
            List.of("aim", "found", ""),
            aims().stream()
                .map(aim ->
                    List.of(
                        View.Cell.of(aim.text),
                        View.Cell.of(aim.value),
                        View.Cell.of(aim.met ? "met" : "missed")))
                .toList()));
    views.addAll(kinds.views());
    views.addAll(map.views());
    return views;
  }

  private Grid grid(ToDoubleFunction<Separation> value) {
    float[] values = new float[separations.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) value.applyAsDouble(separations.get(i));
    }
    return Grid.vector(
        Axis.of("group", separations.stream().map(Separation::group).toList()), values);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("separation_auc", grid(Separation::auc));
    arrays.put("separation_shuffled_auc", grid(Separation::shuffled));
    arrays.putAll(map.arrays());
    return arrays;
  }
}
