/// Weight files: what a model is, read from a Hugging Face directory or a GGUF file, and written
/// back. This package owns the formats; it knows names, shapes and numbers, and nothing of what a
/// model computes.
///
/// Start at [Checkpoint][dev.fathom.checkpoint.Checkpoint]:
///
/// ```java
/// try (var checkpoint = Checkpoint.open(Path.of("model.gguf"))) {
///   checkpoint.tensors().forEach((name, info) -> System.out.println(name + " " + info));
///   MemorySegment weight = checkpoint.read("model.norm.weight");
/// }
/// ```
///
/// A GGUF file is presented as the Hugging Face checkpoint it stands for: its metadata as a
/// configuration, its tensors under Hugging Face's names, in their layout.
/// [ConfigReader][dev.fathom.checkpoint.ConfigReader] and
/// [TensorLedger][dev.fathom.checkpoint.TensorLedger] make a checkpoint a closed world: what nobody
/// asked for is an error that names it. [Conversion][dev.fathom.checkpoint.Conversion] writes the
/// other format, `checkpoint.hub` brings models from the hub.
///
/// Files are hostile until parsed: headers, counts, offsets and nesting are bounded before anything
/// is allocated, and nothing in them is ever run. Failures are a
/// [FathomException][dev.fathom.FathomException].
///
/// An open checkpoint may be read by several threads; closing it unmaps what they read. No null is
/// accepted or returned unless marked.
@NullMarked
package dev.fathom.checkpoint;

import org.jspecify.annotations.NullMarked;
