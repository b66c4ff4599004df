package dev.fathom.render;

import java.util.List;
import java.util.Locale;

/// An SVG under construction. Coordinates are in CSS pixels from the top left; colours are names of
/// [Paint]; text is escaped here.
final class Drawing {
  /// About the width of a character in pixels at the size of ordinary text.
  private static final double ADVANCE = 0.58;

  /// Without quotes or spaces after commas, which jsvg does not read, and with Java's own name.
  private static final String FONT =
      "system-ui,Segoe UI,Noto Sans,DejaVu Sans,Arial,SansSerif,sans-serif";

  private final Theme theme;
  private final StringBuilder body = new StringBuilder();
  private double width;
  private double height;

  Drawing(Theme theme) {
    this.theme = theme;
  }

  double width() {
    return width;
  }

  double height() {
    return height;
  }

  /// Makes the drawing at least this large.
  Drawing extend(double width, double height) {
    this.width = Math.max(this.width, width);
    this.height = Math.max(this.height, height);
    return this;
  }

  /// About how wide a text is at a size.
  static double measure(String text, double size) {
    return Legible.width(text) * size * ADVANCE;
  }

  /// A legible text cut to about a width.
  static String cut(String text, double size, double width) {
    return Legible.cut(Legible.of(text), (int) Math.max(1, width / (size * ADVANCE) + 0.01), "…");
  }

  Drawing rect(double x, double y, double w, double h, String paint, List<String> tip) {
    return mark(
        "rect",
        "x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" fill=\"%s\""
            .formatted(n(x), n(y), n(w), n(h), Paint.of(theme, paint)),
        tip);
  }

  Drawing circle(double x, double y, double r, String paint, List<String> tip) {
    return mark(
        "circle",
        "cx=\"%s\" cy=\"%s\" r=\"%s\" fill=\"%s\" fill-opacity=\"0.85\""
            .formatted(n(x), n(y), n(r), Paint.of(theme, paint)),
        tip);
  }

  /// Begins marks that are shown together with others of the same key.
  ///
  /// @param name what is written beside them then
  Drawing open(String key, String name) {
    body.append(
        "<g data-key=\"%s\" data-name=\"%s\">".formatted(Markup.escape(key), Markup.escape(name)));
    return this;
  }

  Drawing close() {
    body.append("</g>\n");
    return this;
  }

  /// A circle whose inside can be pointed at, but not seen.
  Drawing ring(double x, double y, double r, String paint, List<String> tip) {
    String color = Paint.of(theme, paint);
    return mark(
        "circle",
        "cx=\"%s\" cy=\"%s\" r=\"%s\" fill=\"%s\" fill-opacity=\"0\" stroke=\"%s\" stroke-width=\"1.3\""
            .formatted(n(x), n(y), n(r - 0.6), color, color),
        tip);
  }

  /// A square on its corner.
  Drawing diamond(double x, double y, double r, String paint, List<String> tip) {
    return mark(
        "path",
        "d=\"M%s %sL%s %sL%s %sL%s %sZ\" fill=\"%s\""
            .formatted(
                n(x - r),
                n(y),
                n(x),
                n(y - r),
                n(x + r),
                n(y),
                n(x),
                n(y + r),
                Paint.of(theme, paint)),
        tip);
  }

  Drawing line(double x1, double y1, double x2, double y2, String paint, boolean dashed) {
    return mark(
        "line",
        "x1=\"%s\" y1=\"%s\" x2=\"%s\" y2=\"%s\" stroke=\"%s\" stroke-width=\"1\"%s"
            .formatted(
                n(x1),
                n(y1),
                n(x2),
                n(y2),
                Paint.of(theme, paint),
                dashed ? " stroke-dasharray=\"3 3\"" : ""),
        List.of());
  }

  /// A stroked path.
  Drawing stroke(String path, String paint, double thickness, double opacity, List<String> tip) {
    return mark(
        "path",
        ("d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"%s\" stroke-opacity=\"%s\""
                + " stroke-linejoin=\"round\"")
            .formatted(path, Paint.of(theme, paint), n(thickness), n(opacity)),
        tip);
  }

  /// A filled path.
  Drawing fill(String path, String paint, double opacity) {
    return mark(
        "path",
        "d=\"%s\" fill=\"%s\" fill-opacity=\"%s\""
            .formatted(path, Paint.of(theme, paint), n(opacity)),
        List.of());
  }

  /// Text whose `anchor` (`start`, `middle` or `end`) stands at x, on the base line y.
  Drawing text(double x, double y, String text, String anchor, double size, String paint) {
    return write(x, y, text, anchor, size, paint, "");
  }

  Drawing bold(double x, double y, String text, String anchor, double size, String paint) {
    return write(x, y, text, anchor, size, paint, " font-weight=\"600\"");
  }

  /// Text rising to the right, from its beginning at x and y.
  Drawing slanted(double x, double y, String text, double size, String paint) {
    String turn = " transform=\"rotate(-50 %s %s)\"".formatted(n(x), n(y));
    return write(x, y, text, "start", size, paint, turn);
  }

  /// Text running upwards, its middle at x and y.
  Drawing upwards(double x, double y, String text, double size, String paint) {
    String turn = " transform=\"rotate(-90 %s %s)\"".formatted(n(x), n(y));
    return write(x, y, text, "middle", size, paint, turn);
  }

  private Drawing write(
      double x, double y, String text, String anchor, double size, String paint, String more) {
    if (!text.isEmpty()) {
      body.append(
          "<text x=\"%s\" y=\"%s\" text-anchor=\"%s\" font-size=\"%s\" fill=\"%s\"%s>%s</text>\n"
              .formatted(
                  n(x), n(y), anchor, n(size), Paint.of(theme, paint), more, Markup.escape(text)));
    }
    return this;
  }

  private Drawing mark(String element, String attributes, List<String> tip) {
    body.append('<').append(element).append(' ').append(attributes);
    if (tip.isEmpty()) {
      body.append("/>\n");
    } else {
      body.append("><title>").append(Markup.lines(tip)).append("</title>");
      body.append("</").append(element).append(">\n");
    }
    return this;
  }

  /// A coordinate with at most one decimal.
  static String n(double value) {
    String text = String.format(Locale.ROOT, "%.2f", Double.isFinite(value) ? value : 0);
    return text.endsWith(".00") ? text.substring(0, text.length() - 3) : text;
  }

  /// The drawing as an element to stand inside an HTML page that defines the colours' variables.
  String inline(String name) {
    return "<svg class=\"picture\" role=\"img\" aria-label=\"%s\" viewBox=\"0 0 %s %s\" width=\"%s\" height=\"%s\" font-family=\"%s\">\n%s</svg>\n"
        .formatted(Markup.escape(name), n(width), n(height), n(width), n(height), FONT, body);
  }

  /// The drawing as a file of its own.
  String document(String name) {
    String style =
        theme == Theme.AUTO
            ? "<style>svg{%s}@media (prefers-color-scheme:dark){svg{%s}}</style>\n"
                .formatted(Paint.declarations(Theme.LIGHT), Paint.declarations(Theme.DARK))
            : "";
    String head =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"%s\""
                .formatted(Markup.escape(name))
            + " viewBox=\"0 0 %s %s\" width=\"%s\" height=\"%s\" font-family=\"%s\">\n"
                .formatted(n(width), n(height), n(width), n(height), FONT);
    String ground =
        "<rect width=\"%s\" height=\"%s\" fill=\"%s\"/>\n"
            .formatted(n(width), n(height), Paint.of(theme, "card"));
    return head + style + ground + body + "</svg>\n";
  }
}
