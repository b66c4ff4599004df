/// Families: one file each reads a `config.json`, names the weights, and returns the parts of a
/// [dev.fathom.model.Transformer]. No family file computes anything of the forward pass, and
/// nothing outside this package names a family.
///
/// Start with [Models]:
///
/// ```java
/// try (Transformer model = Models.load(Path.of("gpt2"), DType.F32)) { … }
/// ```
///
/// To add a family: a file with a `FAMILY` constant, a line in [Families], a reference made by an
/// independent implementation, and the family contract test does the rest.
///
/// A checkpoint is a closed world: what the configuration or the weight file holds beyond what the
/// family understands is refused by name.
@org.jspecify.annotations.NullMarked
package dev.fathom.arch;
