package dev.fathom.evaluate.reasoning;

import dev.fathom.evaluate.Share;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import dev.fathom.view.View.Cell;
import dev.fathom.view.View.Item;
import dev.fathom.view.View.Quantity;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;

/// How many items of each test were answered rightly.
///
/// @param mode how answers came about; numbers of different modes are not comparable
/// @param scores one for each task, in the order asked for
public record ReasoningResult(Mode mode, List<Score> scores, Provenance provenance)
    implements Result {
  public ReasoningResult {
    scores = List.copyOf(scores);
  }

  /// How answers come about.
  public enum Mode {
    /// The model writes, and the answer is looked for in what it wrote.
    GENERATED,
    /// The likeliest of the options an item offers.
    RANKED
  }

  /// What was found of one task.
  ///
  /// @param official right answers by the official rule (generated) or the first option (ranked),
  ///   among all items asked
  /// @param strict right answers by the strict rule, where the task has one
  /// @param unanswered items in whose response no answer was found; they count as wrong
  /// @param tooLong how many of these have a prompt that the model cannot read
  /// @param of items in the file, of which some may have been asked
  public record Score(
      ReasoningTask task,
      Share official,
      Optional<Share> strict,
      int unanswered,
      int tooLong,
      int of) {}

  static ReasoningResult of(
      Mode mode, List<TestSet> tests, ReasoningEvaluation.Kept kept, Provenance provenance) {
    return new ReasoningResult(
        mode,
        tests.stream()
            .map(test -> {
              ReasoningTask task = test.task();
              return score(test, test.items().stream().map(item -> kept.get(item, task)).toList());
            })
            .toList(),
        provenance);
  }

  private static Score score(TestSet test, List<Answered> answers) {
    int n = answers.size();
    boolean strict = answers.stream().allMatch(answered -> answered.correctStrict().isPresent());
    int right = answers.stream().mapToInt(answered -> answered.correctStrict().orElse(0)).sum();
    return new Score(
        test.task(),
        new Share((int) answers.stream().filter(Answered::correct).count(), n),
        strict ? Optional.of(new Share(right, n)) : Optional.empty(),
        (int) answers.stream().filter(answered -> answered.found().isEmpty()).count(),
        (int) answers.stream().filter(a -> a.stop().equals(Answered.TOO_LONG)).count(),
        test.of());
  }

  @Override
  public String method() {
    return mode == Mode.RANKED ? "evaluate-ranked" : "evaluate";
  }

  /// The mean of the tasks' accuracies, each counting the same, as tables of papers have it.
  public double average() {
    return scores.stream().mapToDouble(score -> score.official.value()).average().orElseThrow();
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    views.add(table());
    if (scores.size() > 1) {
      views.add(
          new View.Ranking(
              title(),
              "Bars are 95 % intervals: overlapping ones may differ by chance.",
              scores.stream()
                  .map(score ->
                      Item.of(score.task.title(), 100 * score.official.value())
                          .within(100 * score.official.low(), 100 * score.official.high()))
                  .toList(),
              "% right"));
    }
    views.add(new View.Text("How this was found", "", notes()));
    return List.copyOf(views);
  }

  private String title() {
    return mode == Mode.RANKED ? "Right options, ranked" : "Right answers";
  }

  private View table() {
    boolean strict = scores.stream().anyMatch(score -> score.strict.isPresent());
    var columns = new ArrayList<>(List.of("task", "items", "right"));
    columns.add(mode == Mode.RANKED ? "ranked, %" : "official, %");
    if (strict) {
      columns.add("strict, %");
    }
    columns.add("no answer");
    var rows = new ArrayList<List<Cell>>();
    for (Score score : scores) {
      rows.add(row(score, strict));
    }
    if (scores.size() > 1) {
      var mean = new ArrayList<>(List.<Cell>of(Cell.of("average"), Cell.of(""), Cell.of("")));
      mean.add(Cell.of(100 * average()));
      if (strict) {
        mean.add(Cell.of(""));
      }
      mean.add(Cell.of(""));
      rows.add(mean);
    }
    return new View.Table(title(), "How many items does the model answer rightly?", columns, rows);
  }

  private static List<Cell> row(Score score, boolean strict) {
    var row = new ArrayList<Cell>();
    row.add(Cell.of(score.task.title()));
    row.add(Cell.of(score.official.of()));
    row.add(Cell.of(score.official.hits()));
    row.add(percent(score.official));
    if (strict) {
      row.add(score.strict.map(ReasoningResult::percent).orElse(Cell.of("")));
    }
    row.add(Cell.of(score.unanswered));
    return row;
  }

  private static Cell percent(Share share) {
    return new Quantity(100 * share.value(), 100 * share.low(), 100 * share.high());
  }

  private List<String> notes() {
    var notes = new ArrayList<String>();
    String template = provenance.parameters().getOrDefault("template", "");
    notes.add(
        mode == Mode.RANKED
            ? "Ranked: the option with the greatest mean log-probability of its tokens after the"
                + " prompt (template %s). Nothing was generated; do not compare with generated"
                    .formatted(template)
                + " answers. Intervals are Wilson's, 95 %."
            : "Generated: %s, template %s. Intervals are Wilson's, 95 %%."
                .formatted(provenance.parameters().getOrDefault("answers", ""), template));
    for (Score score : scores) {
      String title = score.task.title();
      if (score.official.of() < score.of) {
        notes.add("%s: %d of %d items.".formatted(title, score.official.of(), score.of));
      }
      if (score.task.items() > 0 && score.of != score.task.items()) {
        notes.add(
            "%s: the file has %d items, the published test %d."
                .formatted(title, score.of, score.task.items()));
      }
      if (score.tooLong > 0) {
        notes.add(
            "%s: %d of %d prompts do not fit the model's context, and count as wrong."
                .formatted(title, score.tooLong, score.official.of()));
      }
    }
    return notes;
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("accuracy", grid(score -> score.official.value()));
    arrays.put("accuracy_low", grid(score -> score.official.low()));
    arrays.put("accuracy_high", grid(score -> score.official.high()));
    arrays.put("correct", counts(score -> score.official.hits()));
    arrays.put("items", counts(score -> score.official.of()));
    arrays.put("unanswered", counts(score -> score.unanswered));
    if (scores.stream().anyMatch(score -> score.strict.isPresent())) {
      arrays.put(
          "accuracy_strict", grid(score -> score.strict.map(Share::value).orElse(Double.NaN)));
    }
    return arrays;
  }

  private Axis tasks() {
    return Axis.of("task", scores.stream().map(score -> score.task.name()).toList());
  }

  private Grid grid(ToDoubleFunction<Score> value) {
    float[] values = new float[scores.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) value.applyAsDouble(scores.get(i));
    }
    return Grid.vector(tasks(), values);
  }

  private Grid counts(ToDoubleFunction<Score> value) {
    return Grid.integer(
        List.of(tasks()), scores.stream().mapToLong(s -> (long) value.applyAsDouble(s)).toArray());
  }
}
