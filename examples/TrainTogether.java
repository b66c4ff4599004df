import dev.fathom.checkpoint.JsonFiles;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.ProcessGroup;
import dev.fathom.train.Initialization;
import dev.fathom.train.LocalWorkers;
import dev.fathom.train.NextToken;
import dev.fathom.train.Peers;
import dev.fathom.train.Row;
import dev.fathom.train.Schedule;
import dev.fathom.train.Trainer;
import dev.fathom.train.TrainingSet;

/// Trains a tiny model of a `config.json` with random weights in two processes.
void main(String[] args) throws IOException {
  if (args.length == 5) { // CONFIG --rendezvous HOST:PORT --rank R
    LocalWorkers.endWithParent();
    int port = Integer.parseInt(args[2].split(":")[1]), rank = Integer.parseInt(args[4]);
    try (var group = ProcessGroup.join("127.0.0.1", port, rank, 2, Duration.ofMinutes(1))) {
      train(args[0], Peers.of(group));
    }
  } else {
    try (var workers = LocalWorkers.start(2, getClass(), List.of(args));
        var group = workers.join(Duration.ofMinutes(1))) {
      train(args[0], Peers.of(group));
    }
  }
}

void train(String file, Peers peers) throws IOException {
  var config = JsonFiles.read(Path.of(file), 1 << 20);
  var data = TrainingSet.shuffled(List.of(Row.of(1, 2, 3), Row.of(2, 3, 4), Row.of(3, 4, 5)), 1);
  var steps = new Schedule(1e-2, 2, 9, Schedule.Shape.COSINE, 0.1);
  var settings = Trainer.Config.standard(steps).withWorkers(1);
  try (var start = Initialization.random(config, 1, 0.1)) {
    var objective = NextToken.of(config, "new", DType.F32);
    var trainer = new Trainer(start, objective, data, List.of(), settings).with(peers);
    trainer.run(Files.createTempDirectory("run"), p -> IO.println(p.loss()));
  }
}
