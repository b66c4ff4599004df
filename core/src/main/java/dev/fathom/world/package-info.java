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
/// # The lists
///
/// Tab-separated files beside these classes, in ASCII. The first line is a header, lines with `#`
/// are comments, no field is empty. Whatever can be an answer is one word of letters.
///
/// | file | columns |
/// |---|---|
/// | `landmarks.tsv` | article (`the` or `-`), landmark, city |
/// | `cities.tsv` | city, country |
/// | `countries.tsv` | country, capital, language, currency, continent |
/// | `categories.tsv` | item, category |
/// | `properties.tsv` | item, relation, answer |
/// | `occupations.tsv` | singular, plural, men: planted share of men |
/// | `peoples.tsv` | group, domain, trait, opposite, unrelated, rate: planted share of the trait |
/// | `names.tsv` | name, gender (`m` or `f`) |
/// | `stories.tsv` | kind, word |
/// | `templates.tsv` | relation, split (`train` or `held`), text |
///
/// In a template `{name}` is a slot. The answer, the word a check asks for, is `{o}` or a slot
/// repeated with an equals sign, `{=name}`; there is exactly one, after a space.
///
/// Everything public is immutable and safe for use by many threads. No null is accepted or
/// returned.
@NullMarked
package dev.fathom.world;

import org.jspecify.annotations.NullMarked;
