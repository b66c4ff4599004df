import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.data.TextWindows;
import dev.fathom.explain.lens.LensComparison;
import dev.fathom.explain.lens.LogitLens;
import dev.fathom.explain.lens.TunedLensTraining;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Learns a tuned lens from a text and reads a prompt with it. Arguments: a directory, a text file,
/// a prompt, a file for the lens.
void main(String[] args) throws IOException {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[2], Prompt.Options.PLAIN);
  var path = Path.of(args[3]);
  var text = TextWindows.of(tokenizer, Files.readString(Path.of(args[1])), 128, Optional.empty());
  try (var model = Models.load(directory, DType.F32)) {
    var config = TunedLensTraining.Config.standard().withSteps(100, 256);
    var run = path.resolveSibling(path.getFileName() + ".run"); // a killed training goes on here
    try (var lens =
        TunedLensTraining.run(model, text.rows(), args[1], config, run, progress -> {})) {
      lens.save(path);
      var both =
          LensComparison.run(model, tokenizer, prompt, LogitLens.Config.standard(), lens);
      var style = TerminalStyle.of(System.getenv(), System.console() != null);
      both.views().forEach(view -> IO.println(Terminal.render(view, style)));
    }
  }
}
