import dev.fathom.align.probe.Features;
import dev.fathom.align.probe.Probes;
import dev.fathom.align.probe.Probing;
import dev.fathom.align.probe.Split;
import dev.fathom.align.probe.TwoClasses;
import dev.fathom.arch.Models;
import dev.fathom.data.LabelledTextFile;
import dev.fathom.model.Kind;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizers;

/// At which layers can two classes of texts be told apart? Directory, file of texts, file to write.
void main(String[] args) {
  var directory = Path.of(args[0]);
  var tokenizer = Tokenizers.load(directory);
  var data = TwoClasses.of(LabelledTextFile.read(Path.of(args[1])));
  var texts = data.texts().stream().map(Features.Text::of).toList();
  try (var model = Models.load(directory, DType.F32)) {
    var config = Features.Config.of(Features.everyLayer(model, Kind.RESID_POST));
    try (var features = Features.of(model, tokenizer, texts, config, _ -> {})) {
      var split = Split.byGroup(data.groups(), data.positive(), 0.2, 0);
      var result = Probing.run(model, features, data, split, Probing.Config.standard(), () -> {});
      for (var layer : result.layers()) {
        IO.println(
            "%s: AUC %.3f, with shuffled labels %.3f"
                .formatted(layer.slice(), layer.quality().auc().value(), layer.meanShuffled()));
      }
      Probes.of(model, result, args[1]).save(Path.of(args[2]));
    }
    var direction = Probes.load(Path.of(args[2]), model).at(config.slices().getLast()).getFirst();
    IO.println("a step along it adds %.3f to the log-odds".formatted(direction.scale()));
  }
}
