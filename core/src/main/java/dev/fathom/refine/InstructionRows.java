package dev.fathom.refine;

import dev.fathom.data.Instruction;
import dev.fathom.data.PromptTemplate;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Tokenizer;
import dev.fathom.train.Row;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;

/// Instructions as token rows to learn from: prompt, response, end of text. Prompt and response are
/// tokenised apart, so that a model is asked later with the very ids it learnt.
///
/// @param template around the instruction
/// @param maxTokens longer rows are cut there
/// @param onPrompt whether the prompt's tokens are learnt too, as LLM-Adapters does by default
/// @param endToken put behind the response where there is room; empty for none
public record InstructionRows(
    PromptTemplate template, int maxTokens, boolean onPrompt, OptionalInt endToken) {
  public InstructionRows {
    if (maxTokens < 2) {
      throw new IllegalArgumentException("a row has at least 2 tokens, found " + maxTokens);
    }
  }

  /// At most 256 tokens, all of them learnt, with the tokenizer's end of text behind them: the
  /// recipe of LLM-Adapters.
  public static InstructionRows standard(PromptTemplate template, Tokenizer tokenizer) {
    return new InstructionRows(template, 256, true, tokenizer.specials().eos());
  }

  public InstructionRows withMaxTokens(int tokens) {
    return new InstructionRows(template, tokens, onPrompt, endToken);
  }

  /// The same, learning responses only.
  public InstructionRows onResponses() {
    return new InstructionRows(template, maxTokens, false, endToken);
  }

  /// One row an instruction; none for those whose prompt leaves no room for a response.
  public List<Row> of(Tokenizer tokenizer, List<Instruction> instructions) {
    return instructions.stream()
        .map(instruction -> row(tokenizer, instruction))
        .filter(row -> row.ids().length > 0)
        .map(row -> new Row(row.ids(), onPrompt ? 1 : row.prompt()))
        .toList();
  }

  /// Rows to learn from and rows to be held out, in an order drawn with a seed.
  ///
  /// @param fitting rows that there were to draw from: instructions with room for a response
  public record Drawn(List<Row> learnt, List<Row> heldOut, int fitting) {}

  /// Draws `limit` rows to learn from, or as many as there are, and `heldOut` others.
  ///
  /// @throws IllegalArgumentException if there are no more rows than are to be held out
  public Drawn draw(
      Tokenizer tokenizer, List<Instruction> instructions, int limit, int heldOut, long seed) {
    var drawn = new ArrayList<>(instructions);
    Collections.shuffle(drawn, new Random(seed));
    List<Row> rows = of(tokenizer, drawn);
    if (rows.size() <= heldOut) {
      throw new IllegalArgumentException(
          ("%d rows are left of %d items (others have prompts of %d tokens or more), and %d of them"
                  + " are to be held out: give more data, more tokens a row, or hold out fewer")
              .formatted(rows.size(), instructions.size(), maxTokens, heldOut));
    }
    int end = (int) Math.min(rows.size(), (long) limit + heldOut);
    return new Drawn(rows.subList(heldOut, end), rows.subList(0, heldOut), rows.size());
  }

  private record Ids(int[] ids, int prompt) {}

  private Ids row(Tokenizer tokenizer, Instruction instruction) {
    int[] prompt = template.ids(tokenizer, instruction);
    int[] response = tokenizer.encode(instruction.output(), SpecialTokens.NONE).ids();
    if (prompt.length >= maxTokens || response.length == 0) {
      return new Ids(new int[0], 0);
    }
    int[] ids = Arrays.copyOf(prompt, prompt.length + response.length + 1);
    System.arraycopy(response, 0, ids, prompt.length, response.length);
    int length = Math.min(maxTokens, ids.length - 1);
    if (endToken.isPresent() && length < maxTokens) {
      ids[length++] = endToken.getAsInt();
    }
    return new Ids(Arrays.copyOf(ids, length), prompt.length);
  }
}
