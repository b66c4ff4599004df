package dev.fathom.render;

import dev.fathom.Sha256;
import java.util.Base64;
import java.util.List;

/// A page of pictures that are drawn already, each with what it should show and what it does: one
/// HTML file that needs nothing else. It has no script and forbids itself every request, so that a
/// picture from a file cannot do anything but be looked at.
///
/// @param title heading of the page
/// @param subtitle one line under it
/// @param plates the pictures in reading order
/// @param missing those that are not there
public record Gallery(String title, String subtitle, List<Plate> plates, List<Missing> missing) {
  private static final String STYLE =
      """
      body { margin: 0 auto; max-width: 1180px; padding: 36px 32px 64px; color: #1c1f24; background: #f6f6f3;
        font: 15px/1.55 system-ui, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; }
      h1 { font-size: 28px; margin: 0; }
      .subtitle, .origin { color: #5a616b; margin: 6px 0 0; }
      nav { margin: 18px 0 0; } nav a { margin-right: 14px; }
      a { color: inherit; }
      section { margin-top: 28px; padding: 22px 26px; background: #fff; border: 1px solid #dcdcd6; border-radius: 12px; }
      h2 { font-size: 20px; margin: 0 0 4px; }
      p { margin: 6px 0 0; max-width: 88ch; overflow-wrap: anywhere; }
      .picture { margin-top: 16px; overflow-x: auto; }
      .picture svg { display: block; }
      .files { font-size: 13px; }
      code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 13px; }
      """;

  public Gallery {
    plates = List.copyOf(plates);
    missing = List.copyOf(missing);
  }

  /// A picture that is not there.
  ///
  /// @param command what makes it
  public record Missing(String title, String command) {}

  /// One picture.
  ///
  /// @param id a short name, unique on the page: letters, digits, dots and hyphens
  /// @param expected what it should show
  /// @param found what it does show
  /// @param origin where it comes from, one line
  /// @param svg a file of [Svg] in a theme other than [Theme#AUTO]
  /// @param files names of files beside the page that hold it in other forms
  public record Plate(
      String id,
      String title,
      String expected,
      String found,
      String origin,
      String svg,
      List<String> files) {
    public Plate {
      files = List.copyOf(files);
      if (!id.matches("[A-Za-z0-9][A-Za-z0-9.-]{0,63}")) {
        throw new IllegalArgumentException(
            "a picture's id is letters, digits, dots and hyphens, found '" + id + "'");
      }
    }
  }

  /// The whole page.
  public String html() {
    var out = new StringBuilder("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n");
    out.append("<meta charset=\"utf-8\">\n");
    out.append("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ")
        .append("style-src '%s'; base-uri 'none'; form-action 'none'\">\n".formatted(hash()))
        .append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    element(out, "title", title);
    out.append("<style>").append(STYLE).append("</style>\n</head>\n<body>\n");
    element(out, "h1", title);
    element(out, "p class=\"subtitle\"", subtitle);
    out.append("<nav aria-label=\"Contents\">");
    for (Plate plate : plates) {
      out.append("<a href=\"#f-%s\">%s</a>\n".formatted(plate.id, Markup.escape(plate.id)));
    }
    out.append("</nav>\n");
    plates.forEach(plate -> plate(out, plate));
    if (!missing.isEmpty()) {
      absent(out);
    }
    return out.append("</body>\n</html>\n").toString();
  }

  private static void plate(StringBuilder out, Plate plate) {
    out.append("<section id=\"f-").append(plate.id).append("\">\n");
    element(out, "h2", plate.title);
    labelled(out, "In the thesis", plate.expected);
    labelled(out, "Here", plate.found);
    out.append("<div class=\"picture\">\n").append(plate.svg).append("</div>\n");
    element(out, "p class=\"origin\"", plate.origin);
    out.append("<p class=\"files\">");
    for (String file : plate.files) {
      out.append("<a href=\"%1$s\">%1$s</a>\n".formatted(Markup.escape(file)));
    }
    out.append("</p>\n</section>\n");
  }

  private void absent(StringBuilder out) {
    out.append("<section id=\"missing\">\n");
    element(out, "h2", "Not here yet");
    out.append("<ul>\n");
    for (Missing one : missing) {
      out.append(
          "<li>%s: <code>%s</code></li>\n"
              .formatted(Markup.escape(one.title), Markup.escape(one.command)));
    }
    out.append("</ul>\n</section>\n");
  }

  private static void labelled(StringBuilder out, String label, String text) {
    out.append("<p><strong>%s.</strong> %s</p>\n".formatted(label, Markup.escape(text)));
  }

  private static void element(StringBuilder out, String element, String text) {
    String name = element.split(" ", 2)[0];
    out.append("<%s>%s</%s>\n".formatted(element, Markup.escape(text), name));
  }

  private static String hash() {
    return "sha256-" + Base64.getEncoder().encodeToString(Sha256.bytes(STYLE));
  }
}
