/// Draws what methods found: [Terminal] as text, [Svg] and [Png] as pictures, [Html] as one page
/// that needs nothing else, [Json] for other programs; [Gallery] is a page of pictures drawn
/// before.
///
/// Each renderer is one exhaustive switch over [View][dev.fathom.view.View], so a new kind of
/// picture does not compile until every renderer can draw it.
///
/// ```java
/// var style = TerminalStyle.of(System.getenv(), System.console() != null);
/// System.out.print(Terminal.render(result.views().getFirst(), style)); // standard output in UTF-8
/// Files.writeString(Path.of("lens.html"), Html.render(report));
/// Files.writeString(Path.of("lens.json"), Json.render(result));
/// Files.write(Path.of("lens.png"), Png.render(result.views().getFirst()));
/// ```
///
/// All renderers are stateless and may be called from any thread. Nothing is null. They write to
/// strings and bytes only; where those go is the caller's business.
///
/// ## Text of strangers
///
/// Tokens may hold anything. Terminal, SVG and HTML show stand-ins for what would not be seen or
/// would act: `␛` for control characters, `⏎` for line breaks, `⟨202E⟩` for invisible characters
/// and overrides of direction. JSON keeps strings as they are, except that half a surrogate pair,
/// which UTF-8 cannot carry, becomes U+FFFD.
///
/// ## Large pictures
///
/// Nothing is dropped silently. The terminal continues wide maps in blocks, draws more than 256
/// columns in groups that show their value of greatest magnitude, thins more than 64 rows, and says
/// so under the picture. SVG and PNG do the same beyond 512 columns or 256 rows. HTML pages a map
/// every 256 columns and keeps every number.
///
/// ## The JSON format
///
/// One object in UTF-8, version 1. A reader should check `format` and ignore fields it does not
/// know.
///
/// | `format` | fields |
/// |---|---|
/// | `fathom.result/1` | `method`, `provenance`, `arrays`, `views` |
/// | `fathom.report/1` | `title`, `subtitle`, `summary` [text], `provenance`, `sections` [`id`, `title`, `explanation`, `arrays`, `views`] |
/// | `fathom.view/1` | the fields of the view itself |
///
/// - **Numbers** are plain JSON numbers; NaN and infinities are `null`. Integers may exceed 2^53.
/// - **provenance**: `model`, `weights` (SHA-256, or empty), `version`, `tokenIds`, `tokens`,
///   `parameters` (name to text), `seed` (or null), `dtype`, `seconds`, `peakBytes` (0: unknown).
/// - **arrays**: name to array. An array has `axes` [`name`, `size`, and `labels` if it has any],
///   `type` (`f32` or `i64`) and `values`, lists nested as deep as there are axes.
/// - **views**: each has `kind`, `title`, `question` and the fields of its kind:
///
/// | `kind` | fields |
/// |---|---|
/// | `heatMap` | `scale`, `grid` (an array), `labels` [row][column], `details` [row][column][line], `unscaledColumns`, `rowsBottomUp` |
/// | `lines` | `x` (an array), `panels` [`unit`, `logarithmic`, `series` [`name`, `values`, `low`, `high`]], `marks` [`x`, `label`] |
/// | `tokens` | `scale`, `tokens` [`text`, `value`, `details`] |
/// | `ranking` | `unit`, `items` [`label`, `value`, `low`, `high`, `details`] |
/// | `scatter` | `xTitle`, `yTitle`, `diagonal`, `frame` {`xLow`, `xHigh`, `yLow`, `yHigh`}, `named` [text], `link`, `points` [`x`, `y`, `label`, `group`, `details`] |
/// | `flow` | `unit`, `nodes` [`label`, `column`], `edges` [`from`, `to`, `weight`] |
/// | `table` | `columns`, `rows` of text, numbers or {`value`, `low`, `high`} |
/// | `text` | `paragraphs` |
/// | `smallMultiples` | `scale`, `panels` [heat maps] |
///
/// A `scale` has `kind` (`sequential`, `logarithmic`, `diverging`), `low`, `high` and `unit`; its
/// ends are those the pictures use. `labels`, `details`, `low`, `high`, `frame`, `named` and `link`
/// are left out where there are none. The same object, without arrays, stands in every HTML page as
/// the script element `data`.
///
/// ### History
///
/// - 1: first version.
@NullMarked
package dev.fathom.render;

import org.jspecify.annotations.NullMarked;
