/// Several methods on one page: the report of `fathom explain`, the comparison of two models, and
/// the thesis' figures.
///
/// Start with [dev.fathom.explain.report.Explanation], [dev.fathom.explain.report.Comparison] and
/// [dev.fathom.explain.report.Figures]. A section or a [dev.fathom.explain.report.Figure] is a line
/// in a list. `Findings` makes each result once, whatever sections ask for it. Figures say in
/// `figure-ID.json` (`fathom.figure/1`, described there) that they are complete.
///
/// Nothing is null unless marked; reports are immutable and hold no native memory.
@org.jspecify.annotations.NullMarked
package dev.fathom.explain.report;
