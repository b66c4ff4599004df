/// Training: any [dev.fathom.model.Transformer], or whatever else has parameters and a loss.
///
/// Start with [Trainer]; a causal model's loss is [NextToken], its first weights are
/// [Initialization].
///
/// ```java
/// try (Parameters parameters = Initialization.random(config, seed, 0.02)) {
///   var objective = NextToken.of(config, "new", DType.BF16);
///   var trainer = new Trainer(parameters, objective, data, heldOut, settings);
///   TrainingLog log = trainer.run(directory, progress -> {});
///   parameters.export(directory.resolve("model.safetensors"), TensorType.BF16);
/// }
/// ```
///
/// Masters are F32; the model of each step is a function of them ([dev.fathom.arch.Models#over]),
/// in F32 or BF16. What is not among the [Parameters] is frozen and builds no graph.
///
/// Several processes can share a run: [Peers], [LocalWorkers].
///
/// Threads: a trainer uses its own worker threads; its objects are for one thread at a time.
@org.jspecify.annotations.NullMarked
package dev.fathom.train;
