package dev.fathom.refine.study;

import dev.fathom.refine.study.Study.Run;
import dev.fathom.train.Curves;
import dev.fathom.train.TrainingLog;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

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

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    for (Run run : runs) {
      TrainingLog log = run.log().orElseThrow();
      var share = new ArrayList<View.Series>();
      var variance = new ArrayList<View.Series>();
      var sparse = new ArrayList<View.Series>();
      for (String gate : Curves.named(log, "gate.")) {
        String layer = gate.substring("gate.".length());
        String name = "layer " + layer;
        Grid mean = Curves.of(log, gate);
        share.add(View.Series.of(name, Curves.smooth(mean)));
        variance.add(
            View.Series.of(
                name,
                Curves.smooth(Curves.variance(mean, Curves.of(log, "gate_square." + layer)))));
        sparse.add(View.Series.of(name, Curves.smooth(Curves.of(log, "sparse." + layer))));
      }
      views.add(
          View.Lines.over(
              "%s, seed %d".formatted(run.variant().title(), run.seed()),
              "Means over the label tokens of each step, first tokens of rows left out.",
              Curves.steps(log),
              View.Panel.of("mean weight", share.toArray(View.Series[]::new)),
              View.Panel.of("variance of the weight", variance.toArray(View.Series[]::new)),
              View.Panel.of(
                  "share of tokens with weight below 1e-5", sparse.toArray(View.Series[]::new))));
    }
    views.add(endings());
    return views;
  }

  /// Where each ended: means over the last quarter of its steps.
  private View.Table endings() {
    var rows = new ArrayList<List<View.Cell>>();
    for (Run run : runs) {
      TrainingLog log = run.log().orElseThrow();
      for (String gate : Curves.named(log, "gate.")) {
        String layer = gate.substring("gate.".length());
        Grid mean = Curves.of(log, gate);
        rows.add(
            List.of(
                View.Cell.of("%s, seed %d".formatted(run.variant().title(), run.seed())),
                View.Cell.of(layer),
                View.Cell.of(Curves.ending(mean)),
                View.Cell.of(
                    Curves.ending(Curves.variance(mean, Curves.of(log, "gate_square." + layer)))),
                View.Cell.of(Curves.ending(Curves.of(log, "sparse." + layer)))));
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
      for (String gate : Curves.named(log, "gate.")) {
        arrays.put(
            "%s_seed%d_%s".formatted(run.variant().name(), run.seed(), gate), Curves.of(log, gate));
      }
    }
    return arrays;
  }
}
