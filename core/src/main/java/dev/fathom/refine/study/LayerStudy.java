package dev.fathom.refine.study;

import dev.fathom.refine.study.Study.Run;
import dev.fathom.train.Curves;
import dev.fathom.train.TrainingLog;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.Collectors;

/// Can a late layer be tuned as well as the last one, and does it then solve the same problems?
/// (Thesis, section 4.2, Figs 4.7 and 4.8.)
///
/// *Implicit*: tuned with the loss at the last layer, the loss of every late layer is logged.
/// *Explicit*: one run per late layer, tuned and read there; the blocks above do not exist for it.
///
/// @param implicit the run that watches its late layers
/// @param explicit one run for each late layer, from below; the last is ordinary tuning
public record LayerStudy(Provenance provenance, String subject, Run implicit, List<Run> explicit)
    implements Result {
  public LayerStudy {
    explicit = List.copyOf(explicit);
  }

  @Override
  public String method() {
    return "refine-layers";
  }

  private static String title(Run run) {
    return run.variant().title();
  }

  private static Set<String> solved(Run run) {
    return run.answers().entrySet().stream()
        .filter(entry -> entry.getValue())
        .map(Map.Entry::getKey)
        .collect(Collectors.toCollection(LinkedHashSet::new));
  }

  private boolean asked() {
    return explicit.stream().noneMatch(run -> run.answers().isEmpty());
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    TrainingLog log = implicit.log().orElseThrow();
    views.add(
        View.Lines.over(
            "Implicit: tuned at the last layer",
            "What would each late layer lose if it spoke alone? Smoothed over three steps.",
            Curves.steps(log),
            View.Panel.of(
                "nats a token",
                Curves.named(log, "loss.").stream()
                    .map(name ->
                        View.Series.of(
                            "layer " + name.substring("loss.".length()),
                            Curves.smooth(Curves.of(log, name))))
                    .toArray(View.Series[]::new))));
    views.add(
        View.Lines.over(
            "Explicit: each layer tuned on its own",
            "Does an earlier layer come down to the same level?",
            Curves.steps(explicit.getFirst().log().orElseThrow()),
            View.Panel.of(
                "nats a token",
                explicit.stream()
                    .map(run ->
                        View.Series.of(
                            title(run), Curves.smooth(Curves.of(run.log().orElseThrow(), "task"))))
                    .toArray(View.Series[]::new))));
    if (asked()) {
      views.add(agreement());
      if (explicit.size() >= 3) {
        views.add(regions(explicit.subList(explicit.size() - 3, explicit.size())));
      }
    }
    return views;
  }

  /// Jaccard's index of the problems that two layers solve.
  private View.HeatMap agreement() {
    int n = explicit.size();
    var axis = Axis.of("tuned layer", explicit.stream().map(LayerStudy::title).toList());
    return View.HeatMap.of(
        "Do tuned layers solve the same problems?",
        "Problems that both solve, over those that either solves (Jaccard's index).",
        Grid.real(List.of(axis, Axis.of("and", axis.labels())), jaccard(n)),
        Scale.probability());
  }

  private float[] jaccard(int n) {
    float[] values = new float[n * n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        Set<String> a = solved(explicit.get(i));
        Set<String> both = new LinkedHashSet<>(a);
        both.retainAll(solved(explicit.get(j)));
        Set<String> either = new LinkedHashSet<>(a);
        either.addAll(solved(explicit.get(j)));
        values[i * n + j] = either.isEmpty() ? Float.NaN : (float) both.size() / either.size();
      }
    }
    return values;
  }

  /// The seven regions of three sets, which add up to their union.
  static int[] regions(Set<String> a, Set<String> b, Set<String> c) {
    var union = new LinkedHashSet<>(a);
    union.addAll(b);
    union.addAll(c);
    int[] counts = new int[7];
    for (String key : union) {
      int place = (a.contains(key) ? 1 : 0) + (b.contains(key) ? 2 : 0) + (c.contains(key) ? 4 : 0);
      counts[place - 1]++;
    }
    return counts;
  }

  private View.Table regions(List<Run> three) {
    int[] counts = regions(solved(three.get(0)), solved(three.get(1)), solved(three.get(2)));
    var rows = new ArrayList<List<View.Cell>>();
    int union = 0;
    for (int place = 1; place <= 7; place++) {
      var by = new ArrayList<String>();
      for (int i = 0; i < 3; i++) {
        if ((place >> i & 1) == 1) {
          by.add(title(three.get(i)));
        }
      }
      union += counts[place - 1];
      rows.add(List.of(View.Cell.of(String.join(" and ", by)), View.Cell.of(counts[place - 1])));
    }
    rows.add(List.of(View.Cell.of("any of them"), View.Cell.of(union)));
    rows.add(List.of(View.Cell.of("asked"), View.Cell.of(three.getFirst().answers().size())));
    return new View.Table(
        "Problems solved by the last three layers, each tuned on its own",
        "Which layers, and only these, solve how many problems? (A Venn diagram in numbers.)",
        List.of("solved by", "problems"),
        rows);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    TrainingLog log = implicit.log().orElseThrow();
    Curves.named(log, "loss.")
        .forEach(name -> arrays.put("implicit_" + name, Curves.of(log, name)));
    for (Run run : explicit) {
      arrays.put("explicit_" + run.variant().name(), Curves.of(run.log().orElseThrow(), "task"));
    }
    return arrays;
  }
}
