/// Concepts as directions of a model's stream: how they are read, what they tell, what they are
/// worth.
///
/// Start at [Compilation], which reads a direction of each concept at each layer into a
/// [Dictionary], a folder of mapped files; [Reading] says how one direction is read.
/// [DictionaryResult] shows what a dictionary is worth, [ActiveConcepts] of which concepts each
/// token of a text consists ([ConceptAtoms] takes them apart), [Dispersion] how far directions lie
/// apart. [BundledConcepts] are there without a file.
///
/// ```java
/// var concepts = BundledConcepts.all();
/// var config = Compilation.Config.standard(model);
/// Compilation.run(model, tokenizer, concepts, concepts, config, folder, _ -> {});
/// try (var dictionary = Dictionary.open(folder)) {
///   double[] love = dictionary.direction(dictionary.bestLayer(), "love");
/// }
/// ```
///
/// Nothing is null. Results are immutable; a dictionary may be read by many threads, until it is
/// closed.
@NullMarked
package dev.fathom.concepts;

import org.jspecify.annotations.NullMarked;
