/// What a method found and how it may be drawn: plain values without native memory and without I/O.
///
/// A method returns a [Result]: its [Provenance], its arrays as [Grid]s, and a few [View]s, each a
/// picture described by what it shows rather than by how it is drawn. The `render` package draws
/// any view in the terminal, as SVG, PNG, HTML or JSON. A [Report] is several results on one page.
///
/// ```java
/// Grid p = Grid.real(List.of(Axis.index("layer", 31), Axis.of("position", tokens)), values);
/// View lens =
///     View.HeatMap.of("Logit lens", "Which token does each layer predict?", p, Scale.probability())
///         .withLabels(topTokens)
///         .bottomUp();
/// ```
///
/// Everything here is immutable and may be shared between threads. Nothing is null. Strings are
/// kept exactly as given, tokens included: making them harmless is the renderer's work.
@NullMarked
package dev.fathom.view;

import org.jspecify.annotations.NullMarked;
