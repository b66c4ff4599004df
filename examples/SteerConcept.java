import dev.fathom.arch.Models;
import dev.fathom.concepts.steer.Contrast;
import dev.fathom.concepts.steer.Judge;
import dev.fathom.concepts.steer.SteeringEdit;
import dev.fathom.concepts.steer.SteeringSweep;
import dev.fathom.data.ContrastFile;
import dev.fathom.data.Prompt;
import dev.fathom.edit.EditFile;
import dev.fathom.model.Kind;
import dev.fathom.model.Site;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Steers along the difference of pairs of texts, judged by the other half of the pairs. Arguments:
/// a Hugging Face directory, a file of pairs, a layer, a prompt, a file to write.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  int layer = Integer.parseInt(args[2]);
  try (var model = Models.load(directory, DType.F32)) {
    var pairs = ContrastFile.read(Path.of(args[1]));
    var config = Contrast.Config.of(List.of(layer));
    var contrast = Contrast.of(model, tokenizer, pairs, "warmth", config, _ -> {});
    var held = contrast.judge().orElseThrow().at(layer);
    var judge =
        new Judge.Along(Site.of(Kind.RESID_POST, layer), held, "the other half's direction");
    var sweep = SteeringSweep.Config.of(List.of(-4.0, 0.0, 4.0), judge);
    var steps = contrast.vector().added(1); // of strength 1
    var prompts = List.of(Prompt.of(tokenizer, args[3], Prompt.Options.PLAIN));
    var result = SteeringSweep.run(model, tokenizer, steps, prompts, List.of(), sweep, () -> {});
    IO.println(result.found());
    result.steered().forEach(trial -> IO.println(trial.strength() + ":" + trial.texts()));
    var kept = contrast.vector().added(4);
    EditFile.write(Path.of(args[4]), SteeringEdit.of(model, kept, "warmth", new TreeMap<>()));
  }
}
