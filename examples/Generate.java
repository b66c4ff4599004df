import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generation;
import dev.fathom.model.Generator;
import dev.fathom.model.Sampling;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Continues a prompt, then again with dice. Arguments: a Hugging Face directory, a prompt.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  try (var model = Models.load(directory, DType.F32)) {
    var generator = Generator.of(model, tokenizer);
    Set<Integer> ends = tokenizer.specials().eos().stream().boxed().collect(Collectors.toSet());
    var greedy = Decoding.greedy(24).stopAt(ends);
    Generation likeliest = generator.run(prompt.ids(), greedy);
    IO.println("%s  (%s)".formatted(likeliest.text(), likeliest.stop()));
    for (long seed = 1; seed <= 2; seed++) {
      var dice = greedy.with(Sampling.at(0.8, seed).withTopP(0.9));
      IO.println("seed %d: %s".formatted(seed, generator.run(prompt.ids(), dice).text()));
    }
  }
}
