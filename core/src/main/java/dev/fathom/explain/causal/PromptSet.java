package dev.fathom.explain.causal;

import dev.fathom.data.Prompt;
import dev.fathom.data.TokenSpan;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Predictions;
import dev.fathom.explain.Question;
import dev.fathom.model.Transformer;
import dev.fathom.text.TokenDisplay;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// Prompts that are asked the same kind of question, to average over.
///
/// @param items at least one
/// @param metric what is measured of all of them
public record PromptSet(List<Item> items, Metric metric) {
  public PromptSet {
    items = List.copyOf(items);
    if (items.isEmpty()) {
      throw new IllegalArgumentException("A set of prompts needs at least one.");
    }
    var keys = new HashSet<String>();
    for (Item item : items) {
      if (!keys.add(item.key)) {
        throw new IllegalArgumentException(
            "Two prompts have the key '%s': results are kept by key, so each needs its own."
                .formatted(item.key));
      }
    }
  }

  /// One prompt.
  ///
  /// @param key what tells it from the others
  /// @param target the output asked about; empty for the model's own first choice
  /// @param foil what the model could say instead
  /// @param position where the answer is read, from 0
  /// @param subject the tokens that the prompt is about
  public record Item(
      String key,
      Prompt prompt,
      OptionalInt target,
      OptionalInt foil,
      int position,
      Optional<TokenSpan> subject) {
    /// About the model's own first choice after the last token.
    public static Item of(String key, Prompt prompt) {
      return new Item(
          key,
          prompt,
          OptionalInt.empty(),
          OptionalInt.empty(),
          prompt.length() - 1,
          Optional.empty());
    }

    public Item withTarget(int target) {
      return new Item(key, prompt, OptionalInt.of(target), foil, position, subject);
    }

    public Item withFoil(int foil) {
      return new Item(key, prompt, target, OptionalInt.of(foil), position, subject);
    }

    public Item about(TokenSpan subject) {
      return new Item(key, prompt, target, foil, position, Optional.of(subject));
    }

    /// How many tokens can matter.
    int seen(Transformer model) {
      return model.card().causal() ? position + 1 : prompt.length();
    }

    Question question(Transformer model, Metric metric) {
      int asked = target.isPresent() ? target.getAsInt() : said(model);
      return new Question(prompt, asked, foil, position, metric);
    }

    /// What the model itself says there.
    int said(Transformer model) {
      return Predictions.best(model, prompt.ids(), position);
    }
  }

  /// How the positions of prompts are laid over each other.
  ///
  /// @param axis the common columns
  /// @param byRole whether they are roles rather than positions
  /// @param startToken whether column 0 is a start token in all prompts
  record Alignment(Axis axis, boolean byRole, boolean startToken) {
    /// The mean over a prompt's tokens of each column, `[layer, position]` as rows of columns; NaN
    /// where the prompt has no such token.
    float[] of(Item item, float[] values, int length) {
      int rows = values.length / length;
      float[] aligned = new float[rows * axis.size()];
      int[] columns = new int[length];
      int[] counts = new int[axis.size()];
      for (int p = 0; p < length; p++) {
        columns[p] = column(item, p);
        if (columns[p] >= 0) {
          counts[columns[p]]++;
        }
      }
      for (int row = 0; row < rows; row++) {
        double[] sums = new double[axis.size()];
        for (int p = 0; p < length; p++) {
          if (columns[p] >= 0) {
            sums[columns[p]] += values[row * length + p];
          }
        }
        for (int c = 0; c < sums.length; c++) {
          aligned[row * sums.length + c] =
              counts[c] == 0 ? Float.NaN : (float) (sums[c] / counts[c]);
        }
      }
      return aligned;
    }

    /// The column of a token, -1 for none.
    private int column(Item item, int position) {
      if (!byRole) {
        return position;
      }
      if (position == 0 && item.prompt.startToken() && position != item.position) {
        return -1;
      }
      return TokenRole.of(position, item.subject.orElseThrow(), item.position).ordinal();
    }
  }

  /// By role where every prompt has a subject, otherwise position by position; `tokenizer` only
  /// names tokens.
  ///
  /// @throws IllegalArgumentException if neither can be
  Alignment alignment(Transformer model, Tokenizer tokenizer) {
    boolean byRole = items.stream().allMatch(item -> item.subject.isPresent());
    if (byRole) {
      for (Item item : items) {
        if (item.subject.orElseThrow().last() >= item.seen(model)) {
          throw new IllegalArgumentException(
              "Prompt '%s': its subject ends at token %d, but the answer is read at token %d and cannot depend on what comes later."
                  .formatted(item.key, item.subject.orElseThrow().last(), item.position));
        }
      }
      return new Alignment(
          Axis.of("token", Arrays.stream(TokenRole.values()).map(TokenRole::label).toList()),
          true,
          false);
    }
    Item first = items.getFirst();
    for (Item item : items) {
      if (item.seen(model) != first.seen(model) || item.position != first.position) {
        throw new IllegalArgumentException(
            "Prompt '%s' has %d tokens and prompt '%s' %d, so their positions cannot be averaged: give every prompt its subject (\"subject\" in its line), or ablate heads only."
                .formatted(first.key, first.seen(model), item.key, item.seen(model)));
      }
    }
    var labels = new ArrayList<String>();
    for (int p = 0; p < first.seen(model); p++) {
      int at = p;
      boolean same =
          items.stream()
              .allMatch(item -> item.prompt.tokens().id(at) == first.prompt.tokens().id(at));
      labels.add(
          same ? TokenDisplay.of(tokenizer, first.prompt.tokens().id(p)) : Integer.toString(p));
    }
    return new Alignment(
        Axis.of("position", labels),
        false,
        items.stream().allMatch(item -> item.prompt.startToken()));
  }
}
