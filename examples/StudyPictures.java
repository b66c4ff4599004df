import dev.fathom.arch.Models;
import dev.fathom.explain.report.Figures;
import dev.fathom.refine.study.StudyFigures;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Draws what studies of refinement left. Arguments: a model's directory, that of the studies, one
/// for the figures.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var studies = Path.of(args[1]);
  var tokenizer = Tokenizers.load(directory);
  try (var model = Models.load(directory, DType.F32)) {
    var config = Figures.Config.standard().with(StudyFigures.of(Optional.of(studies)));
    IO.println(Figures.run(model, tokenizer, Path.of(args[2]), config.of("5.2", "table-5.2")));
  }
}
