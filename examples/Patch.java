import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.explain.Question;
import dev.fathom.explain.causal.AttributionPatching;
import dev.fathom.explain.causal.Patching;
import dev.fathom.explain.causal.Patching.Part;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Where is what makes two prompts differ? Arguments: directory, prompt, corrupt prompt, target.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  var corrupt = Prompt.of(tokenizer, args[2], Prompt.Options.PLAIN);
  var question = Question.of(prompt, Target.of(tokenizer, prompt, args[3]).id());
  try (var model = Models.load(directory, DType.F32)) {
    var config = Patching.Config.standard().of(Part.STREAM, Part.HEAD);
    var result = Patching.run(model, tokenizer, question, corrupt, config);
    result.views().forEach(view -> IO.println(Terminal.render(view, TerminalStyle.plain())));
    IO.println("clean %.3f, corrupt %.3f".formatted(result.clean(), result.corrupt()));
    var estimate = AttributionPatching.run(model, tokenizer, question, corrupt, config);
    estimate.correlation().forEach((part, r) -> IO.println("%s %.2f".formatted(part.text(), r)));
  }
}
