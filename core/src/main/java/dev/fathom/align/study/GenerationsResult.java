package dev.fathom.align.study;

import dev.fathom.evaluate.GenerationQuality;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import dev.fathom.view.View.Cell;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.stream.Collectors;

/// What several models made of the same prompts: see [Generations].
///
/// @param speakers the base first
public record GenerationsResult(Provenance provenance, List<String> prompts, List<Spoken> speakers)
    implements Result {
  private static final String READING =
      "Anecdotes: one token that is a little less likely changes all that follows, and a changed"
          + " text is no evidence of less bias. fathom align table measures that.";

  public GenerationsResult {
    prompts = List.copyOf(prompts);
    speakers = List.copyOf(speakers);
    for (Spoken spoken : speakers) {
      if (spoken.texts.size() != prompts.size()) {
        throw new IllegalArgumentException(
            "%s has %d texts for %d prompts"
                .formatted(spoken.name, spoken.texts.size(), prompts.size()));
      }
    }
  }

  /// One model's texts.
  ///
  /// @param texts one for each prompt
  /// @param quality of all of them
  public record Spoken(String name, List<Continued> texts, GenerationQuality quality) {
    public Spoken {
      texts = List.copyOf(texts);
    }

    /// The mean divergence over the prompts; not a number where tokens differ from the base's.
    public double divergence() {
      return texts.stream().mapToDouble(Continued::divergence).average().orElse(Double.NaN);
    }
  }

  /// How one prompt went on.
  ///
  /// @param tokens that were generated
  /// @param divergence mean `KL(base ‖ this)` of the next token within the prompt, nats; not a
  ///   number where the prompt's tokens differ from the base's
  public record Continued(String text, int tokens, double divergence) {}

  @Override
  public String method() {
    return "generations";
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    for (int p = 0; p < prompts.size(); p++) {
      views.add(texts(p));
    }
    views.add(table());
    views.add(View.Text.of("How to read this", READING));
    return views;
  }

  private View texts(int prompt) {
    return View.Text.of(
        prompts.get(prompt),
        speakers.stream()
            .map(spoken -> "%s: %s".formatted(spoken.name, shown(spoken.texts.get(prompt))))
            .toArray(String[]::new));
  }

  private static String shown(Continued continued) {
    String text = continued.text.strip().lines().collect(Collectors.joining(" ⏎ "));
    return text.isEmpty() ? "(nothing)" : text;
  }

  /// How many prompts went on as the base's did.
  private long same(Spoken spoken) {
    Spoken base = speakers.getFirst();
    long same = 0;
    for (int p = 0; p < prompts.size(); p++) {
      same += spoken.texts.get(p).text.equals(base.texts.get(p).text) ? 1 : 0;
    }
    return same;
  }

  private View table() {
    var rows = new ArrayList<List<Cell>>();
    for (Spoken spoken : speakers) {
      rows.add(
          List.of(
              Cell.of(spoken.name),
              Cell.of(spoken.quality.repetition()),
              Cell.of(spoken.quality.distinct2()),
              Cell.of(spoken.divergence()),
              Cell.of("%d of %d".formatted(same(spoken), prompts.size()))));
    }
    return new View.Table(
        "Side effects",
        "Does a model babble, and how far did its predictions move? Share of four-token stretches"
            + " that repeat; different pairs of neighbouring tokens among all; KL to the first"
            + " model within the prompts; texts that are the same as its.",
        List.of("model", "repetition", "distinct-2", "KL, nats", "same"),
        rows);
  }

  /// What changed, in a sentence.
  public String found() {
    return speakers.stream()
        .skip(1)
        .map(spoken ->
            String.format(
                Locale.ROOT,
                "%s: %d of %d texts as before, KL %.3f nats, repetition %.2f (before: %.2f).",
                spoken.name,
                same(spoken),
                prompts.size(),
                spoken.divergence(),
                spoken.quality.repetition(),
                speakers.getFirst().quality.repetition()))
        .collect(Collectors.joining(" "));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var model = Axis.of("model", speakers.stream().map(Spoken::name).toList());
    var prompt = Axis.index("prompt", prompts.size());
    float[] divergence = new float[model.size() * prompt.size()];
    float[] repetition = new float[model.size()];
    float[] distinct = new float[model.size()];
    for (int s = 0; s < speakers.size(); s++) {
      Spoken spoken = speakers.get(s);
      repetition[s] = (float) spoken.quality.repetition();
      distinct[s] = (float) spoken.quality.distinct2();
      for (int p = 0; p < prompts.size(); p++) {
        divergence[s * prompt.size() + p] = (float) spoken.texts.get(p).divergence;
      }
    }
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("prompt_kl", Grid.real(List.of(model, prompt), divergence));
    arrays.put("repetition", Grid.vector(model, repetition));
    arrays.put("distinct2", Grid.vector(model, distinct));
    return arrays;
  }
}
