package dev.fathom.evaluate.reasoning;

import static dev.fathom.evaluate.reasoning.Scripts.END;
import static dev.fathom.evaluate.reasoning.Scripts.LETTERS;
import static dev.fathom.evaluate.reasoning.Scripts.SUMS;
import static dev.fathom.evaluate.reasoning.Scripts.TOKENIZER;
import static dev.fathom.evaluate.reasoning.Scripts.saying;
import static dev.fathom.evaluate.reasoning.Scripts.test;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import dev.fathom.data.PromptTemplate.Wording;
import dev.fathom.evaluate.DifferentSetting;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.reasoning.ReasoningEvaluation.Config;
import dev.fathom.evaluate.reasoning.ReasoningResult.Score;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RankedEvaluationTest {
  private static final String FIRST = "one: (A) x (B) y (C) z";
  private static final String SECOND = "other: (A) u (B) v";

  @TempDir private Path folder = Path.of("");

  private static final ScriptedModel MODEL =
      saying(4096, Map.of(FIRST, "The answer is (B)", SECOND, "The answer is (A)"));

  @Test
  void theLikeliestOptionIsTheAnswer() {
    TestSet test = test(LETTERS, FIRST, "B", SECOND, "B");
    try (var items = ItemDirectory.open(folder.resolve("run"), new LinkedHashMap<>())) {
      var result =
          RankedEvaluation.run(MODEL, TOKENIZER, List.of(test), Wording.CLEAN, 16, items, _ -> {});
      Score score = result.scores().getFirst();
      assertThat(score.official().hits()).isEqualTo(1);
      assertThat(score.strict()).isEmpty();
      assertThat(score.unanswered()).isZero();
      assertThat(result.method()).isEqualTo("evaluate-ranked");
      assertThat(result.views().toString()).contains("Ranked").doesNotContain("Generated");
      var found = new ArrayList<Answered>();
      items.forEach(line -> found.add(Answered.read(line)));
      assertThat(found).extracting(Answered::found).containsExactlyInAnyOrder("B", "A");
      assertThat(found).extracting(Answered::stop).containsOnly("ranked");
      for (Answered answered : found) {
        assertThat(answered.scores()).hasSize(answered.number() == 1 ? 3 : 2);
      }
    }
  }

  @Test
  void numbersAndItemsWithoutOptionsCannotBeRanked() {
    assertThatThrownBy(() ->
            RankedEvaluation.run(
                MODEL, TOKENIZER, List.of(test(SUMS, "a", "1")), Wording.CLEAN, 16, _ -> {}))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("Sums asks for numbers");
    assertThatThrownBy(() ->
            RankedEvaluation.run(
                MODEL, TOKENIZER, List.of(test(LETTERS, "a", "A")), Wording.CLEAN, 16, _ -> {}))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("Letters, item 1: its instruction names no options");
  }

  @Test
  void aPromptThatLeavesNoRoomForAnOptionIsToldAndWrong() {
    TestSet test = test(LETTERS, FIRST, "B");
    int prompt = Wording.CLEAN.ids(TOKENIZER, test.items().getFirst().instruction()).length;
    var small = saying(prompt + 1, Map.of(FIRST, "The answer is (B)"));
    Score score =
        RankedEvaluation.run(small, TOKENIZER, List.of(test), Wording.CLEAN, 16, _ -> {})
            .scores()
            .getFirst();
    assertThat(score.tooLong()).isEqualTo(1);
    assertThat(score.official().hits()).isZero();
  }

  private Path run(String name, String answers, Map<String, String> responses, TestSet test) {
    Path directory = folder.resolve(name);
    var settings = new LinkedHashMap<>(Map.of(RunComparison.ANSWERS, answers));
    settings.put("model", name);
    try (var items = ItemDirectory.open(directory, settings)) {
      var config = Config.standard(Wording.CLEAN, Set.of(END));
      ReasoningEvaluation.run(
          saying(4096, responses), TOKENIZER, List.of(test), config, items, _ -> {});
    }
    return directory;
  }

  @Test
  void runsAreComparedItemByItem() {
    TestSet test = test(SUMS, "a", "1", "b", "2", "c", "3", "d", "4");
    Path bad = run("bad", "greedy", Map.of("a", "1", "b", "9"), test);
    Path good = run("good", "greedy", Map.of("a", "1", "b", "2", "c", "3"), test.first(3));
    var found = RunComparison.of(bad, good);
    assertThat(found.rows()).hasSize(1);
    var row = found.rows().getFirst().test();
    assertThat(List.of(row.both(), row.onlyFirst(), row.onlySecond(), row.neither()))
        .containsExactly(1, 0, 2, 0);
    assertThat(found.unpaired()).isEqualTo(1);
    assertThat(found.different()).containsExactly(new DifferentSetting("model", "bad", "good"));
    assertThat(found.views().toString()).contains("0.500", "1 items are in one run only");
    assertThat(Objects.requireNonNull(found.arrays().get("only_second")).integerAt(0)).isEqualTo(2);
  }

  @Test
  void runsThatCannotBeComparedAreRefused() {
    Path one = run("one", "greedy", Map.of(), test(SUMS, "a", "1"));
    Path other = run("other", "greedy", Map.of(), test(SUMS, "b", "1"));
    Path ranked = run("ranked", "ranked", Map.of(), test(SUMS, "a", "1"));
    assertThatThrownBy(() -> RunComparison.of(one, other))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("no item in common");
    assertThatThrownBy(() -> RunComparison.of(one, ranked))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("not comparable");
    assertThatThrownBy(() -> RunComparison.of(one, folder.resolve("none")))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("there is no such file, so this is no directory of a run");
  }
}
