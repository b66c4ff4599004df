package dev.fathom.explain;

import java.util.Arrays;
import java.util.Locale;
import java.util.Map;

/// What a change is measured by: a number read off the logits at the position in question.
public enum Metric {
  /// The target's logit.
  LOGIT("logit", "logits"),
  /// The target's logit less the foil's (Zhang and Nanda 2024).
  LOGIT_DIFFERENCE("logitdiff", "logits"),
  /// `ln p(target)`.
  LOG_PROB("logprob", "nats"),
  /// `p(target)`.
  PROBABILITY("prob", "probability"),
  /// `KL(p_clean ‖ p)`: how far the whole prediction has moved, 0 for the clean run.
  KL("kl", "nats");

  private final String text;
  private final String unit;

  Metric(String text, String unit) {
    this.text = text;
    this.unit = unit;
  }

  /// The name on the command line.
  public String text() {
    return text;
  }

  /// What it is measured in.
  public String unit() {
    return unit;
  }

  /// What is measured, whatever is asked about.
  public String noun() {
    return switch (this) {
      case LOGIT -> "logit";
      case LOGIT_DIFFERENCE -> "logit difference";
      case LOG_PROB -> "log probability";
      case PROBABILITY -> "probability";
      case KL -> "divergence";
    };
  }

  /// What is measured, in words: `the logit of ' Mary' less that of ' John'`.
  ///
  /// @param parameters of a result, with its target and, where there is one, its foil
  public String words(Map<String, String> parameters) {
    String target = "'%s'".formatted(parameters.getOrDefault("target", "the target"));
    String foil = "'%s'".formatted(parameters.getOrDefault("foil", "the foil"));
    return switch (this) {
      case LOGIT -> "the logit of " + target;
      case LOGIT_DIFFERENCE -> "the logit of %s less that of %s".formatted(target, foil);
      case LOG_PROB -> "the log probability of " + target;
      case PROBABILITY -> "the probability of " + target;
      case KL -> "the distance from the clean prediction";
    };
  }

  /// How much a change took away: `clean − changed`, so that larger means more important; for
  /// [#KL], which is 0 on the clean run, the divergence itself.
  public double effect(double clean, double changed) {
    return this == KL ? changed : clean - changed;
  }

  /// @throws IllegalArgumentException if there is no such metric
  public static Metric named(String text) {
    return Arrays.stream(values())
        .filter(metric -> metric.text.equals(text.toLowerCase(Locale.ROOT)))
        .findFirst()
        .orElseThrow(() ->
            new IllegalArgumentException(
                "There is no metric '%s': choose one of %s."
                    .formatted(
                        text,
                        String.join(", ", Arrays.stream(values()).map(Metric::text).toList()))));
  }
}
