import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.attention.HeadScores;
import dev.fathom.explain.attention.TokenMixing;
import dev.fathom.explain.causal.AttentionKnockout;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Which heads look back, where a position comes from, what it must see. Arguments: directory,
/// prompt, target.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  int target = Target.of(tokenizer, prompt, args[2]).id();
  var style = TerminalStyle.of(System.getenv(), System.console() != null);
  try (var model = Models.load(directory, DType.F32)) {
    var heads = HeadScores.run(model, tokenizer, HeadScores.Config.standard(model));
    heads.views().forEach(view -> IO.println(Terminal.render(view, style)));

    int last = prompt.length() - 1;
    var origins = TokenMixing.run(model, tokenizer, prompt, last, TokenMixing.Method.ALTI);
    IO.println(Terminal.render(origins.views().getFirst(), style));

    var question = Question.of(prompt, target).measuredBy(Metric.LOG_PROB);
    var config = AttentionKnockout.Config.standard(model);
    var knockout = AttentionKnockout.run(model, tokenizer, question, config);
    IO.println(Terminal.render(knockout.views().getFirst(), style));
  }
}
