import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Checkpoint;
import dev.fathom.checkpoint.Conversion;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.edit.EditFile;
import dev.fathom.edit.Edits;
import dev.fathom.edit.Merge;
import dev.fathom.edit.Zeroing;
import dev.fathom.explain.Predictions;
import dev.fathom.model.SiteAddress;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Takes units out of a model, asks it again, and writes the edit and the edited model. Arguments:
/// directory, prompt, units such as mlp_act.3.n17 or z.2.h1, where to write the edit, and the model.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  int[] ids = tokenizer.encode(args[1]).ids();
  try (var model = Models.load(directory, DType.F32)) {
    Edit edit = Zeroing.of(model, SiteAddress.slices(args[2], model)).named("without");
    edit.changes().stream().map(Change::summary).forEach(IO::println);
    for (double scale : new double[] {0, 0.5, 1, 2}) {
      try (var edited = Edits.apply(model, List.of(edit.at(scale)))) {
        int best = Predictions.best(edited, ids, ids.length - 1);
        IO.println("%s says '%s'".formatted(edited.card().name(), tokenizer.piece(best)));
      }
    }
    EditFile.write(Path.of(args[3]), edit);
  }
  var edits = List.of(EditFile.read(Path.of(args[3])));
  try (var source = Checkpoint.open(directory)) {
    var none = Conversion.Progress.NONE;
    Merge.run(source, edits, Path.of(args[4]), Optional.empty(), none).forEach(IO::println);
  }
}
