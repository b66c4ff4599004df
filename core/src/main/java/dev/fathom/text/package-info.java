/// Text in, token ids out, and back: tokenizers of every common vocabulary file behind one
/// interface, and how tokens are shown to people.
///
/// Start at [Tokenizers][dev.fathom.text.Tokenizers]:
///
/// ```java
/// Tokenizer tokenizer = Tokenizers.load(Path.of("models/smollm2"));
/// Encoding encoding = tokenizer.encode("The Eiffel Tower is in");
/// for (int id : encoding.ids()) {
///   System.out.print(TokenDisplay.of(tokenizer, id) + "|");
/// }
/// ```
///
/// | file | implementation |
/// |---|---|
/// | tokenizer.json | Hugging Face's library (native, loaded on first use, never from the network) |
/// | tokenizer.model | SentencePiece BPE and unigram in Java |
/// | GGUF vocabulary | `gpt2` and `bert` as an equivalent tokenizer.json, `llama` in Java |
///
/// Offsets everywhere count Java chars. Files are hostile until parsed: sizes, nesting and ids are
/// bounded, and failures are a [FathomException][dev.fathom.FathomException] of one sentence.
///
/// Everything here is immutable and may be shared between threads. Nothing is null.
@NullMarked
package dev.fathom.text;

import org.jspecify.annotations.NullMarked;
