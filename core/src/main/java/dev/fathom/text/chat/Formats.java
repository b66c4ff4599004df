package dev.fathom.text.chat;

import dev.fathom.text.chat.Value.Bool;
import dev.fathom.text.chat.Value.Dict;
import dev.fathom.text.chat.Value.Int;
import dev.fathom.text.chat.Value.None;
import dev.fathom.text.chat.Value.Real;
import dev.fathom.text.chat.Value.Seq;
import dev.fathom.text.chat.Value.Str;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;

/// Python's two ways to fill a text in: `'%s: %.2f' % (name, x)` and `'{}: {:.2f}'.format(name,
/// x)`. Of the format language: fill, alignment, sign, zeros, width, comma, precision, and the
/// types `s d f x X o b %`.
record Formats(Python py) {

  /// One parsed format specification.
  private record Spec(
      char fill, char align, char sign, int width, boolean comma, int precision, char type) {
    static final int MAX = 10_000;
  }

  /// `format % value`.
  String percent(String format, Value value) {
    var out = new Output(py.budget());
    boolean many = value instanceof Seq seq && seq.kind() == Seq.Kind.TUPLE;
    var values = many ? ((Seq) value).items() : List.of(value);
    int used = 0;
    for (int i = 0; i < format.length(); i++) {
      int percent = format.indexOf('%', i);
      if (percent < 0) {
        out.append(format.substring(i));
        break;
      }
      out.append(format.substring(i, percent));
      i = percent + 1;
      if (i < format.length() && format.charAt(i) == '%') {
        out.append("%");
        continue;
      }
      Value argument = null;
      if (i < format.length() && format.charAt(i) == '(') {
        int close = format.indexOf(')', i);
        if (close < 0 || !(value instanceof Dict dict)) {
          throw new Failure("a '%(name)s' needs a dict to take the name from");
        }
        argument = dict.get(format.substring(i + 1, close));
        i = close + 1;
        used = values.size();
      }
      int start = i;
      while (i < format.length() && "0123456789.+- ".indexOf(format.charAt(i)) >= 0) {
        i++;
      }
      if (i >= format.length()) {
        throw new Failure("the format text ends within a '%' place");
      }
      if (argument == null) {
        if (used >= values.size()) {
          throw new Failure("the format text has more places than there are values");
        }
        argument = values.get(used++);
      }
      out.append(place(argument, format.charAt(i), format.substring(start, i)));
    }
    boolean mayBeLeft =
        value instanceof Dict || (value instanceof Seq list && list.indexed() && !many);
    if (used < values.size() && !mayBeLeft) {
      throw new Failure("the format text has fewer places than there are values");
    }
    return out.toString();
  }

  private String place(Value value, char type, String flags) {
    boolean left = flags.contains("-");
    var rest = flags.replace("-", "");
    return switch (type) {
      case 's' -> aligned(new Str(py.str(value)), rest, left ? '<' : '>', 's');
      case 'r' -> aligned(new Str(repr(value)), rest, left ? '<' : '>', 's');
      case 'd', 'i' ->
          aligned(
              value instanceof Real(var d) ? new Int((long) d) : value,
              rest,
              left ? '<' : '>',
              'd');
      case 'f', 'F', 'x', 'X', 'o' -> aligned(value, rest, left ? '<' : '>', type);
      default -> throw new Failure("the format '%" + type + "' is not supported");
    };
  }

  private String aligned(Value value, String flags, char align, char type) {
    boolean zeros = type != 's' && align == '>' && flags.startsWith("0");
    return apply(value, (zeros ? "" : String.valueOf(align)) + flags + (type == 'F' ? 'f' : type));
  }

  /// `format.format(…)`.
  String braces(String format, Args args) {
    var out = new Output(py.budget());
    int automatic = 0;
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if ((c == '{' || c == '}') && i + 1 < format.length() && format.charAt(i + 1) == c) {
        out.append(String.valueOf(c));
        i++;
      } else if (c == '}') {
        throw new Failure("a single '}' stands in the format text; write '}}'");
      } else if (c == '{') {
        int close = format.indexOf('}', i);
        if (close < 0) {
          throw new Failure("a '{' in the format text is not closed");
        }
        var field = format.substring(i + 1, close);
        if (field.indexOf('{') >= 0) {
          throw new Failure("a '{' within a place of a format text is not supported");
        }
        int colon = field.indexOf(':');
        var name = colon < 0 ? field : field.substring(0, colon);
        var spec = colon < 0 ? "" : field.substring(colon + 1);
        boolean repr = name.endsWith("!r");
        name = repr || name.endsWith("!s") ? name.substring(0, name.length() - 2) : name;
        var value = name.isEmpty() ? positional(args, automatic++) : argument(args, name);
        out.append(repr ? apply(new Str(repr(value)), spec) : apply(value, spec));
        i = close;
      } else {
        int end = i;
        while (end < format.length() && format.charAt(end) != '{' && format.charAt(end) != '}') {
          end++;
        }
        out.append(format.substring(i, end));
        i = end - 1;
      }
    }
    return out.toString();
  }

  private Value argument(Args args, String path) {
    int end = 0;
    while (end < path.length() && Characters.isWord(path.charAt(end))) {
      end++;
    }
    if (end < path.length()) {
      throw new Failure("the place '{" + path + "}' of a format text is not supported");
    }
    if (Character.isDigit(path.charAt(0)) && path.length() < 9) {
      return positional(args, Integer.parseInt(path));
    }
    var named = args.named().get(path);
    if (named == null) {
      throw new Failure("the format text names '" + path + "', which was not given");
    }
    return named;
  }

  private static Value positional(Args args, int index) {
    if (index >= args.positional().size()) {
      throw new Failure("the format text has more places than there are values");
    }
    return args.positional().get(index);
  }

  private String repr(Value value) {
    var out = new Output(py.budget());
    new Printer(py.budget(), out).repr(value);
    return out.toString();
  }

  private String apply(Value value, String text) {
    if (text.isEmpty()) {
      return py.str(value);
    }
    var spec = parse(text);
    boolean number = Python.isNumber(value) && spec.type() != 's';
    var body =
        switch (value) {
          case Str(var s) when spec.type() == 's' || spec.type() == 0 -> cut(s, spec.precision());
          case Int _, Bool _, Real _ -> number(value, spec);
          case None _ when spec.type() == 's' || spec.type() == 0 -> "None";
          default ->
              throw new Failure("the format '" + text + "' does not fit " + value.described());
        };
    return padded(body, spec, number);
  }

  private static String cut(String text, int precision) {
    return precision < 0 || text.codePointCount(0, text.length()) <= precision
        ? text
        : text.substring(0, text.offsetByCodePoints(0, precision));
  }

  private String number(Value value, Spec spec) {
    boolean real = value instanceof Real || spec.type() == 'f' || spec.type() == '%';
    var body =
        switch (spec.type()) {
          case 'f' -> fixed(Python.real(value), spec.precision());
          case '%' -> fixed(Python.real(value) * 100, spec.precision()) + "%";
          case 0 ->
              spec.precision() >= 0
                  ? unsupported("a precision without a type")
                  : value instanceof Bool ? Long.toString(Python.integer(value)) : py.str(value);
          case 'd' -> Long.toString(Python.integer(value));
          case 'x' -> radix(Python.integer(value), 16);
          case 'X' -> radix(Python.integer(value), 16).toUpperCase(java.util.Locale.ROOT);
          case 'o' -> radix(Python.integer(value), 8);
          case 'b' -> radix(Python.integer(value), 2);
          default -> unsupported("'" + spec.type() + "' for a number");
        };
    if (spec.comma()) {
      body = grouped(body, real);
    }
    return body.startsWith("-") || spec.sign() == '-' ? body : spec.sign() + body;
  }

  private static String radix(long value, int radix) {
    return Long.toString(value, radix);
  }

  private static String fixed(double value, int precision) {
    if (Double.isNaN(value) || Double.isInfinite(value)) {
      return Printer.real(value);
    }
    int digits = precision < 0 ? 6 : precision;
    var text = new BigDecimal(value).setScale(digits, RoundingMode.HALF_EVEN).toPlainString();
    boolean lostSign = (value < 0 || 1 / value < 0) && !text.startsWith("-");
    return lostSign ? "-" + text : text;
  }

  private static String grouped(String number, boolean real) {
    int start = number.startsWith("-") ? 1 : 0;
    int end = real && number.indexOf('.') >= 0 ? number.indexOf('.') : number.length();
    var grouped = new StringBuilder(number);
    for (int i = end - 3; i > start; i -= 3) {
      grouped.insert(i, ',');
    }
    return grouped.toString();
  }

  private static String padded(String body, Spec spec, boolean number) {
    int missing = spec.width() - body.codePointCount(0, body.length());
    if (missing <= 0) {
      return body;
    }
    var fill = String.valueOf(spec.fill());
    return switch (spec.align()) {
      case '<' -> body + fill.repeat(missing);
      case '>' -> fill.repeat(missing) + body;
      case '^' -> fill.repeat(missing / 2) + body + fill.repeat(missing - missing / 2);
      case '=' -> {
        int sign = body.startsWith("-") || body.startsWith("+") || body.startsWith(" ") ? 1 : 0;
        yield body.substring(0, sign) + fill.repeat(missing) + body.substring(sign);
      }
      default -> number ? fill.repeat(missing) + body : body + fill.repeat(missing);
    };
  }

  private static Spec parse(String text) {
    int at = 0;
    char fill = ' ';
    char align = 0;
    if (text.length() > 1 && "<>^=".indexOf(text.charAt(1)) >= 0) {
      fill = text.charAt(0);
      align = text.charAt(1);
      at = 2;
    } else if ("<>^=".indexOf(text.charAt(0)) >= 0) {
      align = text.charAt(0);
      at = 1;
    }
    char sign = '-';
    if (at < text.length() && "+- ".indexOf(text.charAt(at)) >= 0) {
      sign = text.charAt(at++);
    }
    if (at < text.length() && text.charAt(at) == '0') {
      if (align == 0) {
        fill = '0';
        align = '=';
      }
      at++;
    }
    int widthEnd = digits(text, at);
    int width = count(text, at, widthEnd, 0);
    at = widthEnd;
    boolean comma = at < text.length() && text.charAt(at) == ',';
    at += comma ? 1 : 0;
    int precision = -1;
    if (at < text.length() && text.charAt(at) == '.') {
      int end = digits(text, at + 1);
      precision = count(text, at + 1, end, -1);
      at = end;
    }
    char type = at < text.length() ? text.charAt(at++) : 0;
    if (at < text.length()) {
      unsupported("'" + text + "'");
    }
    return new Spec(fill, align, sign, width, comma, precision, type);
  }

  private static int digits(String text, int start) {
    int end = start;
    while (end < text.length() && text.charAt(end) >= '0' && text.charAt(end) <= '9') {
      end++;
    }
    return end;
  }

  private static int count(String text, int start, int end, int none) {
    if (start == end) {
      return none;
    }
    int count = end - start > 6 ? Integer.MAX_VALUE : Integer.parseInt(text, start, end, 10);
    if (count > Spec.MAX) {
      throw new Failure("a width or precision in a format is at most " + Spec.MAX);
    }
    return count;
  }

  private static String unsupported(String what) {
    throw new Failure("the format " + what + " is not supported");
  }
}
