package dev.fathom.explain.causal;

import dev.fathom.data.TokenSpan;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.MeanInterval;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Names;
import dev.fathom.explain.causal.PromptSet.Alignment;
import dev.fathom.explain.causal.PromptSet.Item;
import dev.fathom.model.Transformer;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.function.IntConsumer;
import tools.jackson.databind.node.ObjectNode;

/// Over many facts: where are they recalled, on average? For each layer and kind of token
/// ([TokenRole]) the mean indirect effect of a [CausalTracing] with its 95 % interval (Meng et al.
/// 2022, Fig 2). The noise has one strength for all: its unit is the deviation of the embeddings of
/// all subjects.
///
/// What is not known cannot be recalled: by default only prompts count whose target is the model's
/// own first choice.
///
/// It misleads as the maps of one prompt do, and the mean over a role hides where in it the effect
/// is.
public final class TracingStatistics {
  private TracingStatistics() {}

  /// Which prompts count.
  public enum Counted {
    /// Those whose target the model says itself.
    KNOWN,
    ALL
  }

  /// Traces the prompts that the directory does not have yet, and sums up all of them.
  ///
  /// @param prompts each with its subject
  /// @param config its deviation, where there is none, is taken from all subjects
  /// @param items opened with settings that tell these prompts, this model and this `config` from
  ///   others
  /// @param listener is told of each prompt that is done
  /// @throws IllegalArgumentException if a prompt has no subject, or none counts
  public static TracingStatisticsResult run(
      Transformer model,
      Tokenizer tokenizer,
      PromptSet prompts,
      CausalTracing.Config config,
      Counted counted,
      ItemDirectory items,
      IntConsumer listener) {
    long start = System.nanoTime();
    for (Item item : prompts.items()) {
      if (item.subject().isEmpty()) {
        throw new IllegalArgumentException(
            "Prompt '%s' has no subject, the tokens that tracing drowns in noise: name it (\"subject\" in its line)."
                .formatted(item.key()));
      }
    }
    Alignment alignment = prompts.alignment(model, tokenizer);
    double deviation = config.deviation().orElseGet(() -> deviation(model, prompts));
    CausalTracing.Config same = config.withDeviation(deviation);
    for (Item item : prompts.items()) {
      if (!items.has(item.key())) {
        one(model, tokenizer, prompts, item, same, counted, alignment, items);
      }
      listener.accept(1);
    }
    return totals(model, prompts, same, alignment, items, deviation, start);
  }

  /// Of the embeddings of all subjects.
  private static double deviation(Transformer model, PromptSet prompts) {
    return CausalTracing.deviation(
        model,
        prompts.items().stream()
            .map(item -> {
              TokenSpan subject = item.subject().orElseThrow();
              return Arrays.copyOfRange(item.prompt().ids(), subject.first(), subject.last() + 1);
            })
            .toList());
  }

  private static void one(
      Transformer model,
      Tokenizer tokenizer,
      PromptSet prompts,
      Item item,
      CausalTracing.Config config,
      Counted counted,
      Alignment alignment,
      ItemDirectory items) {
    int said = item.said(model);
    var names = new Names(model, tokenizer);
    boolean known = said == item.target().orElse(said);
    if (counted == Counted.KNOWN && !known) {
      items.append(item.key(), line -> head(line, item, names, said).put("counted", false));
      return;
    }
    TokenSpan subject = item.subject().orElseThrow();
    var question =
        (item.target().isPresent() ? item : item.withTarget(said))
            .question(model, prompts.metric());
    var result = CausalTracing.run(model, tokenizer, question, subject, config);
    items.append(
        item.key(),
        line -> {
          head(line, item, names, said).put("counted", true);
          line.put("high", result.high());
          line.put("low", result.low());
          line.put("total_effect", result.totalEffect());
          ObjectNode effects = line.putObject("indirect_effects");
          result
              .maps()
              .forEach((state, _) -> {
                float[] effect = result.indirectEffect(state).values();
                int length = effect.length / model.layers();
                if (model.card().causal()) {
                  forget(effect, length, subject.first());
                }
                MeanMap.write(effects.putArray(state.text()), alignment.of(item, effect, length));
              });
        });
  }

  /// What stands before the subject is not noisy: there is nothing to put back.
  private static void forget(float[] effect, int length, int first) {
    for (int i = 0; i < effect.length; i++) {
      if (i % length < first) {
        effect[i] = Float.NaN;
      }
    }
  }

  private static ObjectNode head(ObjectNode line, Item item, Names names, int said) {
    return line.put("tokens", item.prompt().length())
        .put("target_text", names.output(item.target().orElse(said)))
        .put("said", names.output(said));
  }

  private static TracingStatisticsResult totals(
      Transformer model,
      PromptSet prompts,
      CausalTracing.Config config,
      Alignment alignment,
      ItemDirectory items,
      double deviation,
      long start) {
    var sums = new LinkedHashMap<CausalTracing.State, MeanMap.Sum>();
    for (CausalTracing.State state : CausalTracing.State.values()) {
      if (config.states().contains(state)) {
        sums.put(state, new MeanMap.Sum(Axis.index("layer", model.layers()), alignment.axis()));
      }
    }
    var high = new MeanInterval();
    var low = new MeanInterval();
    var total = new MeanInterval();
    items.forEach(item -> {
      if (item.path("counted").asBoolean()) {
        high.add(item.path("high").asDouble());
        low.add(item.path("low").asDouble());
        total.add(item.path("total_effect").asDouble());
        sums.forEach((state, sum) -> sum.add(item.path("indirect_effects").path(state.text())));
      }
    });
    if (high.count() == 0) {
      throw new IllegalArgumentException(
          "None of the %,d targets is what the model says itself, so there is nothing to trace: see \"said\" in %s, or count all prompts."
              .formatted(items.size(), items.path().resolve("items.jsonl")));
    }
    var maps = new LinkedHashMap<CausalTracing.State, MeanMap>();
    sums.forEach((state, sum) -> maps.put(state, sum.mean()));
    return new TracingStatisticsResult(
        Provenances.of(
            model,
            (System.nanoTime() - start) / 1e9,
            "prompts",
            Integer.toString(items.size()),
            "counted",
            Long.toString(high.count()),
            "metric",
            prompts.metric().text(),
            "noise",
            String.format(Locale.ROOT, "%.4g × %.4g", config.strength(), deviation),
            "samples",
            Integer.toString(config.samples()),
            "window",
            Integer.toString(config.window()),
            "seed",
            Long.toString(config.seed())),
        prompts.metric(),
        items.size(),
        (int) high.count(),
        MeanMap.Average.of(high),
        MeanMap.Average.of(low),
        MeanMap.Average.of(total),
        maps);
  }
}
