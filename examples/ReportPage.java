import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.explain.Question;
import dev.fathom.explain.report.Explanation;
import dev.fathom.render.Html;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Writes the whole report as one HTML file. Arguments: a directory, a prompt, a target, a file.
void main(String[] args) throws IOException {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[1], Prompt.Options.PLAIN);
  var target = Target.of(tokenizer, prompt, args[2]);
  target.notes().forEach(IO::println);
  try (var model = Models.load(directory, DType.F32)) {
    var question = Question.of(prompt, target.id());
    var report = Explanation.run(model, tokenizer, question, Explanation.Config.standard());
    report.summary().forEach(IO::println);
    Files.writeString(Path.of(args[3]), Html.render(report));
  }
}
