import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.explain.Question;
import dev.fathom.explain.parts.ComponentLens;
import dev.fathom.model.SiteAddress;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Reads parts of a model by themselves. Arguments: a directory, a prompt, a target, and
/// sites such as `attn_out.all`.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  try (var model = Models.load(directory, DType.F32)) {
    var question = Question.of(prompt, Target.of(tokenizer, prompt, args[2]).id());
    var config = ComponentLens.Config.standard().with(ComponentLens.Normalization.FROZEN);
    var heads = ComponentLens.heads(model, tokenizer, question, config);
    var chosen = SiteAddress.slices(args[3], model);
    var parts = ComponentLens.run(model, tokenizer, question, chosen, config);
    var style = TerminalStyle.of(System.getenv(), System.console() != null);
    IO.println(Terminal.render(heads.heatMap(), style));
    IO.println(Terminal.render(parts.heatMap(), style));
  }
}
