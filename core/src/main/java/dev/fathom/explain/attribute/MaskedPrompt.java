package dev.fathom.explain.attribute;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.Readout;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// A prompt from which tokens are taken away: the question's metric for any set of tokens kept.
/// Special tokens (start, separators, a chat template's marks) and, where a masked model is asked,
/// the mask itself always stay.
///
/// Lives in the scope it is made in.
final class MaskedPrompt implements Coalition {
  private final Question question;
  private final Filler filler;
  private final int[] ids;
  private final int[] other; // what stands at each position instead, if that is a token
  private final int[] players; // positions
  private final PrefixTree tree;
  private final Readout readout;
  private final double sign; // KL grows where the others fall

  MaskedPrompt(Transformer model, Tokenizer tokenizer, Question question, Filler filler) {
    this(model, tokenizer, question, filler, null);
  }

  /// @param instead the prompt of [Filler#OTHER]
  MaskedPrompt(
      Transformer model,
      Tokenizer tokenizer,
      Question question,
      Filler filler,
      @Nullable Prompt instead) {
    this.question = question;
    this.filler = filler;
    this.ids = question.ids(model);
    this.other = filler == Filler.OTHER ? ids(question, instead, ids) : new int[0];
    boolean causal = model.card().causal();
    this.players =
        IntStream.range(0, ids.length)
            .filter(p -> !tokenizer.isSpecial(ids[p]) && (causal || p != question.position()))
            .toArray();
    if (players.length == 0) {
      throw new IllegalArgumentException(
          "The prompt has only special tokens, so there is nothing to take away.");
    }
    this.tree =
        new PrefixTree(
            model,
            filler == Filler.DROP || filler == Filler.OTHER
                ? null
                : filler.vector(model, tokenizer));
    Tensor clean = tree.streams(List.of(new PrefixTree.Row(ids, question.position())));
    this.readout = new Readout(model, question, clean);
    this.sign = question.metric() == Metric.KL ? -1 : 1;
  }

  /// The other prompt's tokens, one for each of the prompt's own.
  static int[] ids(Question question, @Nullable Prompt other, int[] own) {
    if (other == null) {
      throw new IllegalArgumentException(
          "The other prompt's tokens can stand in only where another prompt is given.");
    }
    if (other.length() != question.prompt().length()) {
      throw new IllegalArgumentException(
          "The other prompt has %d tokens, this one %d: its tokens can stand in only one for one."
              .formatted(other.length(), question.prompt().length()));
    }
    return Arrays.copyOf(other.ids(), own.length);
  }

  @Override
  public int players() {
    return players.length;
  }

  /// The tokens that can be taken away, by their positions.
  int[] positions() {
    return players.clone();
  }

  int tokens() {
    return ids.length;
  }

  @Override
  public double[] values(List<boolean[]> kept) {
    try (var scope = Scope.withoutGradients()) {
      double[] values = readout.values(tree.streams(kept.stream().map(this::row).toList()));
      for (int i = 0; i < values.length; i++) {
        values[i] *= sign;
      }
      return values;
    }
  }

  private PrefixTree.Row row(boolean[] kept) {
    int[] cells = ids.clone();
    var gone = new ArrayList<Integer>();
    for (int i = 0; i < players.length; i++) {
      if (!kept[i]) {
        cells[players[i]] = filler == Filler.OTHER ? other[players[i]] : PrefixTree.FILLED;
        gone.add(players[i]);
      }
    }
    if (filler != Filler.DROP) {
      return new PrefixTree.Row(cells, question.position());
    }
    int[] left = Arrays.stream(cells).filter(cell -> cell != PrefixTree.FILLED).toArray();
    if (left.length == 0) {
      throw new IllegalArgumentException(
          "Without any token there is no prompt: choose something that stands in, such as mean.");
    }
    int before = (int) gone.stream().filter(p -> p < question.position()).count();
    return new PrefixTree.Row(left, question.position() - before);
  }

  /// One value a player, put at its token; NaN elsewhere.
  double[] perToken(double[] perPlayer) {
    double[] all = new double[ids.length];
    Arrays.fill(all, Double.NaN);
    for (int i = 0; i < players.length; i++) {
      all[players[i]] = perPlayer[i];
    }
    return all;
  }

  /// `f(x) − f(x without t)` for each player.
  double[] occlusion() {
    var kept = new ArrayList<boolean[]>();
    kept.add(Coalition.all(players.length));
    for (int i = 0; i < players.length; i++) {
      boolean[] without = Coalition.all(players.length);
      without[i] = false;
      kept.add(without);
    }
    double[] values = values(kept);
    double[] scores = new double[players.length];
    Arrays.setAll(scores, i -> values[0] - values[i + 1]);
    return scores;
  }
}
