/// What others do against bias, each as a [dev.fathom.align.Method] with its settings: the measure
/// of any new method.
///
/// | method | what it does | remedy |
/// |---|---|---|
/// | [Subtraction] | takes a value vector off the last stream | bias of one map |
/// | [Inlp] | projects what linear classifiers read out of what the head reads | the head |
/// | [SentenceDebias] | the same with the directions between counterfactual texts | the head |
/// | [SelfDebias] | makes words less likely that a biased reading of the text likes | at run time |
/// | [Bns] | silences neurons that tell the stereotype from its opposite | value vectors |
/// | [Cda] | learns texts with their counterfactuals | LoRA |
/// | [DropoutTuning] | learns the same texts under dropout | LoRA |
/// | [Ethos] | takes off what learning bias changes, by singular directions | whole maps |
///
/// ```java
/// for (Inlp method : Inlp.grid()) {
///   Remedy remedy = method.fit(fitting);
///   …
/// }
/// ```
///
/// Each page says how the original works and what is different here. Nothing is null unless marked;
/// methods are values, used by any thread.
@NullMarked
package dev.fathom.align.baseline;

import org.jspecify.annotations.NullMarked;
