import dev.fathom.arch.Models;
import dev.fathom.edit.EditFile;
import dev.fathom.edit.Edits;
import dev.fathom.evaluate.bias.BiasComparison;
import dev.fathom.evaluate.bias.BiasScorer;
import dev.fathom.evaluate.bias.Bootstrap;
import dev.fathom.evaluate.bias.Measures.Measure;
import dev.fathom.evaluate.bias.SentenceScorer.Context;
import dev.fathom.evaluate.bias.StartToken;
import dev.fathom.evaluate.bias.StereoSet;
import dev.fathom.evaluate.bias.StereoSetEvaluation;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Does an edit change what StereoSet says of a model, by more than chance? Arguments: a Hugging
/// Face directory, StereoSet's file, an edit.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var start = StartToken.of(tokenizer);
  var items = StereoSet.read(Path.of(args[1])).of(List.of("gender")).items();
  try (var model = Models.load(directory, DType.F32);
      var edited = Edits.apply(model, List.of(EditFile.read(Path.of(args[2]))))) {
    var base = BiasScorer.causal(model, tokenizer, Context.OFFICIAL, start);
    var other = BiasScorer.causal(edited, tokenizer, Context.OFFICIAL, start);
    var before = StereoSetEvaluation.scores(base, items);
    var after = StereoSetEvaluation.scores(other, items);
    var row = BiasComparison.of(before, after, Bootstrap.fine()).row("gender");
    for (Measure measure : Measure.values()) {
      var change = row.of(measure);
      IO.println(
          "%s: %.2f -> %.2f, p = %.3f"
              .formatted(measure.title(), change.first(), change.second(), change.p()));
    }
  }
}
