package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.data.PromptFile;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.causal.PromptSet;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// One prompt, and what is measured of the model's answer: target, foil, metric, position. Every
/// method that changes or attributes takes these.
final class QuestionOptions {
  @Mixin private final ReadingOptions reading = new ReadingOptions();

  @Option(
      names = "--foil",
      paramLabel = "TEXT",
      description = "What the model could say instead of the target; for logitdiff.")
  private @Nullable String foil;

  @Option(
      names = "--metric",
      paramLabel = "METRIC",
      description =
          "What is measured: logit, logitdiff (target less foil), logprob, prob or kl. Default:"
              + " logitdiff with --foil, otherwise logit (attribute: logprob).")
  private @Nullable String metric;

  /// The one prompt the user gave.
  Prompt prompt(LoadedModel model, Console console) {
    return reading.prompt(model, console);
  }

  ReadingOptions reading() {
    return reading;
  }

  /// Whether the user says what the model could say instead.
  boolean hasFoil() {
    return foil != null;
  }

  /// What the options ask about it.
  ///
  /// @throws IllegalArgumentException if target and foil are the same, or the metric needs a foil
  Question question(LoadedModel model, Prompt prompt) {
    return question(model, prompt, Metric.LOGIT);
  }

  /// The same with another metric where the user names neither one nor a foil.
  Question question(LoadedModel model, Prompt prompt, Metric usual) {
    Question question = reading.question(model, prompt);
    if (foil != null) {
      question = question.withFoil(ReadingOptions.targetId(model, prompt, foil));
    }
    Metric unnamed = foil == null ? usual : Metric.LOGIT_DIFFERENCE;
    return question.measuredBy(metric == null ? unnamed : Metric.named(metric));
  }

  /// What the options ask about a file of prompts. Without a named metric, the difference of logits
  /// where every line has a foil, otherwise the usual one.
  PromptSet set(LoadedModel model, Path file, Metric usual) {
    var items = new ArrayList<PromptSet.Item>();
    PromptFile.forEach(
        file, line -> items.add(reading.setItem(model, file, line, Optional.ofNullable(foil))));
    boolean foils = items.stream().allMatch(item -> item.foil().isPresent());
    Metric chosen = metric == null ? foils ? Metric.LOGIT_DIFFERENCE : usual : Metric.named(metric);
    return new PromptSet(items, chosen);
  }

  /// Everything here that decides what is found for a file of prompts, by name.
  void describe(Map<String, String> settings) {
    reading.describe(settings);
    settings.put("foil", foil == null ? "" : foil);
    settings.put("metric", metric == null ? "usual" : metric);
  }
}
