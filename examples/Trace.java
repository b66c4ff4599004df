import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.data.TokenSpan;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.causal.CausalTracing;
import dev.fathom.explain.causal.CausalTracing.State;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Where is a fact recalled? Arguments: directory, prompt, subject, target.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  var subject = TokenSpan.of(prompt, args[2]);
  int target = Target.of(tokenizer, prompt, args[3]).id();
  var question = Question.of(prompt, target).measuredBy(Metric.PROBABILITY);
  try (var model = Models.load(directory, DType.F32)) {
    var config = CausalTracing.Config.standard(model).of(State.HIDDEN, State.MLP).withSamples(10);
    var result = CausalTracing.run(model, tokenizer, question, subject, config);
    result.views().forEach(view -> IO.println(Terminal.render(view, TerminalStyle.plain())));
    IO.println("clean %.3f, noisy %.3f".formatted(result.high(), result.low()));
  }
}
