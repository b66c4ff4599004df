import dev.fathom.arch.Models;
import dev.fathom.data.PromptTemplate;
import dev.fathom.evaluate.reasoning.ReasoningEvaluation;
import dev.fathom.evaluate.reasoning.ReasoningTask;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// How many questions does a model answer rightly? Arguments: a Hugging Face directory, the folder
/// of the tests, the name of one, such as `arc-e`.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  Set<Integer> ends = tokenizer.specials().eos().stream().boxed().collect(Collectors.toSet());
  try (var model = Models.load(directory, DType.F32)) {
    var test = ReasoningTask.named(args[2]).read(Path.of(args[1])).sample(100, 1);
    var config = ReasoningEvaluation.Config.standard(PromptTemplate.Wording.CLEAN, ends);
    var found = ReasoningEvaluation.run(model, tokenizer, List.of(test), config, done -> {});
    found.views().forEach(view -> IO.println(Terminal.render(view, TerminalStyle.plain())));
    var share = found.scores().getFirst().official();
    IO.println("between %.1f and %.1f %%".formatted(100 * share.low(), 100 * share.high()));
  }
}
