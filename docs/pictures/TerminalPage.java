import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Makes a web page that looks like a dark terminal from what a command wrote to one.
///
///     java TerminalPage.java COLUMNS LINES COMMAND <output >page.html
///
/// The page shows a prompt with the command, then the output in cells of equal size, up to the last
/// blank line before a heading that leaves no more than LINES lines of it. The first line of the page
/// is a comment with its width and height in pixels. Of escape sequences it understands SGR: bold,
/// faint, inverse, and 16, 256 and 16 million colours; others are dropped.
final class TerminalPage {
  private static final double CELL =
      8.5; // pixels, for a font of 14 whose glyphs are about 8.4 wide
  private static final int LINE = 18;
  private static final int GAP = 8; // after the command
  private static final int PADDING = 24;

  private static final int GROUND = 0x0f1116;
  private static final int INK = 0xdfe2e8;

  private static final int[] BASIC = {
    0x21262e, 0xff7b72, 0x56d364, 0xe3b341, 0x6cb6ff, 0xd2a8ff, 0x56d4dd, 0xc9d1d9,
    0x6e7681, 0xffa198, 0x7ee787, 0xf2cc60, 0x96d0ff, 0xe2c5ff, 0x8ae6ec, 0xffffff
  };

  private static final Pattern ESCAPE =
      Pattern.compile(
          "\u001b(?:\\[([0-9;:]*)[ -/]*([@-~])|\\][^\u0007\u001b]*(?:\u0007|\u001b\\\\)|.)");
  private static final Pattern CLUSTER = Pattern.compile("\\X");

  /// Characters that terminals draw themselves, to the edges of their cell, as CSS backgrounds: a
  /// glyph of a font would leave gaps between lines.
  private static final Map<Integer, String> DRAWN = new TreeMap<>();

  static {
    String across = "linear-gradient(currentColor,currentColor) 0 50%/100% 1px no-repeat";
    String down = "linear-gradient(currentColor,currentColor) 50% 0/1px 100% no-repeat";
    String left = "linear-gradient(currentColor,currentColor) 0 50%/50% 1px no-repeat";
    String right = "linear-gradient(currentColor,currentColor) 100% 50%/50% 1px no-repeat";
    String above = "linear-gradient(currentColor,currentColor) 50% 0/1px 50% no-repeat";
    String below = "linear-gradient(currentColor,currentColor) 50% 100%/1px 50% no-repeat";
    DRAWN.put((int) '─', across);
    DRAWN.put((int) '│', down);
    DRAWN.put((int) '┤', left + "," + down);
    DRAWN.put((int) '├', right + "," + down);
    DRAWN.put((int) '┬', across + "," + below);
    DRAWN.put((int) '┴', across + "," + above);
    DRAWN.put((int) '┼', across + "," + down);
    DRAWN.put((int) '└', right + "," + above);
    DRAWN.put((int) '┘', left + "," + above);
    DRAWN.put((int) '┌', right + "," + below);
    DRAWN.put((int) '┐', left + "," + below);
    DRAWN.put(
        (int) '┊',
        "repeating-linear-gradient(currentColor 0 3px,transparent 3px 6px) 50% 0/1px 100%"
            + " no-repeat");
    for (int eighths = 1; eighths <= 8; eighths++) {
      String width = eighths * 12.5 + "%";
      DRAWN.put(
          '█' + 8 - eighths,
          "linear-gradient(currentColor,currentColor) 0 0/" + width + " 100% no-repeat");
    }
  }

  private boolean bold;
  private boolean faint;
  private boolean inverse;
  private int ink = INK;
  private int ground = GROUND;

  public static void main(String[] args) throws IOException {
    int columns = Integer.parseInt(args[0]);
    int most = Integer.parseInt(args[1]);
    String command = args[2];
    var output = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
    List<String> lines = beginning(output.stripTrailing().lines().toList(), most);

    var page = new TerminalPage();
    var text = new StringBuilder();
    List<String> typed =
        Pattern.compile("(?s).{1," + columns + "}")
            .matcher("$ " + command)
            .results()
            .map(r -> r.group())
            .toList();
    for (String line : typed) {
      text.append("<div>").append(escape(line)).append("</div>");
    }
    text.append("<p></p>");
    for (String line : lines) {
      text.append("<div>").append(page.line(line)).append("</div>");
    }
    int width = (int) Math.ceil(columns * CELL) + 2 * PADDING;
    int height = (typed.size() + lines.size()) * LINE + GAP + 2 * PADDING;
    String html =
        """
        <!-- %d %d -->
        <!DOCTYPE html>
        <html><head><meta charset="utf-8"><style>
        html { background: %s; }
        body {
          margin: %dpx; color: %s; white-space: pre; font: 14px/%dpx "JetBrains Mono", "Cascadia Mono",
          "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace;
          font-variant-ligatures: none; letter-spacing: calc(%spx - 1ch);
        }
        div { height: %dpx; }
        div:first-child::first-letter { color: #56d364; font-weight: 700; }
        p { height: %dpx; margin: 0; }
        i { display: inline-block; height: %dpx; font-style: normal; vertical-align: top; }
        i.own { letter-spacing: 0; text-align: center; overflow: visible; }
        </style></head><body>\
        """
            .formatted(width, height, css(GROUND), PADDING, css(INK), LINE, CELL, LINE, GAP, LINE);
    System.out.write((html + text + "</body></html>\n").getBytes(StandardCharsets.UTF_8));
    System.out.flush();
  }

  /// As many of the report's sections as fit into `most` lines, and the first whatever its length.
  private static List<String> beginning(List<String> lines, int most) {
    var ends = new ArrayList<Integer>();
    for (int i = 1; i < lines.size(); i++) {
      if (ESCAPE.matcher(lines.get(i)).replaceAll("").startsWith("── ")) {
        ends.add(i);
      }
    }
    ends.add(lines.size());
    int end = ends.get(Math.min(1, ends.size() - 1));
    for (int each : ends) {
      end = each <= most ? Math.max(end, each) : end;
    }
    while (end > 0 && lines.get(end - 1).isBlank()) {
      end--;
    }
    return lines.subList(0, end);
  }

  private String line(String line) {
    var html = new StringBuilder();
    Matcher escape = ESCAPE.matcher(line);
    int from = 0;
    while (escape.find()) {
      run(html, line.substring(from, escape.start()));
      from = escape.end();
      if ("m".equals(escape.group(2))) {
        select(escape.group(1));
      }
    }
    run(html, line.substring(from));
    return html.toString();
  }

  /// Text of one look: ASCII at a stretch, every other character in a cell of its own, since it may
  /// come from another font.
  private void run(StringBuilder html, String text) {
    var ascii = new StringBuilder();
    for (String cluster : CLUSTER.matcher(text).results().map(r -> r.group()).toList()) {
      int c = cluster.codePointAt(0);
      if (c >= 0x20 && c < 0x7f && cluster.length() == 1) {
        ascii.append(cluster);
        continue;
      }
      cells(html, ascii.toString(), ascii.length(), "", "");
      ascii.setLength(0);
      String drawn = DRAWN.get(c);
      if (drawn != null) {
        cells(html, "", 1, "", drawn);
      } else if (c >= 0x20) {
        cells(html, cluster, isWide(c) ? 2 : 1, " class=\"own\"", "");
      }
    }
    cells(html, ascii.toString(), ascii.length(), "", "");
  }

  private void cells(StringBuilder html, String text, int columns, String attribute, String drawn) {
    if (columns == 0) {
      return;
    }
    int front = inverse ? ground : ink;
    int back = inverse ? ink : ground;
    front = faint ? mix(front, back, 0.62) : front;
    html.append("<i").append(attribute).append(" style=\"width:");
    html.append(Math.round(columns * CELL * 100) / 100.0).append("px");
    html.append(front == INK ? "" : ";color:" + css(front));
    if (!drawn.isEmpty() || back != GROUND) {
      html.append(";background:")
          .append(drawn)
          .append(drawn.isEmpty() || back == GROUND ? "" : " ");
      html.append(back == GROUND ? "" : css(back));
    }
    html.append(bold ? ";font-weight:700" : "").append("\">");
    html.append(escape(text)).append("</i>");
  }

  private static boolean isWide(int c) {
    return switch (Character.UnicodeScript.of(c)) {
      case HAN, HIRAGANA, KATAKANA, HANGUL -> true;
      default -> Character.isEmojiPresentation(c);
    };
  }

  /// Select Graphic Rendition (ECMA-48, 8.3.117; colours beyond 8 as in xterm).
  private void select(String parameters) {
    String[] codes = parameters.split("[;:]");
    for (int i = 0; i < codes.length; i++) {
      int code = number(codes, i);
      switch (code) {
        case 0 -> {
          bold = faint = inverse = false;
          ink = INK;
          ground = GROUND;
        }
        case 1 -> bold = true;
        case 2 -> faint = true;
        case 7 -> inverse = true;
        case 22 -> bold = faint = false;
        case 27 -> inverse = false;
        case 39 -> ink = INK;
        case 49 -> ground = GROUND;
        case 38, 48 -> {
          boolean direct = number(codes, i + 1) == 2;
          int color =
              direct
                  ? number(codes, i + 2) << 16 | number(codes, i + 3) << 8 | number(codes, i + 4)
                  : indexed(number(codes, i + 2));
          i += direct ? 4 : 2;
          ink = code == 38 ? color : ink;
          ground = code == 48 ? color : ground;
        }
        default -> {
          ink = code >= 30 && code < 38 ? BASIC[code - 30] : ink;
          ink = code >= 90 && code < 98 ? BASIC[code - 82] : ink;
          ground = code >= 40 && code < 48 ? BASIC[code - 40] : ground;
          ground = code >= 100 && code < 108 ? BASIC[code - 92] : ground;
        }
      }
    }
  }

  private static int number(String[] codes, int i) {
    return i < codes.length && !codes[i].isEmpty() ? Integer.parseInt(codes[i]) : 0;
  }

  /// The 256 of xterm: 16, a cube of 6 levels, 24 greys.
  private static int indexed(int i) {
    if (i < 16) {
      return BASIC[i];
    }
    if (i >= 232) {
      return (8 + 10 * (i - 232)) * 0x010101;
    }
    int[] levels = {0, 95, 135, 175, 215, 255};
    int cube = i - 16;
    return levels[cube / 36] << 16 | levels[cube / 6 % 6] << 8 | levels[cube % 6];
  }

  private static int mix(int front, int back, double share) {
    int mixed = 0;
    for (int shift = 0; shift <= 16; shift += 8) {
      int f = front >> shift & 0xff;
      int b = back >> shift & 0xff;
      mixed |= (int) Math.round(b + share * (f - b)) << shift;
    }
    return mixed;
  }

  private static String css(int color) {
    return "#%06x".formatted(color);
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }
}
