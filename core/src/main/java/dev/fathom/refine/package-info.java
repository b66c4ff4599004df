/// Changing what a model can do with few numbers: [Lora], the late-layer mixture [Mod], both at once
/// ([Refinement]), and stopping early.
///
/// Nothing here is null unless it says so. Models are shared and never changed.
@NullMarked
package dev.fathom.refine;

import org.jspecify.annotations.NullMarked;
