package dev.fathom.evaluate.reasoning;

import dev.fathom.model.LanguageModel;
import dev.fathom.model.Layout;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/// Says to each prompt what a test wants it to say, then its end token; any other token is much
/// less likely.
final class ScriptedModel implements LanguageModel {
  private final Tokenizer tokenizer;
  private final int end;
  private final int context;
  private final String marker;
  private final UnaryOperator<String> script;

  /// Rows that were read, each once for each append.
  final List<Integer> batches = new ArrayList<>();

  /// @param marker what every prompt ends with
  /// @param script from a prompt's text to the response
  ScriptedModel(
      Tokenizer tokenizer, int end, int context, String marker, UnaryOperator<String> script) {
    this.tokenizer = tokenizer;
    this.end = end;
    this.context = context;
    this.marker = marker;
    this.script = script;
  }

  @Override
  public Transformer.Card card() {
    return new Transformer.Card(
        "scripted", "scripted", () -> "0".repeat(64), context, 0, DType.F32, true, List.of());
  }

  @Override
  public int outputs() {
    return tokenizer.size();
  }

  @Override
  public Tensor logits(Tensor ids, Layout layout, Wanted wanted) {
    throw new UnsupportedOperationException();
  }

  @Override
  public Session session(int rows, Tap tap) {
    return new Session() {
      private List<int[]> read =
          new ArrayList<>(IntStream.range(0, rows).mapToObj(_ -> new int[0]).toList());

      @Override
      public int rows() {
        return read.size();
      }

      @Override
      public int[] tokens(int row) {
        return read.get(row).clone();
      }

      @Override
      public Tensor append(List<int[]> tokens) {
        batches.add(tokens.size());
        float[] logits = new float[rows() * outputs()];
        for (int row = 0; row < rows(); row++) {
          int[] more = tokens.get(row);
          int[] before = read.get(row);
          read.set(row, IntStream.concat(IntStream.of(before), IntStream.of(more)).toArray());
          logits[row * outputs() + next(read.get(row))] = 10;
        }
        return Tensor.of(logits, rows(), outputs());
      }

      @Override
      public void select(int... chosen) {
        read = new ArrayList<>(Arrays.stream(chosen).mapToObj(read::get).toList());
      }

      @Override
      public void truncate(int row, int length) {
        read.set(row, Arrays.copyOf(read.get(row), length));
      }

      @Override
      public long bytes() {
        return 0;
      }

      @Override
      public void close() {}
    };
  }

  private int next(int[] ids) {
    String text = tokenizer.decode(ids, true);
    int at = text.indexOf(marker) + marker.length();
    if (at < marker.length()) {
      return end; // what prompts begin with, read by itself
    }
    String whole = script.apply(text.substring(0, at));
    String said = text.substring(at);
    return whole.equals(said) || !whole.startsWith(said)
        ? end
        : tokenizer.encode(whole.substring(said.length()), SpecialTokens.NONE).id(0);
  }
}
