/// Models on disk: weight files, configurations, and getting from one format to another.
///
/// Start at [Checkpoint]: it opens a Hugging Face directory or a GGUF file and presents both in the
/// same terms. A family reads the configuration through [ConfigReader] and accounts for the tensors
/// with [TensorLedger]; [WeightFile] is a single file as it is; [Conversion] writes the other
/// format; [WeightWriter] writes any arrays.
///
/// ```java
/// try (var checkpoint = Checkpoint.open(Path.of("SmolLM2-135M-Instruct.Q4_1.gguf"))) {
///   int layers = checkpoint.config().path("num_hidden_layers").asInt();
///   MemorySegment values = checkpoint.read("model.embed_tokens.weight");   // f32, row major
///   Conversion.toSafetensors(checkpoint, Path.of("smollm2"), Optional.of(TensorType.BF16), Conversion.Progress.NONE);
/// }
/// ```
///
/// Nothing here is null unless marked `@Nullable`. [Checkpoint] and [WeightFile] may be used by
/// many threads, writers and readers of configurations by one. Mapped segments are read-only:
/// writing to one ends the program, and a file must not be changed while it is open. Large tensors
/// are decoded by the common pool. Failures of files are [dev.fathom.FathomException].
///
/// Files come from strangers. A header is parsed forward; each length, count and offset is checked
/// against what the file has left before it is used; nesting, names and element counts are bounded;
/// nothing in a file is executed, and no name in a file leads out of its directory.
///
/// ## Formats
///
/// All numbers are little-endian.
///
/// **safetensors** (read and written). 8 bytes: the length n of the header, at most 100,000,000. n
/// bytes: a JSON object in UTF-8, starting with `{`, padded with spaces. Its keys are tensor names,
/// its values `{"dtype": …, "shape": […], "data_offsets": [begin, end]}`, offsets counted from the
/// end of the header; `__metadata__` may map strings to strings. Tensors cover the rest of the file
/// without gap or overlap. Element types: F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL. Files
/// written here have tensors with wider elements first and a header that is a multiple of 8 long,
/// so that every tensor is aligned.
///
/// **Shards.** `model.safetensors.index.json` has `weight_map` from tensors to file names in the
/// same directory, and `metadata.total_size` in bytes.
///
/// **GGUF** (versions 2 and 3 read, 3 written). `GGUF`, a 32-bit version, 64-bit counts of tensors
/// and of metadata entries; the entries (key, type, value); for each tensor its name, number of
/// dimensions, sizes innermost first, type, offset; padding; the data, each tensor at a multiple of
/// `general.alignment` (32 unless stated) and none further apart than that. Strings are a 64-bit
/// length and UTF-8. The block encodings are described at [Dequantizer], the metadata types at
/// [GgufValue]. Written files hold F32, F16, BF16 or Q8_0.
///
/// Names and layouts differ from Hugging Face's: rows of q and k are interleaved for LLaMA-like
/// models, GPT-2's matrices are transposed, Gemma's norms are stored as 1 + w, fused q/k/v of
/// BLOOM, GPT-NeoX and Falcon are regrouped, LLaMA 3's stretching is a tensor of divisors.
/// Supported architectures: llama, qwen2, qwen3, gemma, gemma2, gemma3, phi2, phi3, gpt2, gptneox,
/// falcon, starcoder2, stablelm, olmo2, granite, bloom; Mistral is written as llama. Another one is
/// refused by name.
///
/// **Cards.** A safetensors file that was made from a model (lens, edit, probe, dictionary) has a
/// [Card] in its `__metadata__`: `fathom.card` is the version of these entries, `1`; `fathom.kind`,
/// `fathom.method`, `fathom.base` (the model's name), `fathom.base_sha256` (its fingerprint),
/// `fathom.parameters` (a JSON object of strings), `fathom.seed` (absent where nothing was random),
/// `fathom.data`, `fathom.created` (ISO 8601, UTC), `fathom.version`. What tensors such a file has
/// is said where its kind is defined.
///
/// **Fingerprint.** See [Checkpoint#sha256()].
///
/// ## History
///
/// - 0.1: safetensors and shards, GGUF 2 and 3, fingerprint of the stored weights, cards 1.
@NullMarked
package dev.fathom.checkpoint;

import org.jspecify.annotations.NullMarked;
