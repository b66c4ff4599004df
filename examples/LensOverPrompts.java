import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.data.PromptFile;
import dev.fathom.data.Target;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.explain.lens.LensStatistics;
import dev.fathom.explain.lens.Reading;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// At which layer do answers come, over many prompts? Arguments: a directory, a file of prompts with
/// targets, a directory for what is found.
void main(String[] args) {
  var tokenizer = Tokenizers.load(Path.of(args[0]));
  var prompts = Path.of(args[1]);
  var settings = new LinkedHashMap<>(Map.of("model", args[0], "prompts", args[1]));
  LensStatistics.Source source =
      each ->
          PromptFile.forEach(
              prompts,
              line -> {
                var prompt = Prompt.of(tokenizer, line.prompt(), Prompt.Options.PLAIN);
                int target = Target.of(tokenizer, prompt, line.target().orElseThrow()).id();
                var key = Integer.toString(line.number());
                int last = prompt.length() - 1;
                each.accept(new LensStatistics.Item(key, prompt, OptionalInt.of(target), last));
              });
  try (var model = Models.load(Path.of(args[0]), DType.F32);
      var items = ItemDirectory.open(Path.of(args[2]), settings)) {
    var found = LensStatistics.run(model, tokenizer, source, Reading.LOGIT, items, done -> {});
    for (int row = 0; row <= model.layers(); row++) {
      var p = found.probability();
      IO.println(
          "row %2d  p %.3f, between %.3f and %.3f"
              .formatted(row, p.mean().at(row), p.low().at(row), p.high().at(row)));
    }
  }
}
