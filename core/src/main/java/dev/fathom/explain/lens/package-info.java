/// What could a model say after each layer? The logit lens and what is made of it: statistics over
/// prompts, early-exit evidence, the tuned lens and its training, decoding by contrasting layers.
///
/// ```java
/// var config = LogitLens.Config.standard().withTarget(target.id());
/// LensResult lens = LogitLens.run(model, tokenizer, prompt, config);
/// ```
///
/// Start with [dev.fathom.explain.lens.LogitLens]. A [dev.fathom.explain.lens.Reading] is what a
/// lens makes of the streams before the head reads them: nothing, or a tuned lens' translators. Row
/// 0 is the embedding, row l the stream after block l - 1.
///
/// Nothing is null unless marked; results are immutable and hold no native memory.
@org.jspecify.annotations.NullMarked
package dev.fathom.explain.lens;
