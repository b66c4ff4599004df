import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.explain.Question;
import dev.fathom.explain.causal.Ablation;
import dev.fathom.explain.causal.Ablation.Part;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Which part of the model does an answer need? Arguments: directory, prompt, target.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  var question = Question.of(prompt, Target.of(tokenizer, prompt, args[2]).id());
  try (var model = Models.load(directory, DType.F32)) {
    var config = Ablation.Config.standard().of(Part.ATTENTION, Part.MLP, Part.HEAD);
    var result = Ablation.run(model, tokenizer, question, config);
    result.views().forEach(view -> IO.println(Terminal.render(view, TerminalStyle.plain())));
    IO.println("clean logit %.3f".formatted(result.clean()));
  }
}
