package dev.fathom.evaluate.reasoning;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalInt;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// What a model made of one item, as a run keeps it.
///
/// @param key names the item
/// @param task its task's name
/// @param number its place in the task's file, from 1
/// @param answer the right one
/// @param response what the model said, cut and stripped; empty in ranked runs
/// @param found the answer in it by the official rule, or the option ranked first; empty for none
/// @param correct whether that is right
/// @param foundStrict the answer by the strict rule
/// @param correctStrict whether that is right: 1 or 0; empty where the task has no strict rule
/// @param tokens how many were generated
/// @param stop why the response ends: `stop_token`, `stop_text`, `max_tokens`, `context`, or
///   `too_long` where the prompt left no room for any; `ranked` where nothing was generated
/// @param scores of ranked options, mean log-probability in nats a token
record Answered(
    String key,
    String task,
    int number,
    String answer,
    String response,
    String found,
    boolean correct,
    String foundStrict,
    OptionalInt correctStrict,
    int tokens,
    String stop,
    Map<String, Double> scores) {

  static final String TOO_LONG = "too_long";
  static final String RANKED = "ranked";

  /// A generated response.
  static Answered generated(
      ReasoningTask task, TestSet.Item item, String response, int tokens, String stop) {
    AnswerKind kind = task.kind();
    String answer = item.instruction().answer();
    String found = kind.official(response);
    String strict = kind.strict(response);
    return new Answered(
        item.key(task),
        task.name(),
        item.number(),
        answer,
        response,
        found,
        kind.matches(found, answer),
        strict,
        kind.hasStrict()
            ? OptionalInt.of(kind.matches(strict, answer) ? 1 : 0)
            : OptionalInt.empty(),
        tokens,
        stop,
        Map.of());
  }

  /// Ranked options; none where the item did not fit.
  static Answered ranked(ReasoningTask task, TestSet.Item item, Map<String, Double> scores) {
    String answer = item.instruction().answer();
    String best = "";
    double highest = Double.NEGATIVE_INFINITY;
    for (Map.Entry<String, Double> option : scores.entrySet()) {
      if (best.isEmpty() || option.getValue() > highest) {
        best = option.getKey();
        highest = option.getValue();
      }
    }
    return new Answered(
        item.key(task),
        task.name(),
        item.number(),
        answer,
        "",
        best,
        best.equals(answer),
        "",
        OptionalInt.empty(),
        0,
        scores.isEmpty() ? TOO_LONG : RANKED,
        scores);
  }

  void write(ObjectNode line) {
    line.put("task", task).put("number", number).put("answer", answer);
    if (scores.isEmpty()) {
      line.put("response", response);
    } else {
      ObjectNode options = line.putObject("scores");
      scores.forEach(options::put);
    }
    line.put("found", found).put("correct", correct);
    correctStrict.ifPresent(
        right -> line.put("found_strict", foundStrict).put("correct_strict", right == 1));
    line.put("tokens", tokens).put("stop", stop);
  }

  static Answered read(JsonNode line) {
    var scores = new LinkedHashMap<String, Double>();
    line.path("scores").forEachEntry((option, score) -> scores.put(option, score.asDouble()));
    JsonNode strict = line.path("correct_strict");
    return new Answered(
        line.path("key").asString(""),
        line.path("task").asString(""),
        line.path("number").asInt(0),
        line.path("answer").asString(""),
        line.path("response").asString(""),
        line.path("found").asString(""),
        line.path("correct").asBoolean(false),
        line.path("found_strict").asString(""),
        strict.isBoolean() ? OptionalInt.of(strict.asBoolean() ? 1 : 0) : OptionalInt.empty(),
        line.path("tokens").asInt(0),
        line.path("stop").asString(""),
        scores);
  }
}
