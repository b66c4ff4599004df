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
/// Tasks in words and their answers are [Instruction]s: [InstructionFile] reads them,
/// [PromptTemplate] makes prompts of them, and [LeakCheck] finds test items that are among those
/// for training. Texts of known classes are [LabelledText]s: [LabelledTextFile] reads them, and
/// [CsvFile] any comma-separated values.
///
/// Everything public is immutable and safe for use by many threads. No null is accepted or
/// returned.
@NullMarked
package dev.fathom.data;

import org.jspecify.annotations.NullMarked;
