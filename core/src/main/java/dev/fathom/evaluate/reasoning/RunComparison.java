package dev.fathom.evaluate.reasoning;

import dev.fathom.FathomException;
import dev.fathom.Version;
import dev.fathom.evaluate.DifferentSetting;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.McNemar;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import dev.fathom.view.View.Cell;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;

/// Does one run of reasoning tests answer more items rightly than another by more than chance?
/// Items that both runs have are compared one by one, by the official rule ([McNemar]).
///
/// @param first name of the run that is compared with
/// @param second name of the other
/// @param rows one for each task that both runs have
/// @param different settings in which the runs differ: what the difference may come from
/// @param unpaired items that only one run has, and that do not count
public record RunComparison(
    String first,
    String second,
    List<Row> rows,
    List<DifferentSetting> different,
    int unpaired,
    Provenance provenance)
    implements Result {

  /// Name of the settings' entry that says how answers come about.
  public static final String ANSWERS = "answers";

  public RunComparison {
    rows = List.copyOf(rows);
    different = List.copyOf(different);
  }

  /// One task.
  ///
  /// @param task its title
  public record Row(String task, McNemar test) {}

  /// Reads two runs.
  ///
  /// @throws FathomException if they cannot be read, or have no item in common
  /// @throws IllegalArgumentException if one ranked options and the other generated
  public static RunComparison of(Path first, Path second) {
    SequencedMap<String, String> one = ItemDirectory.settings(first);
    SequencedMap<String, String> other = ItemDirectory.settings(second);
    requireSameKind(one, other);
    SequencedMap<String, Answered> theirs = answers(first);
    SequencedMap<String, Answered> ours = answers(second);
    var tests = new LinkedHashMap<String, McNemar>();
    int paired = 0;
    for (Answered answered : theirs.values()) {
      Answered match = ours.get(answered.key());
      if (match != null) {
        paired++;
        tests.merge(
            answered.task(),
            McNemar.none().and(answered.correct(), match.correct()),
            McNemar::plus);
      }
    }
    if (paired == 0) {
      throw new FathomException(
          "%s and %s have no item in common; compare runs over the same tests."
              .formatted(first, second));
    }
    return new RunComparison(
        first.toString(),
        second.toString(),
        tests.entrySet().stream()
            .map(entry -> new Row(title(entry.getKey()), entry.getValue()))
            .toList(),
        DifferentSetting.between(one, other),
        theirs.size() + ours.size() - 2 * paired,
        provenance(first, second));
  }

  private static void requireSameKind(Map<String, String> one, Map<String, String> other) {
    boolean ranked = one.getOrDefault(ANSWERS, "").equals(Answered.RANKED);
    if (ranked != other.getOrDefault(ANSWERS, "").equals(Answered.RANKED)) {
      throw new IllegalArgumentException(
          "One run ranked options and the other generated answers: these are not comparable.");
    }
  }

  private static SequencedMap<String, Answered> answers(Path directory) {
    var answers = new LinkedHashMap<String, Answered>();
    ItemDirectory.forEach(
        directory,
        line -> {
          Answered answered = Answered.read(line);
          answers.put(answered.key(), answered);
        });
    return answers;
  }

  private static String title(String name) {
    return ReasoningTask.ALL.stream()
        .filter(task -> task.name().equals(name))
        .map(ReasoningTask::title)
        .findFirst()
        .orElse(name);
  }

  private static Provenance provenance(Path first, Path second) {
    var parameters = new LinkedHashMap<String, String>();
    parameters.put("first run", first.toString());
    parameters.put("second run", second.toString());
    return new Provenance(
        "",
        "",
        Version.current(),
        List.of(),
        List.of(),
        parameters,
        OptionalLong.empty(),
        "",
        0,
        0);
  }

  /// All tasks together.
  public McNemar all() {
    return rows.stream().map(Row::test).reduce(McNemar.none(), McNemar::plus);
  }

  @Override
  public String method() {
    return "evaluate-compare";
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    views.add(table());
    if (!different.isEmpty()) {
      views.add(DifferentSetting.table(different));
    }
    var notes = new ArrayList<String>();
    notes.add("First: %s. Second: %s.".formatted(first, second));
    notes.add(
        "p: how often a difference at least as large, either way, comes by chance between equally"
            + " good runs (McNemar's exact test over the items that only one got right). It is not"
            + " corrected for the number of tasks.");
    if (unpaired > 0) {
      notes.add("%d items are in one run only, and do not count.".formatted(unpaired));
    }
    views.add(new View.Text("How to read this", "", notes));
    return List.copyOf(views);
  }

  private View table() {
    var cells = new ArrayList<List<Cell>>();
    rows.forEach(row -> cells.add(cells(row.task, row.test)));
    if (rows.size() > 1) {
      cells.add(cells("all", all()));
    }
    return new View.Table(
        "Two runs, item by item",
        "Does the second run answer more items rightly, by more than chance?",
        List.of(
            "task",
            "items",
            "first, %",
            "second, %",
            "difference",
            "only first",
            "only second",
            "p"),
        cells);
  }

  private static List<Cell> cells(String name, McNemar test) {
    double n = test.of();
    return List.of(
        Cell.of(name),
        Cell.of(n),
        Cell.of(100 * (test.both() + test.onlyFirst()) / n),
        Cell.of(100 * (test.both() + test.onlySecond()) / n),
        Cell.of(100 * test.difference()),
        Cell.of(test.onlyFirst()),
        Cell.of(test.onlySecond()),
        Cell.of(String.format(Locale.ROOT, test.p() < 0.001 ? "%.1e" : "%.3f", test.p())));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("both", counts(McNemar::both));
    arrays.put("only_first", counts(McNemar::onlyFirst));
    arrays.put("only_second", counts(McNemar::onlySecond));
    arrays.put("neither", counts(McNemar::neither));
    float[] p = new float[rows.size()];
    for (int i = 0; i < p.length; i++) {
      p[i] = (float) rows.get(i).test.p();
    }
    arrays.put("p", Grid.vector(tasks(), p));
    return arrays;
  }

  private Axis tasks() {
    return Axis.of("task", rows.stream().map(Row::task).toList());
  }

  private Grid counts(ToDoubleFunction<McNemar> count) {
    return Grid.integer(
        List.of(tasks()),
        rows.stream().mapToLong(row -> (long) count.applyAsDouble(row.test)).toArray());
  }
}
