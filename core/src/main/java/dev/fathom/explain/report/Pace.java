package dev.fathom.explain.report;

import dev.fathom.model.Block;
import dev.fathom.model.Layout;
import dev.fathom.model.Mlp;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;

/// How long work will take on this machine, right within a factor of two or so: work is counted in
/// *block-tokens*, one token through one block, and a short run of one block says what that takes.
///
/// @param seconds of one block-token, in the batches that sweeps make
/// @param head what one row of the head takes, in block-tokens
record Pace(double seconds, double head) {
  /// Tokens of the run that is timed, in rows as long as the prompt.
  private static final int TOKENS = 512;

  /// What the timed run may take, in multiplications: large models are timed on fewer tokens.
  private static final double MOST = 4e9;

  /// Times a block in the middle of the model.
  ///
  /// @param length tokens of the prompt
  static Pace of(Transformer model, int length) {
    int layer = model.layers() / 2;
    double weights = weights(model.blocks().get(layer));
    long tokens = Math.clamp((long) (MOST / weights), 1, TOKENS);
    int[] lengths = new int[(int) Math.max(1, tokens / length)];
    Arrays.fill(lengths, length);
    double best = Double.POSITIVE_INFINITY;
    try (var scope = Scope.withoutGradients()) {
      int n = lengths.length * length;
      Tensor x = model.embed(Tensor.of(new int[n], n), Pass.over(Layout.rows(lengths)));
      for (int turn = 0; turn < 4; turn++) {
        try (var inner = Scope.withoutGradients()) {
          long start = System.nanoTime();
          var _ = model.block(layer, x, Pass.over(Layout.rows(lengths)));
          best = Math.min(best, (System.nanoTime() - start) / 1e9);
        }
      }
      double outputs = (double) model.outputs() * model.dModel();
      return new Pace(best / n, outputs / weights);
    }
  }

  /// Seconds that so many block-tokens take, and a little for what every computation begins with.
  double of(double blockTokens) {
    return 0.03 + blockTokens * seconds;
  }

  /// Numbers in the maps of a block.
  private static double weights(Block block) {
    double attention = 4.0 * block.attention().out().out() * block.attention().out().in();
    int maps = block.mlp() instanceof Mlp.Gated ? 3 : 2;
    return attention + (double) maps * block.mlp().out().in() * block.mlp().out().out();
  }
}
