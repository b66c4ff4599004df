import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generator;
import dev.fathom.refine.ConfidenceExit;
import dev.fathom.refine.Exit;
import dev.fathom.refine.ExitReport;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Continues a text with a model that stops as soon as a layer is sure, and says what that saves.
/// Arguments: a directory, a prompt.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  try (var model = Models.load(directory, DType.F32)) {
    int half = model.layers() / 2;
    var rule = new ConfidenceExit.Rule(ConfidenceExit.Measure.MAX_PROBABILITY, 0.9, half);
    var early = ConfidenceExit.of(model, rule).with(Exit.EXACT);
    IO.println(Generator.of(early, tokenizer).run(prompt.ids(), Decoding.greedy(20)).text());
    var config = new ExitReport.Config(20, Set.of());
    var report = ExitReport.run(early, tokenizer, List.of(prompt), config, _ -> {});
    IO.println(
        "%.1f of %d blocks until settled, %.1f run in all; times as fast: %.2f, at most %.2f"
            .formatted(
                report.blocksToExit(),
                report.layers(),
                report.blocksRun(),
                report.ratio().mean(),
                report.bound()));
    IO.println("%.0f %% as the full model".formatted(100 * report.agreement()));
  }
}
