package dev.fathom.train;

import dev.fathom.FathomException;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/// Makes an [Objective] small over a [TrainingSet]: AdamW with a schedule and clipped gradients, on
/// several threads, each with its own graph over the same parameters. The run's directory keeps
/// everything needed to go on after a kill as if nothing had happened.
///
/// ```java
/// try (var parameters = Initialization.random(config, seed, 0.02)) {
///   var objective = NextToken.of(config, "new", DType.BF16);
///   var settings = Trainer.Config.standard(Schedule.cosine(3e-3, 4000));
///   TrainingLog log =
///       new Trainer(parameters, objective, data, heldOut, settings).run(directory, progress -> {});
/// }
/// ```
///
/// The workers' gradients are added in a fixed order, so a run gives the same numbers each time on
/// one machine with one number of workers. Several processes share a step the same way ([#with]):
/// `n` processes of one worker compute what one process of `n` workers does.
public final class Trainer {
  private final Parameters parameters;
  private final Objective objective;
  private final TrainingSet data;
  private final List<Row> heldOut;
  private final Config config;
  private final Peers peers;

  /// How to train: [#standard] and changes to it.
  ///
  /// @param batchRows rows of a step; 0 to go by tokens
  /// @param batchTokens tokens of a step, about, where `batchRows` is 0
  /// @param pieceTokens tokens whose graph a worker holds at a time; larger batches add up pieces
  /// @param workers threads that share a step
  /// @param schedule learning rate and number of steps
  /// @param adam the optimiser's constants
  /// @param clip the gradient's greatest norm; 0 for any
  /// @param evaluateEvery steps between losses on held-out rows
  /// @param patience evaluations without a new best before the run stops early; 0 for never
  /// @param saveEvery steps between saved states
  public record Config(
      int batchRows,
      int batchTokens,
      int pieceTokens,
      int workers,
      Schedule schedule,
      AdamW.Config adam,
      double clip,
      int evaluateEvery,
      int patience,
      int saveEvery) {
    public Config {
      if (batchRows < 0) {
        throw new IllegalArgumentException("a batch has at least 1 row, found " + batchRows);
      }
      if (batchTokens < 2 || pieceTokens < 2 || workers < 1) {
        throw new IllegalArgumentException(
            "batches need at least 2 tokens, their pieces too, and 1 worker, found %d, %d and %d"
                .formatted(batchTokens, pieceTokens, workers));
      }
      if (!(clip >= 0) || evaluateEvery < 1 || patience < 0 || saveEvery < 1) {
        throw new IllegalArgumentException(
            ("clip and patience must be at least 0, steps between evaluations and saves at least 1,"
                    + " found %s, %d, %d and %d")
                .formatted(clip, patience, evaluateEvery, saveEvery));
      }
    }

    /// Batches of 4096 tokens in pieces of at most as many, a worker for each core, gradients
    /// clipped at 1; evaluated and saved every 200 steps, to the end of the schedule.
    public static Config standard(Schedule schedule) {
      return new Config(
          0,
          4096,
          4096,
          Runtime.getRuntime().availableProcessors(),
          schedule,
          AdamW.Config.standard(),
          1,
          200,
          0,
          200);
    }

    /// The same with batches of this size.
    public Config withBatch(int tokens) {
      return new Config(
          0,
          tokens,
          Math.min(pieceTokens, tokens),
          workers,
          schedule,
          adam,
          clip,
          evaluateEvery,
          patience,
          saveEvery);
    }

    /// The same with batches of so many rows.
    public Config withBatchRows(int rows) {
      return new Config(
          rows,
          batchTokens,
          pieceTokens,
          workers,
          schedule,
          adam,
          clip,
          evaluateEvery,
          patience,
          saveEvery);
    }

    /// The same with graphs of at most so many tokens.
    public Config withPieces(int tokens) {
      return new Config(
          batchRows,
          batchTokens,
          tokens,
          workers,
          schedule,
          adam,
          clip,
          evaluateEvery,
          patience,
          saveEvery);
    }

    public Config withWorkers(int count) {
      return new Config(
          batchRows,
          batchTokens,
          pieceTokens,
          count,
          schedule,
          adam,
          clip,
          evaluateEvery,
          patience,
          saveEvery);
    }

    public Config withAdam(AdamW.Config other) {
      return new Config(
          batchRows,
          batchTokens,
          pieceTokens,
          workers,
          schedule,
          other,
          clip,
          evaluateEvery,
          patience,
          saveEvery);
    }

    public Config withClip(double norm) {
      return new Config(
          batchRows,
          batchTokens,
          pieceTokens,
          workers,
          schedule,
          adam,
          norm,
          evaluateEvery,
          patience,
          saveEvery);
    }

    public Config evaluatingEvery(int steps) {
      return new Config(
          batchRows,
          batchTokens,
          pieceTokens,
          workers,
          schedule,
          adam,
          clip,
          steps,
          patience,
          saveEvery);
    }

    /// The same, stopping after so many evaluations in a row without a new lowest loss; the
    /// parameters then end as those of the lowest.
    public Config withPatience(int evaluations) {
      return new Config(
          batchRows,
          batchTokens,
          pieceTokens,
          workers,
          schedule,
          adam,
          clip,
          evaluateEvery,
          evaluations,
          saveEvery);
    }

    public Config savingEvery(int steps) {
      return new Config(
          batchRows,
          batchTokens,
          pieceTokens,
          workers,
          schedule,
          adam,
          clip,
          evaluateEvery,
          patience,
          steps);
    }
  }

  /// How far a run is.
  ///
  /// @param loss mean of the last step's batch, in nats a token
  /// @param heldOut the newest mean on held-out rows
  /// @param tokensPerSecond over the last few steps
  /// @param secondsLeft at that speed
  /// @param measures what the objective measured in the last step
  public record Progress(
      long step,
      long steps,
      double loss,
      List<Double> measures,
      OptionalDouble heldOut,
      double rate,
      double tokensPerSecond,
      double secondsLeft) {}

  /// @param heldOut rows that are only evaluated, may be none
  public Trainer(
      Parameters parameters,
      Objective objective,
      TrainingSet data,
      List<Row> heldOut,
      Config config) {
    this(parameters, objective, data, heldOut, config, Peers.ALONE);
  }

  private Trainer(
      Parameters parameters,
      Objective objective,
      TrainingSet data,
      List<Row> heldOut,
      Config config,
      Peers peers) {
    this.parameters = parameters;
    this.objective = objective;
    this.data = data;
    this.heldOut = List.copyOf(heldOut);
    this.config = config;
    this.peers = peers;
  }

  /// The same, sharing each batch with other processes that run a trainer of the same settings and
  /// data. The first one's parameters and directory count; the others' are not read, and they write
  /// nothing. Their logs begin where they join.
  public Trainer with(Peers peers) {
    return new Trainer(parameters, objective, data, heldOut, config, peers);
  }

  /// Trains to the end of the schedule, or from where an earlier run in this directory left off.
  ///
  /// @return the log of all steps; the parameters hold the result
  /// @throws FathomException if the directory holds a run with other settings or data, or the loss
  ///   stops being a number (the last saved state then remains)
  public TrainingLog run(Path directory, Consumer<Progress> listener) {
    try (var run =
            peers.first()
                ? RunDirectory.open(directory, settings(), objective.measures())
                : RunDirectory.elsewhere(directory, objective.measures());
        var optimiser = new AdamW(parameters, config.adam);
        var workers = new Workers(config.workers);
        var scope = Scope.withoutGradients()) {
      RunState state = shared(run.load(parameters, optimiser), optimiser);
      var gradients =
          IntStream.range(0, config.workers)
              .mapToObj(_ -> Tensor.zeros(parameters.dtype(), parameters.elements()))
              .toList();
      var speed = new Speed(config.schedule.steps());
      var batches = new Cursor(data, config, state);
      while (state.step() < config.schedule.steps() && !state.stopped(config.patience)) {
        long began = System.nanoTime();
        List<Row> batch = batches.next();
        double rate = config.schedule.rate(state.step() + 1);
        Step step =
            step(batch, gradients, workers, optimiser, state.step() + 1, rate, batches, run);
        state = state.after(batches, step, Speed.since(began));
        run.log(state, step);
        if (state.step() % config.evaluateEvery == 0 || state.step() == config.schedule.steps()) {
          state = evaluated(state, run, workers);
        }
        if (state.step() % config.saveEvery == 0) {
          run.save(state, parameters, optimiser);
        }
        listener.accept(speed.after(state, step));
      }
      run.save(state, parameters, optimiser);
      if (config.patience > 0) {
        run.loadBest(parameters);
        peers.copyFirst(parameters.flat());
      }
      return run.log();
    }
  }

  /// Starts all processes from where the first one is.
  private RunState shared(RunState state, AdamW optimiser) {
    if (peers.size() == 1) {
      return state;
    }
    settings().requireShared(peers);
    peers.copyFirst(parameters.flat());
    peers.copyFirst(optimiser.mean());
    peers.copyFirst(optimiser.square());
    return RunState.of(peers.ofFirst(state.numbers()));
  }

  /// What one step showed.
  ///
  /// @param loss mean over its targets, nats
  /// @param norm the gradient's, before clipping
  /// @param measures means over its targets
  record Step(double loss, double rate, double norm, long tokens, List<Double> measures) {}

  private static List<Double> means(Objective.Sums sums, long targets) {
    return sums.measures().stream().map(sum -> sum / targets).toList();
  }

  private Step step(
      List<Row> batch,
      List<Tensor> gradients,
      Workers workers,
      AdamW optimiser,
      long number,
      double rate,
      Cursor where,
      RunDirectory run) {
    long targets = Batches.targets(batch);
    long tokens = Batches.tokens(batch);
    Objective.Sums sums = peers.sum(gradients(batch, gradients, workers, 1.0 / targets, number));
    double sum = sums.loss();
    try (var scope = Scope.open()) {
      Tensor gradient = gradients.getFirst();
      gradients.stream().skip(1).forEach(gradient::addInPlace);
      peers.sumInPlace(gradient);
      double norm = gradient.norm(0, false).item();
      if (!Double.isFinite(sum) || !Double.isFinite(norm)) {
        throw new FathomException(
            ("step %d: the loss is %s and the gradient's norm %s, so training stopped before this"
                    + " step changed anything; it was batch %d of epoch %d, at a learning rate of"
                    + " %.3g. The last saved state is kept: try a lower rate or a longer warm-up")
                .formatted(number, sum / targets, norm, where.batch() - 1, where.epoch(), rate));
      }
      if (config.clip > 0 && norm > config.clip) {
        gradient.mulInPlace(config.clip / norm);
      }
      optimiser.step(gradient, number, rate);
      return new Step(sum / targets, rate, norm, tokens, means(sums, targets));
    }
  }

  /// Fills `gradients`, one a worker, with those of their shares of the batch.
  private Objective.Sums gradients(
      List<Row> batch, List<Tensor> gradients, Workers workers, double scale, long step) {
    int all = workers.count() * peers.size();
    int each = Math.ceilDiv(Math.ceilDiv((int) Batches.tokens(batch), all), config.pieceTokens);
    List<List<Row>> pieces = Batches.pieces(batch, each * all);
    var tasks = new ArrayList<Callable<Objective.Sums>>();
    for (int w = 0; w < workers.count(); w++) {
      Tensor gradient = gradients.get(w);
      int from = (peers.rank() * workers.count() + w) * each;
      List<List<Row>> share =
          pieces.subList(Math.min(pieces.size(), from), Math.min(pieces.size(), from + each));
      tasks.add(() -> {
        try (var scope = Scope.withGradients()) {
          gradient.zeroInPlace();
          var leaves = parameters.leaves(gradient);
          Objective.Sums sums = none();
          for (List<Row> piece : share) {
            sums = sums.plus(objective.backward(leaves, piece, scale, step));
          }
          return sums;
        }
      });
    }
    return workers.all(tasks).stream().reduce(none(), Objective.Sums::plus);
  }

  private Objective.Sums none() {
    return Objective.Sums.none(objective.measures().size());
  }

  private RunState evaluated(RunState state, RunDirectory run, Workers workers) {
    if (heldOut.isEmpty()) {
      return state;
    }
    List<List<Row>> pieces =
        Batches.pieces(heldOut, Math.ceilDiv((int) Batches.tokens(heldOut), config.pieceTokens));
    var tasks = new ArrayList<Callable<Objective.Sums>>();
    for (int i = peers.rank(); i < pieces.size(); i += peers.size()) {
      List<Row> piece = pieces.get(i);
      tasks.add(() -> {
        try (var scope = Scope.withoutGradients()) {
          return objective.loss(parameters.tensors(), piece);
        }
      });
    }
    Objective.Sums sums =
        peers.sum(workers.all(tasks).stream().reduce(none(), Objective.Sums::plus));
    double sum = sums.loss();
    if (!Double.isFinite(sum)) {
      throw new FathomException(
          ("step %d: the loss on held-out rows is %s, so training stopped. %s: try a lower rate or a"
                  + " longer warm-up")
              .formatted(state.step(), sum / Batches.targets(heldOut), run.saved()));
    }
    long targets = Batches.targets(heldOut);
    RunState after = state.evaluated(sum / targets);
    run.logEvaluation(after, means(sums, targets));
    if (config.patience > 0 && after.sinceBest() == 0) {
      run.saveBest(parameters);
    }
    return after;
  }

  private RunSettings settings() {
    return new RunSettings(
        config,
        objective.fingerprint(),
        data.fingerprint(),
        Batches.digest(heldOut),
        parameters.fingerprint(),
        peers.size());
  }
}
