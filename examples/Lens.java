import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.explain.lens.ExitProfile;
import dev.fathom.explain.lens.LensResult;
import dev.fathom.explain.lens.LogitLens;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Draws the logit lens, then prints how a target fares by layer. Arguments: a directory, a prompt.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  try (var model = Models.load(directory, DType.F32)) {
    LensResult lens = LogitLens.run(model, tokenizer, prompt, LogitLens.Config.standard());
    var style = TerminalStyle.of(System.getenv(), System.console() != null);
    IO.println(Terminal.render(lens.heatMap(), style));
    int at = lens.position();
    for (int row = 0; row < lens.rows(); row++) {
      double p = lens.targetProbability().at(row, at);
      double rank = lens.targetRank().at(row, at);
      double entropy = lens.entropy().at(row, at);
      IO.println("row %2d  p %.3f  rank %5.0f  entropy %.2f".formatted(row, p, rank, entropy));
    }
    double depth = ExitProfile.of(lens, model.card().causal()).meanCommitDepth();
    IO.println("mean commit depth %.1f of %d".formatted(depth, model.layers()));
  }
}
