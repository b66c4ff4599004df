/// Methods of alignment against each other, on items none of them was fitted on.
///
/// Start at [AlignmentStudy]: it takes [Entrant]s (all are in [Roster]) through domains whose terms
/// [Folds] has dealt out, tunes, measures and keeps each [Outcome], and gives an [AlignmentTable].
/// [Generations] are texts before and after; [AlignmentFigures] the thesis' figures about bias.
///
/// ```java
/// var heldOut = new AlignmentStudy.HeldOut("text.txt", texts, 4096);
/// var entrants = Roster.named(List.of("lope", "pairs", "random"));
/// AlignmentTable table = AlignmentStudy.run(domains, entrants, heldOut, folder, _ -> {});
/// ```
///
/// A folder has `seedN/DOMAINF/METHOD/outcome.json` and, of methods that change weights,
/// `edit.safetensors` beside it; `cache` has what models computed. An outcome holds the settings
/// that were chosen, every item's three scores, perplexity, KL, changed weights and seconds, and a
/// digest of all it depends on (`asked`). History: version 2 is in the digest; before, there was no
/// version.
///
/// Nothing is null. One thread.
@NullMarked
package dev.fathom.align.study;

import org.jspecify.annotations.NullMarked;
