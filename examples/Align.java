import static dev.fathom.evaluate.bias.SentenceScorer.Context.OFFICIAL;

import dev.fathom.align.AttributeWords;
import dev.fathom.align.Fitting;
import dev.fathom.align.lope.Lope;
import dev.fathom.align.study.Folds;
import dev.fathom.arch.Models;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.evaluate.bias.BiasScorer;
import dev.fathom.evaluate.bias.BiasScores;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.evaluate.bias.StartToken;
import dev.fathom.evaluate.bias.StereoSet;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// SS, LMS and ICAT before and after LoPE, on terms that it was not fitted on. Arguments: a Hugging
/// Face directory, StereoSet's file, attribute words, a text.
void main(String[] args) throws IOException {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var start = StartToken.of(tokenizer);
  var items = StereoSet.read(Path.of(args[1])).of(List.of("gender")).items();
  var words = AttributeWords.read(Path.of(args[2])).get("gender");
  var text = Files.readAllLines(Path.of(args[3]));
  var fold = Folds.of(items, 2, 1).getFirst();
  Optional<Path> cache = Optional.empty();
  try (var model = Models.load(directory, DType.F32)) {
    var fitting = new Fitting(
        model, tokenizer, "gender", fold.fit(), words, text, OFFICIAL, start, 1, cache);
    try (var treated = Lope.standard().fit(fitting).applied(model)) {
      for (var tokens : List.of(TokenScorer.of(model), treated.scorer())) {
        var scorer = SentenceScorer.of(tokens, SentenceScorer.Config.official(start));
        var scored = BiasScorer.causal(scorer, tokenizer, OFFICIAL, start).items(fold.test());
        IO.println(BiasScores.overall(scored));
      }
    }
  }
}
