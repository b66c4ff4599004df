package dev.fathom.refine.study;

import dev.fathom.evaluate.McNemar;
import dev.fathom.evaluate.Share;
import dev.fathom.refine.ParameterCount;
import dev.fathom.refine.study.Study.Run;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.Collectors;

/// What does each way to refine bring, on each set of data? (Thesis, tables 5.1 and 5.2.)
///
/// Accuracies are means over seeds; intervals are Wilson's over all answers of all seeds, which
/// takes them as independent and so is a little too narrow. Whether two variants differ is
/// McNemar's exact test over the same items and seeds.
///
/// @param provenance of the study
/// @param against the name of the variant that the others are compared with
/// @param subjects runs by the name of their data
public record AccuracyStudy(
    Provenance provenance, String against, SequencedMap<String, List<Run>> subjects)
    implements Result {
  @Override
  public String method() {
    return "refine-accuracy";
  }

  /// Titles by name, in the order in which they are first met.
  private SequencedMap<String, String> variants() {
    var variants = new LinkedHashMap<String, String>();
    subjects.values().forEach(runs -> runs.forEach(run -> variants.put(run.name(), run.title())));
    return variants;
  }

  private String againstTitle() {
    return variants().getOrDefault(against, against);
  }

  private List<Run> runs(String subject, String variant) {
    return subjects.getOrDefault(subject, List.of()).stream()
        .filter(run -> run.name().equals(variant))
        .toList();
  }

  /// The data whose test was asked.
  private List<String> asked() {
    return subjects.keySet().stream()
        .filter(subject ->
            subjects.getOrDefault(subject, List.of()).stream()
                .anyMatch(run -> !run.answers().isEmpty()))
        .toList();
  }

  /// Right answers of all seeds together; empty where nothing was asked.
  private Optional<Share> share(String subject, String variant) {
    int solved = 0;
    int of = 0;
    for (Run run : runs(subject, variant)) {
      solved += run.solved();
      of += run.answers().size();
    }
    return of == 0 ? Optional.empty() : Optional.of(new Share(solved, of));
  }

  /// The mean over data; NaN where it lacks some.
  private double mean(String variant) {
    return asked().stream()
        .mapToDouble(subject -> share(subject, variant).map(Share::value).orElse(Double.NaN))
        .average()
        .orElse(Double.NaN);
  }

  /// The two variants' answers to the same items, seed by seed; the base answers for every seed.
  private McNemar compared(String subject, String variant) {
    McNemar sum = McNemar.none();
    List<Run> others = runs(subject, against);
    for (Run run : runs(subject, variant)) {
      for (Run other : others) {
        if (other.seed() == run.seed() || others.size() == 1) {
          for (var answer : run.answers().entrySet()) {
            Boolean its = other.answers().get(answer.getKey());
            sum = its == null ? sum : sum.and(its, answer.getValue());
          }
        }
      }
    }
    return sum;
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    if (!asked().isEmpty()) {
      views.add(accuracies());
    }
    views.add(losses());
    asked().forEach(subject -> views.add(bars(subject)));
    views.add(counts());
    views.add(
        View.Text.of(
            "How to read this",
            "A seed draws other rows and other first values. Differences smaller than the intervals"
                + " are not differences. The held-out loss is the steadier measure: it counts every"
                + " token, not a few hundred right or wrong answers."));
    return views;
  }

  /// What came out, in a sentence.
  String found() {
    boolean right = !asked().isEmpty();
    String all =
        variants().entrySet().stream()
            .filter(variant -> right || learns(variant.getKey()))
            .map(variant ->
                String.format(
                    Locale.ROOT,
                    right ? "%s %.1f" : "%s %.3f",
                    variant.getValue(),
                    right ? 100 * mean(variant.getKey()) : loss(variant.getKey())))
            .collect(Collectors.joining(", "));
    String sets =
        (right ? asked() : List.copyOf(subjects.keySet()))
            .stream()
                .map(subject -> {
                  Run first = subjects.getOrDefault(subject, List.of()).getLast();
                  long seeds =
                      runs(subject, first.name()).stream().mapToLong(Run::seed).distinct().count();
                  return right
                      ? "%s (%d items, %s)"
                          .formatted(subject, first.answers().size(), counted(seeds))
                      : "%s (%s)".formatted(subject, counted(seeds));
                })
                .collect(Collectors.joining(", "));
    return "%s, mean over %s: %s."
        .formatted(right ? "Right answers in %" : "Nats a held-out token", sets, all);
  }

  private static String counted(long seeds) {
    return seeds == 1 ? "1 seed" : seeds + " seeds";
  }

  private boolean learns(String variant) {
    return subjects.values().stream()
        .flatMap(List::stream)
        .anyMatch(run -> run.name().equals(variant) && run.log().isPresent());
  }

  /// The mean held-out loss over data.
  private double loss(String variant) {
    return subjects.keySet().stream()
        .mapToDouble(subject ->
            runs(subject, variant).stream().mapToDouble(Run::heldOut).average().orElse(Double.NaN))
        .average()
        .orElse(Double.NaN);
  }

  private View.Table accuracies() {
    var columns = new ArrayList<>(List.of("% right"));
    columns.addAll(asked());
    columns.add("mean");
    columns.add("p against " + againstTitle());
    var rows = new ArrayList<List<View.Cell>>();
    variants()
        .forEach((variant, title) -> {
          var row = new ArrayList<View.Cell>();
          row.add(View.Cell.of(title));
          McNemar all = McNemar.none();
          for (String subject : asked()) {
            all = all.plus(compared(subject, variant));
            row.add(
                share(subject, variant)
                    .<View.Cell>map(share ->
                        new View.Quantity(
                            100 * share.value(), 100 * share.low(), 100 * share.high()))
                    .orElse(View.Cell.of("")));
          }
          row.add(number(100 * mean(variant)));
          row.add(
              variant.equals(against) || all.of() == 0
                  ? View.Cell.of("")
                  : View.Cell.of(
                      String.format(Locale.ROOT, "%.2g (%+.1f)", all.p(), 100 * all.difference())));
          rows.add(row);
        });
    return new View.Table(
        "Right answers",
        "Does it help? In brackets: points more than " + againstTitle() + ", over all items.",
        columns,
        rows);
  }

  private static View.Cell number(double value) {
    return Double.isNaN(value) ? View.Cell.of("") : View.Cell.of(value);
  }

  private View.Table losses() {
    var columns = new ArrayList<>(List.of("nats a held-out token"));
    columns.addAll(subjects.keySet());
    var rows = new ArrayList<List<View.Cell>>();
    variants()
        .forEach((variant, title) -> {
          if (!learns(variant)) {
            return;
          }
          var row = new ArrayList<View.Cell>();
          row.add(View.Cell.of(title));
          for (String subject : subjects.keySet()) {
            double[] found = runs(subject, variant).stream().mapToDouble(Run::heldOut).toArray();
            row.add(
                switch (found.length) {
                  case 0 -> View.Cell.of("");
                  case 1 -> View.Cell.of(found[0]);
                  default ->
                      new View.Quantity(
                          Arrays.stream(found).average().orElse(Double.NaN),
                          Arrays.stream(found).min().orElse(Double.NaN),
                          Arrays.stream(found).max().orElse(Double.NaN));
                });
          }
          rows.add(row);
        });
    return new View.Table(
        "Loss on held-out rows",
        "How well are rows predicted that were not learnt? Mean, least and greatest of the seeds.",
        columns,
        rows);
  }

  private View.Ranking bars(String subject) {
    var bars = new ArrayList<View.Item>();
    variants()
        .forEach((variant, title) ->
            share(subject, variant)
                .ifPresent(share ->
                    bars.add(
                        View.Item.of(title, 100 * share.value())
                            .within(100 * share.low(), 100 * share.high()))));
    return new View.Ranking(
        subject, "Bars with their 95 % intervals, all seeds together.", bars, "% right");
  }

  private View.Table counts() {
    var rows = new ArrayList<List<View.Cell>>();
    List<Run> first = subjects.firstEntry().getValue();
    variants()
        .forEach((variant, title) ->
            first.stream()
                .filter(run -> run.name().equals(variant) && run.counts().isPresent())
                .findFirst()
                .ifPresent(run -> rows.add(row(title, run.counts().orElseThrow()))));
    return new View.Table(
        "What was learnt",
        "How many numbers does each take, and what do late steps or a mixture add to steps on the"
            + " other layers? (Thesis: +10.3 % and +0.04 %.)",
        List.of("method", "numbers", "of the model", "late steps add", "mixture adds"),
        rows);
  }

  private static List<View.Cell> row(String title, ParameterCount counts) {
    return List.of(
        View.Cell.of(title),
        View.Cell.of(String.format(Locale.ROOT, "%,d", counts.learnt())),
        View.Cell.of(percent(counts.share())),
        View.Cell.of(percent(counts.lateOverLora())),
        View.Cell.of(counts.mod() == 0 ? "" : percent(counts.modOverLora())));
  }

  private static String percent(double share) {
    return Double.isNaN(share) ? "" : String.format(Locale.ROOT, "%.3f %%", 100 * share);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    List<String> variants = List.copyOf(variants().keySet());
    var methods = Axis.of("method", variants);
    for (String subject : subjects.keySet()) {
      float[] right = new float[variants.size()];
      float[] lost = new float[variants.size()];
      for (int i = 0; i < right.length; i++) {
        String variant = variants.get(i);
        right[i] = share(subject, variant).map(s -> (float) s.value()).orElse(Float.NaN);
        lost[i] =
            (float)
                runs(subject, variant).stream()
                    .mapToDouble(Run::heldOut)
                    .average()
                    .orElse(Double.NaN);
      }
      if (asked().contains(subject)) {
        arrays.put("accuracy_" + subject, Grid.vector(methods, right));
      }
      arrays.put("held_out_" + subject, Grid.vector(methods, lost));
    }
    return arrays;
  }
}
