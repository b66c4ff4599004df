package dev.fathom.evaluate.reasoning;

import static dev.fathom.evaluate.reasoning.Scripts.END;
import static dev.fathom.evaluate.reasoning.Scripts.LETTERS;
import static dev.fathom.evaluate.reasoning.Scripts.SUMS;
import static dev.fathom.evaluate.reasoning.Scripts.TOKENIZER;
import static dev.fathom.evaluate.reasoning.Scripts.saying;
import static dev.fathom.evaluate.reasoning.Scripts.test;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import dev.fathom.data.PromptTemplate.Wording;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.reasoning.ReasoningEvaluation.Config;
import dev.fathom.evaluate.reasoning.ReasoningResult.Score;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

class ReasoningEvaluationTest {
  private static final Config GREEDY = Config.standard(Wording.CLEAN, Set.of(END));

  @TempDir private Path folder = Path.of("");

  private static List<Answered> read(ItemDirectory items) {
    var all = new ArrayList<Answered>();
    items.forEach(line -> all.add(Answered.read(line)));
    return all;
  }

  private ItemDirectory directory() {
    return ItemDirectory.open(folder.resolve("run"), new LinkedHashMap<>());
  }

  @Test
  void rightAnswersAreCountedByTheOfficialAndTheStrictRule() {
    var model =
        saying(
            4096,
            Map.of(
                "2 + 2",
                "2 + 2 = 4. The answer is 4.",
                "3 + 3",
                "Seven: 7!",
                "5 + 5",
                "Ten.",
                "which",
                "Answer: C",
                "what",
                "The answer is B."));
    var result =
        ReasoningEvaluation.run(
            model,
            TOKENIZER,
            List.of(
                test(SUMS, "2 + 2", "4.0", "3 + 3", "6.0", "5 + 5", "10"),
                test(LETTERS, "which", "C", "what", "B")),
            GREEDY,
            _ -> {});
    Score sums = result.scores().getFirst();
    assertThat(sums.official().hits()).isEqualTo(1);
    assertThat(sums.official().of()).isEqualTo(3);
    assertThat(sums.strict()).isEmpty();
    assertThat(sums.unanswered()).isEqualTo(1);
    Score letters = result.scores().getLast();
    assertThat(letters.official().hits()).isEqualTo(1); // A of "Answer", B
    assertThat(letters.strict().map(share -> share.hits())).isEqualTo(Optional.of(2));
    assertThat(result.average()).isCloseTo((1 / 3.0 + 1 / 2.0) / 2, within(1e-12));
    assertThat(result.arrays()).containsKeys("accuracy", "accuracy_strict", "correct", "items");
    assertThat(result.views().toString())
        .contains("greedy", "template clean", "the published test 3")
        .contains("the file has 2 items");
  }

  @Test
  void theResponseEndsBeforeTheNextOne() {
    var model = saying(4096, Map.of("q", " 4 \n\n### Response:\n5"));
    try (var items = directory()) {
      ReasoningEvaluation.run(
          model, TOKENIZER, List.of(test(SUMS, "q", "4")), GREEDY, items, _ -> {});
      Answered only = read(items).getFirst();
      assertThat(only.response()).isEqualTo("4");
      assertThat(only.correct()).isTrue();
      assertThat(only.stop()).isEqualTo("stop_text");
    }
    var beams = GREEDY.withBeams(2);
    assertThat(beams.decoding(SUMS).stopTexts()).isEmpty();
    var result =
        ReasoningEvaluation.run(model, TOKENIZER, List.of(test(SUMS, "q", "4")), beams, _ -> {});
    assertThat(result.scores().getFirst().official().hits()).isEqualTo(1);
    assertThat(result.provenance().parameters()).containsEntry("answers", "2 beams");
  }

  @Test
  void batchesChangeNothingAndTheTasksOwnLengthCounts() {
    String[] questions = new String[20];
    var responses = new LinkedHashMap<String, String>();
    for (int i = 0; i < 10; i++) {
      questions[2 * i] = "question " + "x".repeat(i) + i;
      questions[2 * i + 1] = Integer.toString(i);
      responses.put(questions[2 * i], "well ".repeat(4 * i) + i);
    }
    var model = saying(4096, responses);
    List<TestSet> tests = List.of(test(SUMS, questions));
    var together = ReasoningEvaluation.run(model, TOKENIZER, tests, GREEDY, _ -> {});
    var alone = ReasoningEvaluation.run(model, TOKENIZER, tests, GREEDY.withBatch(1), _ -> {});
    assertThat(together.arrays()).isEqualTo(alone.arrays());
    int right = together.scores().getFirst().official().hits();
    assertThat(right).isBetween(1, 9); // long ones are cut off at 40 tokens
    var all = ReasoningEvaluation.run(model, TOKENIZER, tests, GREEDY.withMaxTokens(200), _ -> {});
    assertThat(all.scores().getFirst().official().hits()).isEqualTo(10);
  }

  @Test
  void aRunGoesOnWhereItWasAndAddsItems() {
    var model = saying(4096, Map.of("a", "1", "bb", "2", "ccc", "3"));
    TestSet all = test(SUMS, "a", "1", "bb", "2", "ccc", "4");
    var done = new AtomicInteger();
    try (var items = directory()) {
      ReasoningEvaluation.run(
          model, TOKENIZER, List.of(all.first(2)), GREEDY, items, done::addAndGet);
      assertThat(done).hasValue(2);
    }
    model.batches.clear();
    try (var items = directory()) {
      var again =
          ReasoningEvaluation.run(model, TOKENIZER, List.of(all.first(2)), GREEDY, items, _ -> {});
      assertThat(model.batches).isEmpty();
      assertThat(again.scores().getFirst().official().hits()).isEqualTo(2);
      var more = ReasoningEvaluation.run(model, TOKENIZER, List.of(all), GREEDY, items, _ -> {});
      assertThat(more.scores().getFirst().official().hits()).isEqualTo(2);
      assertThat(more.scores().getFirst().official().of()).isEqualTo(3);
      assertThat(read(items)).hasSize(3);
      // another question under the same number is another item
      TestSet changed = test(SUMS, "a?", "1");
      ReasoningEvaluation.run(model, TOKENIZER, List.of(changed), GREEDY, items, _ -> {});
      assertThat(read(items)).hasSize(4);
    }
  }

  @Test
  void whatDoesNotFitCountsAsWrongAndIsTold() {
    TestSet test = test(SUMS, "a", "1", "b ".repeat(200), "1");
    int shorter = Wording.CLEAN.ids(TOKENIZER, test.items().getFirst().instruction()).length;
    var model = saying(shorter + 2, Map.of("a", "1 and more"));
    var result = ReasoningEvaluation.run(model, TOKENIZER, List.of(test), GREEDY, _ -> {});
    Score score = result.scores().getFirst();
    assertThat(score.official().hits()).isEqualTo(1);
    assertThat(score.tooLong()).isEqualTo(1);
    assertThat(result.views().toString()).contains("1 of 2 prompts do not fit the model");
  }

  @Test
  void anAnswerInJsonComesBackAsItWas() {
    TestSet.Item item = test(LETTERS, "q", "B").items().getFirst();
    for (Answered answered :
        List.of(
            Answered.generated(LETTERS, item, "The answer is (B).", 7, "stop_token"),
            Answered.generated(SUMS, item, "", 0, Answered.TOO_LONG),
            Answered.ranked(LETTERS, item, Map.of("A", -2.5, "B", -0.25)))) {
      var line = JsonMapper.shared().createObjectNode();
      line.put("key", answered.key());
      answered.write(line);
      assertThat(Answered.read(line)).isEqualTo(answered);
    }
    assertThat(item.key(LETTERS)).matches("letters/1/[0-9a-f]{8}");
  }

  @Test
  void samplesAreInFileOrderAndGrowWithTheirCount() {
    TestSet all = test(SUMS, IntStream.range(0, 40).mapToObj(i -> "q" + i).toArray(String[]::new));
    TestSet some = all.sample(5, 3);
    assertThat(some.items()).hasSize(5).isSortedAccordingTo((a, b) -> a.number() - b.number());
    assertThat(all.sample(5, 3)).isEqualTo(some);
    assertThat(all.sample(9, 3).items()).containsAll(some.items());
    assertThat(all.sample(5, 4)).isNotEqualTo(some);
    assertThat(all.sample(500, 3).items()).isEqualTo(all.items());
    assertThat(all.first(3).items()).isEqualTo(all.items().subList(0, 3));
    assertThatThrownBy(() -> all.first(0)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void theTableOfTasksIsThePublishedOne() {
    assertThat(ReasoningTask.ALL).hasSize(11);
    assertThat(ReasoningTask.ALL.stream().mapToInt(ReasoningTask::items).sum())
        .isEqualTo(395 + 254 + 1319 + 238 + 600 + 508 + 1000 + 2376 + 1172 + 3270 + 500);
    assertThat(ReasoningTask.named("obqa").file(Path.of("d")))
        .isEqualTo(Path.of("d", "openbookqa", "test.json"));
    assertThat(ReasoningTask.named("aqua").maxTokens()).isEqualTo(256);
    assertThat(ReasoningTask.named("boolq").maxTokens()).isEqualTo(32);
    assertThatThrownBy(() -> ReasoningTask.named("swamp"))
        .hasMessageContaining("There is no task swamp: choose from addsub, aqua");
  }

  @Test
  void aFileOfAnotherTaskIsRefused() throws IOException {
    Files.createDirectories(folder.resolve("boolq"));
    Files.writeString(
        folder.resolve("boolq/test.json"),
        "[{\"instruction\": \"a\", \"answer\": \"true\"},"
            + " {\"instruction\": \"b\", \"answer\": 4}]");
    assertThatThrownBy(() -> ReasoningTask.named("boolq").read(folder))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("item 2: \"4\" is no answer of BoolQ");
  }
}
