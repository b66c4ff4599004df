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
import java.util.Locale;
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
  private static final String LOSS = "loss.";

  public LayerStudy {
    explicit = List.copyOf(explicit);
  }

  @Override
  public String method() {
    return "refine-layers";
  }

  private static Set<String> solved(Run run) {
    return run.answers().entrySet().stream()
        .filter(entry -> entry.getValue())
        .map(Map.Entry::getKey)
        .collect(Collectors.toCollection(LinkedHashSet::new));
  }

  boolean asked() {
    return explicit.stream().noneMatch(run -> run.answers().isEmpty());
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<>(curves());
    if (asked()) {
      views.addAll(solved());
    }
    return views;
  }

  /// Losses of the late layers while they are tuned.
  List<View> curves() {
    TrainingLog log = implicit.log().orElseThrow();
    return List.of(
        View.Lines.over(
            "Implicit: tuned at the last layer, " + subject,
            "What would each late layer lose if it spoke alone? Smoothed over three steps.",
            Curves.steps(log),
            View.Panel.of(
                "nats a token",
                watched().entrySet().stream()
                    .map(layer ->
                        View.Series.of("layer " + layer.getKey(), Curves.smooth(layer.getValue())))
                    .toArray(View.Series[]::new))),
        View.Lines.over(
            "Explicit: each layer tuned on its own, " + subject,
            "Does an earlier layer come down to the same level?",
            Curves.steps(explicit.getFirst().log().orElseThrow()),
            View.Panel.of(
                "nats a token",
                explicit.stream()
                    .map(run -> View.Series.of(run.title(), Curves.smooth(own(run))))
                    .toArray(View.Series[]::new))));
  }

  /// Losses of the late layers while the last is tuned, by their numbers.
  private SequencedMap<String, Grid> watched() {
    TrainingLog log = implicit.log().orElseThrow();
    var watched = new LinkedHashMap<String, Grid>();
    Curves.named(log, LOSS)
        .forEach(name -> watched.put(name.substring(LOSS.length()), Curves.of(log, name)));
    return watched;
  }

  /// The loss that a layer was tuned by.
  private static Grid own(Run run) {
    return Curves.of(run.log().orElseThrow(), "task");
  }

  /// How far the losses came, in a sentence.
  String ended() {
    return "%s, nats a token in the last quarter of the steps: tuned at the last layer, %s; each on its own, %s."
        .formatted(
            subject,
            watched().entrySet().stream()
                .map(layer -> number("layer " + layer.getKey(), Curves.ending(layer.getValue())))
                .collect(Collectors.joining(", ")),
            explicit.stream()
                .map(run -> number(run.title(), Curves.ending(own(run))))
                .collect(Collectors.joining(", ")));
  }

  private static String number(String what, double value) {
    return String.format(Locale.ROOT, "%s %.3f", what, value);
  }

  /// Whether tuned layers solve the same problems.
  List<View> solved() {
    var views = new ArrayList<View>();
    views.add(agreement());
    if (explicit.size() >= 3) {
      views.add(regions(explicit.subList(explicit.size() - 3, explicit.size())));
    }
    return views;
  }

  /// How many problems they solve, in a sentence.
  String counted() {
    var any = new LinkedHashSet<String>();
    explicit.forEach(run -> any.addAll(solved(run)));
    long all =
        any.stream()
            .filter(key -> explicit.stream().allMatch(run -> solved(run).contains(key)))
            .count();
    return "%s: of %d problems %s; %d all of them, %d any of them."
        .formatted(
            subject,
            explicit.getFirst().answers().size(),
            explicit.stream()
                .map(run -> "%s solves %d".formatted(run.title(), run.solved()))
                .collect(Collectors.joining(", ")),
            all,
            any.size());
  }

  /// Jaccard's index of the problems that two layers solve.
  private View.HeatMap agreement() {
    int n = explicit.size();
    var axis = Axis.of("tuned layer", explicit.stream().map(Run::title).toList());
    return View.HeatMap.of(
        "Do tuned layers solve the same problems? " + subject,
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
          by.add(three.get(i).title());
        }
      }
      union += counts[place - 1];
      rows.add(List.of(View.Cell.of(String.join(" and ", by)), View.Cell.of(counts[place - 1])));
    }
    rows.add(List.of(View.Cell.of("any of them"), View.Cell.of(union)));
    rows.add(List.of(View.Cell.of("asked"), View.Cell.of(three.getFirst().answers().size())));
    return new View.Table(
        "Problems solved by the last three layers, each tuned on its own: " + subject,
        "Which layers, and only these, solve how many problems? (A Venn diagram in numbers.)",
        List.of("solved by", "problems"),
        rows);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    watched()
        .forEach(
            (layer, curve) -> arrays.put("%s_implicit_layer%s".formatted(subject, layer), curve));
    explicit.forEach(run -> arrays.put("%s_%s".formatted(subject, run.name()), own(run)));
    return arrays;
  }
}
