/// Studies of refinement: many trainings of one model, and what they show together.
///
/// Start with [Study], which trains and asks the [Variants] of one model; [AccuracyStudy],
/// [RoutingStudy], [GridStudy] and [LayerStudy] are each one question about its runs, with pictures.
/// [AccelerationStudy] times one that was tuned. [StudyFigures] draws the thesis' figures from
/// whatever studies left in their directory:
///
///     SUBJECT/VARIANT-seedN/train   a training ([dev.fathom.train.Trainer])
///     SUBJECT/VARIANT-seedN/test    its answers ([dev.fathom.evaluate.ItemDirectory])
///     SUBJECT/acceleration          what was timed
///
/// Nothing here is null unless it says so.
@NullMarked
package dev.fathom.refine.study;

import org.jspecify.annotations.NullMarked;
