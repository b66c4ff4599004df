import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.explain.Question;
import dev.fathom.explain.neurons.NeuronContributions;
import dev.fathom.explain.neurons.ValueVectors;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Which neurons write the target, and what else do they write? Directory, prompt, target.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  int target = Target.of(tokenizer, prompt, args[2]).id();
  try (var model = Models.load(directory, DType.F32)) {
    var question = Question.of(prompt, target);
    var config = NeuronContributions.Config.standard();
    var found = NeuronContributions.run(model, tokenizer, question, config);
    for (var neuron : found.ranking()) {
      IO.println(
          "%d.%d adds %+.3f: %s"
              .formatted(neuron.layer(), neuron.index(), neuron.speaks(), neuron.promotes()));
    }
    var first = found.ranking().getFirst();
    int[] chosen = {first.index()};
    var reading = ValueVectors.Reading.RAW;
    var read = ValueVectors.read(model, tokenizer, first.layer(), chosen, 10, reading);
    IO.println("whatever the prompt: " + read.promotedTokens().getFirst());
  }
}
