import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.explain.Question;
import dev.fathom.explain.parts.TokenDecomposition;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Splits the last stream by token. Arguments: a directory, a prompt, a target.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  int target = Target.of(tokenizer, prompt, args[2]).id();
  try (var model = Models.load(directory, DType.F32)) {
    var question = Question.of(prompt, target);
    var config = TokenDecomposition.Config.standard();
    var parts = TokenDecomposition.run(model, tokenizer, question, config);
    var style = TerminalStyle.of(System.getenv(), System.console() != null);
    IO.println(Terminal.render(parts.lens(), style));
    for (int slot = 0; slot < parts.tokens(); slot++) {
      IO.println("%+.2f %s".formatted(parts.score(slot), parts.frozen().axis(1).label(slot)));
    }
    // one number a token, by one backward pass
    var fast = TokenDecomposition.scores(model, tokenizer, question, config.gated());
    IO.println("%.2f = tokens + %.2f biases".formatted(fast.logit(), fast.bias()));
  }
}
