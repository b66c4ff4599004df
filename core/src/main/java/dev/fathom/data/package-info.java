/// What goes into a model: prompts, and the tokens one asks about. Also the files that hold many of
/// them.
///
/// Start at [Prompt].
///
/// ```java
/// Tokenizer tokenizer = Tokenizers.load(Path.of("model"));
/// Prompt prompt = Prompt.of(tokenizer, "The Eiffel Tower is in the city of", Prompt.Options.PLAIN);
/// Target target = Target.of(tokenizer, prompt, "Paris"); // the token " Paris"
/// int id = target.id();
/// ```
///
/// Everything public is immutable and safe for use by many threads. No null is accepted or
/// returned.
@NullMarked
package dev.fathom.data;

import org.jspecify.annotations.NullMarked;
