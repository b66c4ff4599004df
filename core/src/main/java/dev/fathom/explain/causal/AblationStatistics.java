package dev.fathom.explain.causal;

import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.MeanInterval;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.causal.PromptSet.Alignment;
import dev.fathom.explain.causal.PromptSet.Item;
import dev.fathom.model.Transformer;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.function.IntConsumer;
import tools.jackson.databind.node.ObjectNode;

/// Over many prompts: which part of the model do answers need, on average, and how sure is that
/// average? For each cell of an [Ablation] the mean over prompts and its 95 % interval.
///
/// Prompts about a subject are laid over each other by what their tokens are ([TokenRole]): a cell
/// is then the mean over a prompt's tokens of that role, averaged over the prompts that have one.
/// Prompts of one length can be averaged position by position, and heads always.
///
/// The interval says how much the mean would move with other prompts of the same kind. A mean near
/// 0 may hide prompts of opposite effects: look into `items.jsonl`.
public final class AblationStatistics {
  private AblationStatistics() {}

  /// Ablates the prompts that the directory does not have yet, and sums up all of them.
  ///
  /// @param items opened with settings that tell these prompts, this model and this `config` from
  ///   others
  /// @param listener is told of each prompt that is done
  /// @throws IllegalArgumentException if positions are wanted and cannot be laid over each other
  public static AblationStatisticsResult run(
      Transformer model,
      Tokenizer tokenizer,
      PromptSet prompts,
      Ablation.Config config,
      ItemDirectory items,
      IntConsumer listener) {
    long start = System.nanoTime();
    boolean positional = config.parts().stream().anyMatch(part -> part != Ablation.Part.HEAD);
    Optional<Alignment> alignment =
        positional ? Optional.of(prompts.alignment(model, tokenizer)) : Optional.empty();
    for (Item item : prompts.items()) {
      if (!items.has(item.key())) {
        var question = item.question(model, prompts.metric());
        var result = Ablation.run(model, tokenizer, question, config);
        items.append(item.key(), line -> write(line, item, result, alignment));
      }
      listener.accept(1);
    }
    return totals(model, prompts, config, alignment, items, start);
  }

  private static void write(
      ObjectNode line, Item item, AblationResult result, Optional<Alignment> alignment) {
    var parameters = result.provenance().parameters();
    line.put("tokens", item.prompt().length());
    line.put("target_text", parameters.get("target"));
    line.put("clean", result.clean());
    ObjectNode effects = line.putObject("effects");
    result
        .effects()
        .forEach((part, effect) ->
            MeanMap.write(
                effects.putArray(part.text()),
                part == Ablation.Part.HEAD
                    ? effect.values()
                    : alignment.orElseThrow().of(item, effect.values(), effect.axis(1).size())));
  }

  private static AblationStatisticsResult totals(
      Transformer model,
      PromptSet prompts,
      Ablation.Config config,
      Optional<Alignment> alignment,
      ItemDirectory items,
      long start) {
    Axis layers = Axis.index("layer", model.layers());
    Axis heads = Axis.index("head", model.blocks().getFirst().attention().heads());
    var sums = new LinkedHashMap<Ablation.Part, MeanMap.Sum>();
    for (Ablation.Part part : Ablation.Part.values()) {
      if (config.parts().contains(part)) {
        sums.put(
            part,
            new MeanMap.Sum(
                layers, part == Ablation.Part.HEAD ? heads : alignment.orElseThrow().axis()));
      }
    }
    var clean = new MeanInterval();
    items.forEach(item -> {
      clean.add(item.path("clean").asDouble());
      sums.forEach((part, sum) -> sum.add(item.path("effects").path(part.text())));
    });
    var effects = new LinkedHashMap<Ablation.Part, MeanMap>();
    sums.forEach((part, sum) -> effects.put(part, sum.mean()));
    return new AblationStatisticsResult(
        Provenances.of(
            model,
            (System.nanoTime() - start) / 1e9,
            "prompts",
            Integer.toString(items.size()),
            "metric",
            prompts.metric().text(),
            "instead",
            config.instead().words(),
            "columns",
            alignment.isEmpty() ? "none" : alignment.get().byRole() ? "roles" : "positions"),
        prompts.metric(),
        items.size(),
        alignment.isPresent() && alignment.get().byRole(),
        alignment.isPresent() && alignment.get().startToken(),
        MeanMap.Average.of(clean),
        effects);
  }
}
