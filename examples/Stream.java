import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generator;
import dev.fathom.model.Streaming;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Continues a text far beyond the model's context. Arguments: directory, prompt, tokens.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  try (var model = Models.load(directory, DType.F32)) {
    var streaming = Streaming.of(model, 4, 124); // 4 first and 124 last tokens
    var decoding = Decoding.greedy(Integer.parseInt(args[2]));
    IO.println(Generator.of(streaming, tokenizer).run(prompt.ids(), decoding).text());
  }
}
