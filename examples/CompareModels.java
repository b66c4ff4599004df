import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.edit.EditFile;
import dev.fathom.edit.Edits;
import dev.fathom.explain.Question;
import dev.fathom.explain.report.Comparison;
import dev.fathom.render.Html;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// What does an edit change? Arguments: directory, edit, prompt, target, the page to write.
void main(String[] args) throws IOException {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var prompt = Prompt.of(tokenizer, args[2], Prompt.Options.PLAIN);
  int target = Target.of(tokenizer, prompt, args[3]).id();
  var edits = List.of(EditFile.read(Path.of(args[1])));
  try (var model = Models.load(directory, DType.F32);
      var edited = Edits.apply(model, edits)) {
    var report = Comparison.run(model, edited, tokenizer, Question.of(prompt, target));
    report.summary().forEach(IO::println);
    Files.writeString(Path.of(args[4]), Html.render(report));
  }
}
