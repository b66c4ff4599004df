/// Fathom: looks into transformer language models. Here is what every package shares: the error
/// that files, devices and the network cause, the version, and SHA-256.
///
/// Start at `dev.fathom.arch.Models`, which loads a model; `dev.fathom.model` has the forward pass
/// and its sites, `dev.fathom.explain` the methods.
///
/// ```java
/// try (Transformer model = Models.load(Path.of("gpt2"), DType.F32)) { … }
/// ```
///
/// Packages use only those below them: `view` and `text`, then `data` and `render`, `tensor`,
/// `checkpoint`, `model`, `arch`, `edit`, `evaluate`, `train`, `explain`, `refine`, `align`,
/// `concepts`, `world`.
@org.jspecify.annotations.NullMarked
package dev.fathom;
