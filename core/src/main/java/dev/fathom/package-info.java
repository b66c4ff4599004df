/// Fathom: looks into transformer language models. Here is what every package shares: the error
/// that files, devices and the network cause, and the version.
///
/// Start at `dev.fathom.arch.Models`, which loads a model; `dev.fathom.model` has the forward pass
/// and its sites, `dev.fathom.explain` the methods.
///
/// ```java
/// try (Transformer model = Models.load(Path.of("gpt2"), DType.F32)) { … }
/// ```
///
/// Packages use only those below them: `view` and `text`, then `data` and `render`, `tensor`,
/// `checkpoint`, `model`, `arch`, `evaluate`, `explain`.
@org.jspecify.annotations.NullMarked
package dev.fathom;
