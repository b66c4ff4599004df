/// A small English world whose truth is known because it was written down first: facts, planted
/// rates, rules of grammar, stories and word arithmetic. A model trained on its texts is a place
/// where a method can be checked: did it find, or change, what was planted?
///
/// Start at [dev.fathom.world.World], what is true; [dev.fathom.world.Corpus] says it in texts to
/// train on, [dev.fathom.world.Truth] asks for it.
///
/// ```java
/// World world = World.load();
/// List<String> texts = new Corpus(world, 1).round(0);
/// for (Cloze question : Truth.of(world).questions(Truth.Check.TRAINED_FACTS)) {
///   System.out.println(question.prompt() + " ->" + question.answer());
/// }
/// ```
///
/// The lists and templates are tab-separated files beside these classes, each with a header line.
/// In a template `{name}` is a slot; the answer, the word a check asks for, is `{o}` or a slot
/// repeated with an equals sign, `{=name}`.
///
/// Everything public is immutable and safe for use by many threads. No null is accepted or
/// returned.
@NullMarked
package dev.fathom.world;

import org.jspecify.annotations.NullMarked;
