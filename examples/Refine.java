import dev.fathom.arch.Models;
import dev.fathom.data.InstructionFile;
import dev.fathom.data.PromptTemplate;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generator;
import dev.fathom.refine.InstructionRows;
import dev.fathom.refine.Lora;
import dev.fathom.refine.Mod;
import dev.fathom.refine.Refinement;
import dev.fathom.refine.Refiner;
import dev.fathom.refine.Tuned;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// Tunes a model with low-rank steps and a mixture of its last three layers, and lets it answer.
/// Arguments: a directory, a file of instructions, a folder for the run.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var template = PromptTemplate.Wording.CLEAN;
  var items = InstructionFile.forTraining(Path.of(args[1]));
  var rows = InstructionRows.standard(template, tokenizer).draw(tokenizer, items, 500, 20, 1);
  var folder = Path.of(args[2]);
  try (var model = Models.load(directory, DType.F32)) {
    var method = Refinement.Config.of(List.of(Lora.standard(model)), Mod.Config.dense(3));
    var refiner = Refiner.of(model, method, Refiner.training(rows.learnt().size(), 2));
    var outcome = refiner.run(rows.learnt(), rows.heldOut(), folder, step -> {});
    try (var tuned = Tuned.of(model, outcome)) {
      var speaker = Generator.of(tuned.speaker(), tokenizer);
      var prompt = template.ids(tokenizer, items.getFirst());
      IO.println(speaker.run(prompt, Decoding.greedy(64)).text());
    }
  }
}
