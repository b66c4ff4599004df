import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.attribute.Attribution;
import dev.fathom.explain.attribute.AttributionMethod;
import dev.fathom.explain.attribute.Faithfulness;
import dev.fathom.explain.attribute.Filler;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Which tokens speak for the target? Three answers and a test. Directory, prompt, target.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  int target = Target.of(tokenizer, prompt, args[2]).id();
  try (var model = Models.load(directory, DType.F32)) {
    var question = Question.of(prompt, target).measuredBy(Metric.LOG_PROB);
    var methods =
        List.of(
            new AttributionMethod.IntegratedGradients(
                Filler.MEAN, AttributionMethod.Path.MIDPOINT, 64),
            new AttributionMethod.Occlusion(Filler.MEAN),
            AttributionMethod.Shap.standard());
    var scores = Attribution.run(model, tokenizer, question, methods);
    var tested =
        Faithfulness.run(model, tokenizer, question, scores, Faithfulness.Config.standard());
    var style = TerminalStyle.of(System.getenv(), System.console() != null);
    tested.views().forEach(view -> IO.println(Terminal.render(view, style)));
  }
}
