/// Changing what a model can do with few numbers: [Lora], the late-layer mixture [Mod], both at
/// once ([Refinement]), and stopping early.
///
/// What speaks are [dev.fathom.model.LanguageModel]s: [MixtureModel] with a mixture, and
/// [ConfidenceExit] with the first layer that is sure; how tokens leave is an [Exit], and
/// [ExitReport] measures what it saves. [Tuned] is a model with whatever was learnt for it.
///
/// Nothing here is null unless it says so. Models are shared and never changed.
@NullMarked
package dev.fathom.refine;

import org.jspecify.annotations.NullMarked;
