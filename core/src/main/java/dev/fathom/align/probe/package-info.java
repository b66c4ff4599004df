/// Probes: lines that tell two classes of texts apart inside a model, and what they say about where
/// and how a class is kept.
///
/// Start at [Probing], which does all of it for every layer. Its parts serve by themselves:
/// [Features] reads one vector a text at any sites, [LogisticFit] learns a [LogisticProbe],
/// [OrthogonalProbes] further ones, [Split], [Auc] and [Quality] measure, [Generalisation] tries
/// each layer's probe on the others, and [Probes] keeps directions in a file.
///
/// ```java
/// var data = TwoClasses.of(LabelledTextFile.read(file));
/// var texts = data.texts().stream().map(Features.Text::of).toList();
/// var config = Features.Config.of(Features.everyLayer(model, Kind.RESID_POST));
/// try (var features = Features.of(model, tokenizer, texts, config, _ -> {})) {
///   var split = Split.random(data.positive(), 0.2, 0);
///   var result = Probing.run(model, features, data, split, Probing.Config.standard(), () -> {});
/// }
/// ```
///
/// Nothing here knows what the classes mean. Nothing is null. Results are immutable; features may
/// be read by many threads, until they are closed.
@NullMarked
package dev.fathom.align.probe;

import org.jspecify.annotations.NullMarked;
