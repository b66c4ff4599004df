import dev.fathom.align.lope.StereotypeSurvey;
import dev.fathom.arch.Models;
import dev.fathom.evaluate.bias.StereoSet;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Which neurons write along probes of stereotypes. Arguments: a Hugging Face directory, StereoSet's
/// file.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var items = StereoSet.read(Path.of(args[1])).of(List.of("gender")).items();
  try (var model = Models.load(directory, DType.F32)) {
    var config = StereotypeSurvey.Config.standard().withMost(200);
    var survey = StereotypeSurvey.run(model, tokenizer, items, config, _ -> {});
    for (var view : survey.neurons().views()) {
      IO.println(Terminal.render(view, TerminalStyle.plain()));
    }
  }
}
