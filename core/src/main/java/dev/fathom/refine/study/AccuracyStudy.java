package dev.fathom.refine.study;

import dev.fathom.evaluate.McNemar;
import dev.fathom.evaluate.Share;
import dev.fathom.refine.ParameterCount;
import dev.fathom.refine.study.Study.Run;
import dev.fathom.refine.study.Study.Variant;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;

/// What does each way to refine bring, on each set of data? (Thesis, tables 5.1 and 5.2.)
///
/// Accuracies are means over seeds; intervals are Wilson's over all answers of all seeds, which
/// takes them as independent and so is a little too narrow. Whether two variants differ is
/// McNemar's exact test over the same items and seeds.
///
/// @param provenance of the study
/// @param against the variant that the others are compared with
/// @param subjects runs by the name of their data
public record AccuracyStudy(
    Provenance provenance, Variant against, SequencedMap<String, List<Run>> subjects)
    implements Result {
  @Override
  public String method() {
    return "refine-accuracy";
  }

  private List<Variant> variants() {
    var variants = new LinkedHashSet<Variant>();
    subjects.values().forEach(runs -> runs.forEach(run -> variants.add(run.variant())));
    return List.copyOf(variants);
  }

  private List<Run> runs(String subject, Variant variant) {
    return subjects.getOrDefault(subject, List.of()).stream()
        .filter(run -> run.variant().equals(variant))
        .toList();
  }

  /// Right answers of all seeds together; of 0 items where there is no run.
  private Share share(String subject, Variant variant) {
    int solved = 0;
    int of = 0;
    for (Run run : runs(subject, variant)) {
      solved += run.solved();
      of += run.answers().size();
    }
    return of == 0 ? new Share(0, 1) : new Share(solved, of);
  }

  /// The two variants' answers to the same items, seed by seed; the base answers for every seed.
  private McNemar compared(String subject, Variant variant) {
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
    views.add(accuracies());
    views.add(losses());
    subjects.keySet().forEach(subject -> views.add(bars(subject)));
    views.add(counts());
    views.add(
        View.Text.of(
            "How to read this",
            "A seed draws other rows and other first values. Differences smaller than the intervals"
                + " are not differences. The held-out loss is the steadier measure: it counts every"
                + " token, not a few hundred right or wrong answers."));
    return views;
  }

  private View.Table accuracies() {
    var columns = new ArrayList<>(List.of("% right"));
    columns.addAll(subjects.keySet());
    columns.add("mean");
    columns.add("p against " + against.title());
    var rows = new ArrayList<List<View.Cell>>();
    for (Variant variant : variants()) {
      var row = new ArrayList<View.Cell>();
      row.add(View.Cell.of(variant.title()));
      double sum = 0;
      McNemar all = McNemar.none();
      for (String subject : subjects.keySet()) {
        Share share = share(subject, variant);
        sum += share.value();
        all = all.plus(compared(subject, variant));
        row.add(new View.Quantity(100 * share.value(), 100 * share.low(), 100 * share.high()));
      }
      row.add(View.Cell.of(100 * sum / subjects.size()));
      row.add(
          variant.equals(against)
              ? View.Cell.of("")
              : View.Cell.of(
                  String.format(Locale.ROOT, "%.2g (%+.1f)", all.p(), 100 * all.difference())));
      rows.add(row);
    }
    return new View.Table(
        "Right answers",
        "Does it help? In brackets: points more than " + against.title() + ", over all items.",
        columns,
        rows);
  }

  private View.Table losses() {
    var columns = new ArrayList<>(List.of("nats a held-out token"));
    columns.addAll(subjects.keySet());
    var rows = new ArrayList<List<View.Cell>>();
    for (Variant variant : variants()) {
      if (variant.method().isPresent()) {
        var row = new ArrayList<View.Cell>();
        row.add(View.Cell.of(variant.title()));
        for (String subject : subjects.keySet()) {
          double[] found = runs(subject, variant).stream().mapToDouble(Run::heldOut).toArray();
          double mean = Arrays.stream(found).average().orElse(Double.NaN);
          row.add(
              new View.Quantity(
                  mean,
                  Arrays.stream(found).min().orElse(Double.NaN),
                  Arrays.stream(found).max().orElse(Double.NaN)));
        }
        rows.add(row);
      }
    }
    return new View.Table(
        "Loss on held-out rows",
        "How well are rows predicted that were not learnt? Mean, least and greatest of the seeds.",
        columns,
        rows);
  }

  private View.Ranking bars(String subject) {
    return new View.Ranking(
        subject,
        "Bars with their 95 % intervals, all seeds together.",
        variants().stream()
            .filter(variant -> !runs(subject, variant).isEmpty())
            .map(variant -> {
              Share share = share(subject, variant);
              return View.Item.of(variant.title(), 100 * share.value())
                  .within(100 * share.low(), 100 * share.high());
            })
            .toList(),
        "% right");
  }

  private View.Table counts() {
    var rows = new ArrayList<List<View.Cell>>();
    List<Run> first = subjects.firstEntry().getValue();
    for (Variant variant : variants()) {
      first.stream()
          .filter(run -> run.variant().equals(variant) && run.counts().isPresent())
          .findFirst()
          .ifPresent(run -> rows.add(row(variant, run.counts().orElseThrow())));
    }
    return new View.Table(
        "What was learnt",
        "How many numbers does each take, and what do late steps or a mixture add to steps on the"
            + " other layers? (Thesis: +10.3 % and +0.04 %.)",
        List.of("method", "numbers", "of the model", "late steps add", "mixture adds"),
        rows);
  }

  private static List<View.Cell> row(Variant variant, ParameterCount counts) {
    return List.of(
        View.Cell.of(variant.title()),
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
    List<Variant> variants = variants();
    var methods = Axis.of("method", variants.stream().map(Variant::name).toList());
    subjects
        .keySet()
        .forEach(subject -> {
          float[] values = new float[variants.size()];
          for (int i = 0; i < values.length; i++) {
            values[i] = (float) share(subject, variants.get(i)).value();
          }
          arrays.put("accuracy_" + subject, Grid.vector(methods, values));
        });
    return arrays;
  }
}
