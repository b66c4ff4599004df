import dev.fathom.checkpoint.TensorType;
import dev.fathom.tensor.DType;
import dev.fathom.train.Initialization;
import dev.fathom.train.NextToken;
import dev.fathom.train.Row;
import dev.fathom.train.Schedule;
import dev.fathom.train.Trainer;
import dev.fathom.train.TrainingSet;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

final String CONFIG =
    """
    {"model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
     "num_attention_heads": 2, "vocab_size": 23, "max_position_embeddings": 64,
     "rms_norm_eps": 1e-5, "tie_word_embeddings": true}
    """;

/// Trains a tiny LLaMA with random weights to count, modulo 23, and prints its loss.
void main() throws IOException {
  var config = (ObjectNode) JsonMapper.shared().readTree(CONFIG);
  var rows = IntStream.range(0, 160).mapToObj(this::counting).toList();
  var data = TrainingSet.shuffled(rows.subList(20, 160), 1);
  var schedule = new Schedule(1e-2, 5, 50, Schedule.Shape.COSINE, 0.1);
  var settings =
      Trainer.Config.standard(schedule).withBatch(256).withWorkers(1).evaluatingEvery(10);
  var run = Files.createTempDirectory("fathom-train");
  try (var parameters = Initialization.random(config, 1, 0.1)) {
    var objective = NextToken.of(config, "counter", DType.F32);
    var trainer = new Trainer(parameters, objective, data, rows.subList(0, 20), settings);
    trainer.run(run, p -> IO.println("step %2d  loss %.3f".formatted(p.step(), p.loss())));
    parameters.export(run.resolve("model.safetensors"), TensorType.BF16);
  }
}

Row counting(int start) {
  return Row.of(IntStream.range(start, start + 4 + start % 7).map(i -> i % 23).toArray());
}
