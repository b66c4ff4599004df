import dev.fathom.arch.Models;
import dev.fathom.explain.report.Figures;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Two of the thesis' figures for a model. Arguments: its directory, a directory for the figures.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  try (var model = Models.load(directory, DType.F32)) {
    var config = Figures.Config.standard().of("4.1", "4.3").telling(IO::println);
    IO.println(Figures.run(model, tokenizer, Path.of(args[1]), config));
  }
}
