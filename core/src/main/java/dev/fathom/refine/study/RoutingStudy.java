package dev.fathom.refine.study;

import dev.fathom.refine.study.Study.Run;
import dev.fathom.train.Curves;
import dev.fathom.train.TrainingLog;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.stream.Collectors;

/// Which layers does a router come to trust while it learns, with and without low-rank steps on the
/// late layers? (Thesis, Figs 5.2 and C.1.)
///
/// The thesis finds, on LLaMA-7B and ARC-e: without steps on the late layers the last layer's
/// weight is rarely 0 and varies, with them the earlier routes take over. Its captions exchange
/// left and right; its text is what is compared with here.
///
/// @param runs of mixtures, one picture each
public record RoutingStudy(Provenance provenance, String subject, List<Run> runs)
    implements Result {
  private static final String GATE = "gate.";

  public RoutingStudy {
    runs =
        runs.stream()
            .filter(run ->
                run.log().isPresent() && run.log().orElseThrow().measures().contains("entropy"))
            .toList();
    if (runs.isEmpty()) {
      throw new IllegalArgumentException("a study of routing needs at least one mixture");
    }
  }

  @Override
  public String method() {
    return "refine-routing";
  }

  private static String title(Run run) {
    return "%s, seed %d".formatted(run.title(), run.seed());
  }

  /// What is measured of a route.
  enum Measured {
    MEAN("mean weight"),
    VARIANCE("variance of the weight"),
    SPARSITY("share of tokens with weight below 1e-5");

    private final String title;

    Measured(String title) {
      this.title = title;
    }

    private Grid of(TrainingLog log, String layer) {
      return switch (this) {
        case MEAN -> Curves.of(log, GATE + layer);
        case VARIANCE ->
            Curves.variance(Curves.of(log, GATE + layer), Curves.of(log, "gate_square." + layer));
        case SPARSITY -> Curves.of(log, "sparse." + layer);
      };
    }

    private View.Panel panel(TrainingLog log) {
      return View.Panel.of(
          title,
          layers(log).stream()
              .map(layer -> View.Series.of("layer " + layer, Curves.smooth(of(log, layer))))
              .toArray(View.Series[]::new));
    }
  }

  private static List<String> layers(TrainingLog log) {
    return Curves.named(log, GATE).stream().map(name -> name.substring(GATE.length())).toList();
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<>(curves(Measured.values()));
    views.add(endings());
    return views;
  }

  /// One picture for each run, with a panel for each of these.
  List<View> curves(Measured... measured) {
    return runs.stream()
        .<View>map(run -> {
          TrainingLog log = run.log().orElseThrow();
          return View.Lines.over(
              title(run),
              "Means over the label tokens of each step, first tokens of rows left out.",
              Curves.steps(log),
              Arrays.stream(measured).map(one -> one.panel(log)).toArray(View.Panel[]::new));
        })
        .toList();
  }

  /// Where each run ended, in a sentence.
  String ended(Measured measured) {
    return runs.stream()
        .map(run -> {
          TrainingLog log = run.log().orElseThrow();
          return "%s: %s"
              .formatted(
                  title(run),
                  layers(log).stream()
                      .map(layer ->
                          String.format(
                              Locale.ROOT,
                              "layer %s %.3f",
                              layer,
                              Curves.ending(measured.of(log, layer))))
                      .collect(Collectors.joining(", ")));
        })
        .collect(
            Collectors.joining(
                "; ", "Last quarter of the steps, %s. ".formatted(measured.title), "."));
  }

  /// Where each ended: means over the last quarter of its steps.
  private View.Table endings() {
    var rows = new ArrayList<List<View.Cell>>();
    for (Run run : runs) {
      TrainingLog log = run.log().orElseThrow();
      for (String layer : layers(log)) {
        var row = new ArrayList<>(List.of(View.Cell.of(title(run)), View.Cell.of(layer)));
        for (Measured measured : Measured.values()) {
          row.add(View.Cell.of(Curves.ending(measured.of(log, layer))));
        }
        rows.add(row);
      }
    }
    return new View.Table(
        "At the end",
        "Means over the last quarter of the steps.",
        List.of("run", "layer", "weight", "variance", "share below 1e-5"),
        rows);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    for (Run run : runs) {
      TrainingLog log = run.log().orElseThrow();
      for (String gate : Curves.named(log, GATE)) {
        arrays.put("%s_seed%d_%s".formatted(run.name(), run.seed(), gate), Curves.of(log, gate));
      }
    }
    return arrays;
  }
}
