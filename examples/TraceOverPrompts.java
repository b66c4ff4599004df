import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.data.PromptFile;
import dev.fathom.data.Target;
import dev.fathom.data.TokenSpan;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.explain.Metric;
import dev.fathom.explain.causal.CausalTracing;
import dev.fathom.explain.causal.PromptSet;
import dev.fathom.explain.causal.TracingStatistics;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Where are facts recalled? Arguments: a directory, a file of prompts with targets and subjects, a
/// directory for what is found.
void main(String[] args) {
  var tokenizer = Tokenizers.load(Path.of(args[0]));
  var settings = new LinkedHashMap<>(Map.of("model", args[0], "prompts", args[1]));
  var facts = new ArrayList<PromptSet.Item>();
  PromptFile.forEach(
      Path.of(args[1]),
      line -> {
        var prompt = Prompt.of(tokenizer, line.prompt(), Prompt.Options.PLAIN);
        int target = Target.of(tokenizer, prompt, line.target().orElseThrow()).id();
        var subject = TokenSpan.of(prompt, line.subject().orElseThrow());
        var fact = PromptSet.Item.of("line " + line.number(), prompt).withTarget(target);
        facts.add(fact.about(subject));
      });
  try (var model = Models.load(Path.of(args[0]), DType.F32);
      var items = ItemDirectory.open(Path.of(args[2]), settings)) {
    var set = new PromptSet(facts, Metric.PROBABILITY);
    var config = CausalTracing.Config.standard(model);
    var known = TracingStatistics.Counted.KNOWN;
    var found = TracingStatistics.run(model, tokenizer, set, config, known, items, done -> {});
    found.views().forEach(view -> IO.println(Terminal.render(view, TerminalStyle.plain())));
  }
}
