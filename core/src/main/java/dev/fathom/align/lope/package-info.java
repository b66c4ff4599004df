/// LoPE (thesis section 5.2): probes say where bias can be read, value vectors that point there are
/// turned away from it, and what they add on average is taken out. Beside it variants that take the
/// directions from counterfactual pairs, or from the model's own preference between them.
/// [dev.fathom.align.lope.StereotypeSurvey] only looks: it shows the neurons along such probes, in
/// the vocabulary and on texts.
@NullMarked
package dev.fathom.align.lope;

import org.jspecify.annotations.NullMarked;
