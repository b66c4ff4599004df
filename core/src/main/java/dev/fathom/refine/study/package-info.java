/// Studies of refinement: many trainings of one model, and what they show together.
///
/// Start with [Study], which trains and asks; each other type is one question about its runs, with
/// pictures. Nothing here is null unless it says so.
@NullMarked
package dev.fathom.refine.study;

import org.jspecify.annotations.NullMarked;
