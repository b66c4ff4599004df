package dev.fathom.text.chat;

import static java.util.Map.entry;

import dev.fathom.text.chat.Args.Bound;
import dev.fathom.text.chat.Value.Bool;
import dev.fathom.text.chat.Value.Dict;
import dev.fathom.text.chat.Value.Int;
import dev.fathom.text.chat.Value.None;
import dev.fathom.text.chat.Value.Real;
import dev.fathom.text.chat.Value.Seq;
import dev.fathom.text.chat.Value.Str;
import dev.fathom.text.chat.Value.Stream;
import dev.fathom.text.chat.Value.Undefined;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// What can stand after `|`. `tojson` is the one of `transformers`, not Jinja's: it escapes no
/// HTML. `safe` changes nothing, as nothing is escaped automatically.
final class Filters {
  interface Body {
    Value apply(Python py, Value input, Bound args);
  }

  interface OpenBody {
    Value apply(Python py, Value input, Args args);
  }

  /// A filter; one with an open list of arguments looks at them itself.
  sealed interface Filter {
    Value apply(Python py, String name, Value input, Args args);
  }

  private record Fixed(List<String> parameters, Body body) implements Filter {
    @Override
    public Value apply(Python py, String name, Value input, Args args) {
      return body.apply(py, input, args.bind("the filter '" + name + "'", parameters));
    }
  }

  private record Open(OpenBody body) implements Filter {
    @Override
    public Value apply(Python py, String name, Value input, Args args) {
      return body.apply(py, input, args);
    }
  }

  static final Map<String, Filter> TABLE =
      Map.ofEntries(
          // texts
          entry("upper", text(Texts::upper)),
          entry("lower", text(Texts::lower)),
          entry("capitalize", text(Texts::capitalize)),
          entry("title", text(Filters::title)),
          entry("string", text(text -> text)),
          entry("safe", text(text -> text)),
          entry("e", fixed((py, input, _) -> new Str(escape(py, py.str(input))))),
          entry("escape", fixed((py, input, _) -> new Str(escape(py, py.str(input))))),
          entry(
              "trim",
              fixed(
                  (py, input, args) ->
                      py.text(
                          Texts.strip(py.str(input), args.textOrNull("chars"), Texts.Side.BOTH)),
                  "chars")),
          entry(
              "replace",
              fixed(
                  (py, input, args) ->
                      new Str(
                          Texts.replace(
                              py.budget(),
                              py.str(input),
                              py.str(args.get("old")),
                              py.str(args.get("new")),
                              args.integer("count", -1))),
                  "old",
                  "new",
                  "count")),
          entry("indent", fixed(Filters::indent, "width", "first", "blank")),
          entry("format", new Open(Filters::format)),
          entry(
              "tojson",
              fixed(Filters::toJson, "ensure_ascii", "indent", "separators", "sort_keys")),

          // numbers
          entry("int", fixed(Filters::toInt, "default", "base")),
          entry("float", fixed(Filters::toFloat, "default")),
          entry("round", fixed(Filters::round, "precision", "method")),
          entry("abs", fixed(Filters::absolute)),

          // anything
          entry("default", fixed(Filters::defaulted, "default_value", "boolean")),
          entry("d", fixed(Filters::defaulted, "default_value", "boolean")),
          entry(
              "attr", fixed((py, input, args) -> attribute(py, input, args.text("name")), "name")),

          // collections
          entry("length", fixed((py, input, _) -> new Int(py.length(input)))),
          entry("count", fixed((py, input, _) -> new Int(py.length(input)))),
          entry("list", fixed((py, input, _) -> py.list(py.iterate(input)))),
          entry("first", fixed(Filters::first)),
          entry("last", fixed(Filters::last)),
          entry("reverse", fixed(Filters::reverse)),
          entry("join", fixed(Filters::join, "d", "attribute")),
          entry("items", fixed(Filters::items)),
          entry("dictsort", fixed(Filters::dictSort, "case_sensitive", "by", "reverse")),
          entry("sort", fixed(Filters::sort, "reverse", "case_sensitive", "attribute")),
          entry("unique", fixed(Filters::unique, "case_sensitive", "attribute")),
          entry("sum", fixed(Filters::sum, "attribute", "start")),
          entry(
              "min",
              fixed(
                  (py, input, args) -> extreme(py, input, args, 1), "case_sensitive", "attribute")),
          entry(
              "max",
              fixed(
                  (py, input, args) -> extreme(py, input, args, -1),
                  "case_sensitive",
                  "attribute")),
          entry("map", new Open(Filters::map)),
          entry("select", new Open((py, input, args) -> select(py, input, args, false, true))),
          entry("reject", new Open((py, input, args) -> select(py, input, args, false, false))),
          entry("selectattr", new Open((py, input, args) -> select(py, input, args, true, true))),
          entry("rejectattr", new Open((py, input, args) -> select(py, input, args, true, false))));

  private Filters() {}

  static Value apply(Python py, String name, Value input, Args args) {
    var filter = TABLE.get(name);
    if (filter == null) {
      throw new Failure("the filter '" + name + "' is not supported");
    }
    py.payForReading(input);
    return filter.apply(py, name, input, args);
  }

  private static Filter fixed(Body body, String... parameters) {
    return new Fixed(List.of(parameters), body);
  }

  private static Filter text(UnaryOperator<String> change) {
    return fixed((py, input, _) -> py.text(change.apply(py.str(input))));
  }

  // Texts

  /// Jinja's own title case: words start after blanks, hyphens and opening brackets.
  private static String title(String text) {
    return Texts.title(text, c -> !Characters.isSpace(c) && "-({[<".indexOf(c) < 0);
  }

  private static String escape(Python py, String text) {
    var out = new Output(py.budget());
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      out.append(
          switch (c) {
            case '&' -> "&amp;";
            case '<' -> "&lt;";
            case '>' -> "&gt;";
            case '"' -> "&#34;";
            case '\'' -> "&#39;";
            default -> String.valueOf(c);
          });
    }
    return out.toString();
  }

  private static Value indent(Python py, Value input, Bound args) {
    if (!(input instanceof Str(var text))) {
      throw new Failure("the filter 'indent' needs a text, found " + input.described());
    }
    var indent = indentation(py, args.get("width", new Int(4)));
    boolean blank = py.truth(args.get("blank", None.NONE));
    var lines = Texts.lines(py.budget(), text + "\n", false);
    var out = new Output(py.budget());
    out.append(py.truth(args.get("first", None.NONE)) ? indent : "").append(lines.getFirst());
    for (var line : lines.subList(1, lines.size())) {
      out.append("\n").append(line.isEmpty() && !blank ? "" : indent).append(line);
    }
    return new Str(out.toString());
  }

  private static String indentation(Python py, Value width) {
    if (width instanceof Str(var text)) {
      return text;
    }
    int count = Math.clamp(Python.integer(width), 0, Integer.MAX_VALUE);
    py.budget().spendText(count);
    return " ".repeat(count);
  }

  private static Value format(Python py, Value input, Args args) {
    var values =
        args.named().isEmpty()
            ? py.seq(Seq.Kind.TUPLE, args.positional())
            : py.dict(
                args.named().entrySet().stream()
                    .map(e -> new Dict.Entry(new Str(e.getKey()), e.getValue()))
                    .toList());
    return new Str(new Formats(py).percent(py.str(input), values));
  }

  private static Value toJson(Python py, Value input, Bound args) {
    var indent = args.get("indent", None.NONE);
    var separators = args.get("separators", None.NONE);
    boolean flat = indent == None.NONE;
    var comma = flat ? ", " : ",";
    var colon = ": ";
    if (separators != None.NONE) {
      comma = py.str(py.item(separators, new Int(0)));
      colon = py.str(py.item(separators, new Int(1)));
    }
    var style =
        new Printer.Json(
            py.truth(args.get("ensure_ascii", Bool.FALSE)),
            flat ? null : indentation(py, indent),
            comma,
            colon,
            py.truth(args.get("sort_keys", Bool.FALSE)));
    var out = new Output(py.budget());
    new Printer(py.budget(), out).json(input, style);
    return new Str(out.toString());
  }

  // Numbers

  private static Value toInt(Python py, Value input, Bound args) {
    var otherwise = args.get("default", new Int(0));
    return switch (input) {
      case Int _ -> input;
      case Bool(var b) -> new Int(b ? 1 : 0);
      case Real(var d) -> truncated(d, otherwise);
      case Str(var text) -> {
        var digits = Texts.strip(text, null, Texts.Side.BOTH).replace("_", "");
        try {
          yield new Int(Long.parseLong(digits, Math.clamp(args.integer("base", 10), 2, 36)));
        } catch (NumberFormatException e) {
          var real = parseReal(text);
          yield real == null ? otherwise : truncated(real, otherwise);
        }
      }
      case Undefined undefined -> throw Failure.of(undefined);
      default -> otherwise;
    };
  }

  private static Value truncated(double d, Value otherwise) {
    return Math.abs(d) < 0x1p63 ? new Int((long) d) : otherwise;
  }

  private static Value toFloat(Python py, Value input, Bound args) {
    var otherwise = args.get("default", new Real(0));
    return switch (input) {
      case Real _ -> input;
      case Int _, Bool _ -> new Real(Python.real(input));
      case Str(var text) -> {
        var real = parseReal(text);
        yield real == null ? otherwise : new Real(real);
      }
      case Undefined undefined -> throw Failure.of(undefined);
      default -> otherwise;
    };
  }

  /// The number that a text is in Python, or null.
  private static @Nullable Double parseReal(String text) {
    var number = Texts.lower(Texts.strip(text, null, Texts.Side.BOTH)).replace("_", "");
    switch (number) {
      case "inf", "+inf", "infinity", "+infinity" -> {
        return Double.POSITIVE_INFINITY;
      }
      case "-inf", "-infinity" -> {
        return Double.NEGATIVE_INFINITY;
      }
      case "nan", "+nan", "-nan" -> {
        return Double.NaN;
      }
      default -> {}
    }
    if (number.length() > 1000 || !number.chars().allMatch(c -> "0123456789+-.e".indexOf(c) >= 0)) {
      return null;
    }
    try {
      return Double.parseDouble(number);
    } catch (NumberFormatException e) {
      return null;
    }
  }

  private static Value absolute(Python py, Value input, Bound args) {
    return input instanceof Real(var d)
        ? new Real(Math.abs(d))
        : Python.integer(input) < 0 ? Python.negate(input) : new Int(Python.integer(input));
  }

  private static Value round(Python py, Value input, Bound args) {
    int precision = args.integer("precision", 0);
    var mode =
        switch (args.text("method", "common")) {
          case "common" -> RoundingMode.HALF_EVEN;
          case "ceil" -> RoundingMode.CEILING;
          case "floor" -> RoundingMode.FLOOR;
          default -> throw new Failure("the filter 'round' knows common, ceil and floor");
        };
    double number = Python.real(input);
    if (Double.isNaN(number) || Double.isInfinite(number) || Math.abs(precision) > 300) {
      return input;
    }
    if (mode == RoundingMode.HALF_EVEN) {
      return input instanceof Real
          ? new Real(new BigDecimal(number).setScale(precision, mode).doubleValue())
          : new Int(
              new BigDecimal(Python.integer(input))
                  .setScale(Math.min(precision, 0), mode)
                  .longValue());
    }
    double shift = Math.pow(10, precision);
    double scaled = number * shift;
    return new Real(
        (mode == RoundingMode.CEILING ? Math.ceil(scaled) : Math.floor(scaled)) / shift);
  }

  // Anything

  private static Value defaulted(Python py, Value input, Bound args) {
    boolean missing =
        input instanceof Undefined
            || (py.truth(args.get("boolean", Bool.FALSE)) && !py.truth(input));
    return missing ? args.get("default_value", Str.EMPTY) : input;
  }

  private static Value attribute(Python py, Value input, String name) {
    return input instanceof Dict && Methods.find(py, input, name) == null
        ? new Undefined("a dict has no attribute '" + name + "'")
        : py.attribute(input, name);
  }

  // Collections

  private static Value first(Python py, Value input, Bound args) {
    var first =
        input instanceof Stream stream
            ? stream.next()
            : py.length(input) == 0 ? null : py.iterate(input).getFirst();
    return first == null ? new Undefined("there is no first item, the sequence is empty") : first;
  }

  private static Value last(Python py, Value input, Bound args) {
    if (input instanceof Stream) {
      throw new Failure("a lazy result has no last item; put '| list' before '| last'");
    }
    var items = py.iterate(input);
    return items.isEmpty()
        ? new Undefined("there is no last item, the sequence is empty")
        : items.getLast();
  }

  private static Value reverse(Python py, Value input, Bound args) {
    if (input instanceof Str) {
      return py.slice(input, None.NONE, None.NONE, new Int(-1));
    }
    var items = py.iterate(input).reversed();
    return input instanceof Stream ? py.list(items) : new Stream(items);
  }

  private static Value join(Python py, Value input, Bound args) {
    var path = args.get("attribute", None.NONE);
    var separator = py.str(args.get("d", Str.EMPTY));
    var out = new Output(py.budget());
    var printer = new Printer(py.budget(), out);
    boolean later = false;
    for (var item : py.iterate(input)) {
      out.append(later ? separator : "");
      printer.str(path == None.NONE ? item : follow(py, item, path));
      later = true;
    }
    return new Str(out.toString());
  }

  private static Value items(Python py, Value input, Bound args) {
    return switch (input) {
      case Undefined _ -> new Stream(List.of());
      case Dict dict -> new Stream(dict.items());
      default -> throw new Failure("the filter 'items' needs a dict, found " + input.described());
    };
  }

  private static Value dictSort(Python py, Value input, Bound args) {
    if (!(input instanceof Dict dict)) {
      throw new Failure("the filter 'dictsort' needs a dict, found " + input.described());
    }
    boolean byValue =
        switch (args.text("by", "key")) {
          case "key" -> false;
          case "value" -> true;
          default -> throw new Failure("the filter 'dictsort' sorts by key or by value");
        };
    var caseless = caseless(py, args);
    Comparator<Dict.Entry> order =
        Comparator.comparing(
            entry -> caseless.apply(byValue ? entry.value() : entry.key()),
            (a, b) -> py.order(a, b, "<"));
    var entries = sorted(py, new ArrayList<>(dict.entries()), order, args);
    return py.list(entries.stream().<Value>map(Dict.Entry::toTuple).toList());
  }

  private static Value sort(Python py, Value input, Bound args) {
    var caseless = caseless(py, args);
    var path = args.get("attribute", None.NONE);
    var paths =
        path instanceof Str(var text)
            ? Texts.split(py.budget(), text, ",", -1, false).stream().<Value>map(Str::new).toList()
            : List.of(path);
    Comparator<Value> order =
        Comparator.comparing(
            item -> {
              var keys = new ArrayList<Value>();
              for (var each : paths) {
                keys.add(caseless.apply(follow(py, item, each)));
              }
              return py.list(keys);
            },
            (a, b) -> py.order(a, b, "<"));
    return py.list(sorted(py, new ArrayList<>(py.iterate(input)), order, args));
  }

  /// Sorts in place and stably, also in reverse, as Python does.
  private static <T> List<T> sorted(Python py, List<T> items, Comparator<T> order, Bound args) {
    boolean reverse = py.truth(args.get("reverse", Bool.FALSE));
    items.sort(reverse ? Collections.reverseOrder(order) : order);
    return items;
  }

  private static UnaryOperator<Value> caseless(Python py, Bound args) {
    return py.truth(args.get("case_sensitive", Bool.FALSE))
        ? value -> value
        : value -> value instanceof Str(var text) ? py.text(Texts.lower(text)) : value;
  }

  private static Value unique(Python py, Value input, Bound args) {
    var caseless = caseless(py, args);
    var path = args.get("attribute", None.NONE);
    var seen = new HashSet<Value>();
    var firsts = new ArrayList<Value>();
    for (var item : py.iterate(input)) {
      if (seen.add(Dict.canonical(caseless.apply(follow(py, item, path))))) {
        firsts.add(item);
      }
    }
    return new Stream(firsts);
  }

  private static Value sum(Python py, Value input, Bound args) {
    var path = args.get("attribute", None.NONE);
    var sum = args.get("start", new Int(0));
    for (var item : py.iterate(input)) {
      sum = py.binary(Expr.Operator.ADD, sum, follow(py, item, path));
    }
    return sum;
  }

  private static Value extreme(Python py, Value input, Bound args, int sign) {
    var caseless = caseless(py, args);
    var path = args.get("attribute", None.NONE);
    Value best = null;
    for (var item : py.iterate(input)) {
      if (best == null
          || sign
                  * py.order(
                      caseless.apply(follow(py, item, path)),
                      caseless.apply(follow(py, best, path)),
                      "<")
              < 0) {
        best = item;
      }
    }
    return best == null ? new Undefined("the sequence is empty") : best;
  }

  private static Value map(Python py, Value input, Args args) {
    var results = new ArrayList<Value>();
    if (args.positional().isEmpty() && args.named().containsKey("attribute")) {
      var bound = args.bind("the filter 'map'", List.of("attribute", "default"));
      var otherwise = bound.get("default", None.NONE);
      for (var item : py.iterate(input)) {
        var found = follow(py, item, bound.get("attribute"), otherwise);
        results.add(found);
      }
    } else {
      var name = args.name("the filter 'map' needs the name of a filter or an attribute");
      for (var item : py.iterate(input)) {
        results.add(apply(py, name, item, args.dropping(1)));
      }
    }
    return new Stream(results);
  }

  private static Value select(
      Python py, Value input, Args args, boolean byAttribute, boolean wanted) {
    if (!py.truth(input)) {
      return new Stream(List.of());
    }
    if (byAttribute && args.positional().isEmpty()) {
      throw new Failure("the name of an attribute is missing");
    }
    var path = byAttribute ? args.positional().getFirst() : None.NONE;
    var rest = byAttribute ? args.dropping(1) : args;
    Predicate<Value> test =
        rest.positional().isEmpty()
            ? py::truth
            : value -> {
              var name = rest.name("the name of a test is missing");
              return Tests.holds(py, name, value, rest.dropping(1));
            };
    var kept = new ArrayList<Value>();
    for (var item : py.iterate(input)) {
      py.budget().spend(1);
      if (test.test(follow(py, item, path)) == wanted) {
        kept.add(item);
      }
    }
    return new Stream(kept);
  }

  private static Value follow(Python py, Value item, Value path) {
    return follow(py, item, path, None.NONE);
  }

  /// What a path such as `function.name` or `0` leads to; `otherwise`, if not None, where it leads
  /// nowhere.
  private static Value follow(Python py, Value item, Value path, Value otherwise) {
    return switch (path) {
      case None _ -> item;
      case Str(var text) -> {
        var value = item;
        for (var part : Texts.split(py.budget(), text, ".", -1, false)) {
          boolean index = part.length() < 10 && Texts.all(part, c -> c >= '0' && c <= '9');
          value = py.item(value, index ? new Int(Long.parseLong(part)) : new Str(part));
          if (value instanceof Undefined && otherwise != None.NONE) {
            value = otherwise;
          }
        }
        yield value;
      }
      default -> py.item(item, path);
    };
  }
}
