import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.parts.DirectLogitAttribution;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Adds up a difference of two logits. Arguments: a directory, a prompt, a target, a foil.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  int target = Target.of(tokenizer, prompt, args[2]).id();
  int foil = Target.of(tokenizer, prompt, args[3]).id();
  try (var model = Models.load(directory, DType.F32)) {
    var question = Question.of(prompt, target).withFoil(foil).measuredBy(Metric.LOGIT_DIFFERENCE);
    var sum = DirectLogitAttribution.run(model, tokenizer, question);
    IO.println("%.3f by the model, %.3f by its parts".formatted(sum.logit(), sum.sum()));
    var style = TerminalStyle.of(System.getenv(), System.console() != null);
    IO.println(Terminal.render(sum.headMap(), style));
    IO.println(Terminal.render(sum.strongestNeurons(), style));
  }
}
