package dev.fathom.text.chat;

import static dev.fathom.text.chat.Texts.Side;
import static java.util.Map.entry;

import dev.fathom.text.chat.Args.Bound;
import dev.fathom.text.chat.Value.Bool;
import dev.fathom.text.chat.Value.Dict;
import dev.fathom.text.chat.Value.Function;
import dev.fathom.text.chat.Value.Int;
import dev.fathom.text.chat.Value.Loop;
import dev.fathom.text.chat.Value.None;
import dev.fathom.text.chat.Value.Seq;
import dev.fathom.text.chat.Value.Str;
import dev.fathom.text.chat.Value.Undefined;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// The methods of texts, lists and dicts that a template may call. There is no reflection: what is
/// not in these tables does not exist.
final class Methods {
  private interface Body<T> {
    Value call(Python py, T self, Bound args);
  }

  private record Method<T>(List<String> parameters, Body<T> body) {
    Function bind(Python py, String name, T self) {
      return new Function(
          name,
          args -> {
            var bound = args.bind(name + "()", parameters);
            if (self instanceof String text) {
              py.payForReading(new Str(text));
            }
            return body.call(py, self, bound);
          });
    }
  }

  private static final Map<String, Method<String>> TEXT =
      Map.ofEntries(
          entry("upper", simple(Texts::upper)),
          entry("lower", simple(Texts::lower)),
          entry("casefold", simple(Texts::lower)),
          entry("capitalize", simple(Texts::capitalize)),
          entry("title", simple(Texts::title)),
          entry("isalpha", when(each(Character::isLetter))),
          entry("isdigit", when(each(Character::isDigit))),
          entry("isdecimal", when(each(Character::isDigit))),
          entry("isnumeric", when(each(Character::isDigit))),
          entry("isalnum", when(each(Character::isLetterOrDigit))),
          entry("isspace", when(each(Characters::isSpace))),
          entry("isupper", when(Texts::isUpper)),
          entry("islower", when(Texts::isLower)),
          entry("strip", strip(Side.BOTH)),
          entry("lstrip", strip(Side.LEFT)),
          entry("rstrip", strip(Side.RIGHT)),
          entry("split", split(false)),
          entry("rsplit", split(true)),
          entry(
              "splitlines",
              method(
                  (py, self, args) ->
                      texts(
                          py,
                          Texts.lines(
                              py.budget(), self, py.truth(args.get("keepends", None.NONE)))),
                  "keepends")),
          entry("partition", partition(false)),
          entry("rpartition", partition(true)),
          entry(
              "startswith",
              method(
                  (py, self, args) -> Bool.of(affix(py, self, args, true)),
                  "prefix",
                  "start",
                  "end")),
          entry(
              "endswith",
              method(
                  (py, self, args) -> Bool.of(affix(py, self, args, false)),
                  "prefix",
                  "start",
                  "end")),
          entry(
              "removeprefix",
              method(
                  (py, self, args) -> {
                    var prefix = args.text("prefix");
                    return py.text(
                        self.startsWith(prefix) ? self.substring(prefix.length()) : self);
                  },
                  "prefix")),
          entry(
              "removesuffix",
              method(
                  (py, self, args) -> {
                    var suffix = args.text("suffix");
                    return py.text(
                        self.endsWith(suffix)
                            ? self.substring(0, self.length() - suffix.length())
                            : self);
                  },
                  "suffix")),
          entry("find", find(false, false)),
          entry("rfind", find(true, false)),
          entry("index", find(false, true)),
          entry("rindex", find(true, true)),
          entry(
              "count",
              method(
                  (py, self, args) ->
                      new Int(Texts.count(py.budget(), window(py, self, args), args.text("sub"))),
                  "sub",
                  "start",
                  "end")),
          entry(
              "replace",
              method(
                  (py, self, args) ->
                      new Str(
                          Texts.replace(
                              py.budget(),
                              self,
                              args.text("old"),
                              args.text("new"),
                              args.integer("count", -1))),
                  "old",
                  "new",
                  "count")),
          entry(
              "join",
              method(
                  (py, self, args) -> {
                    var out = new Output(py.budget());
                    var separator = "";
                    for (var item : py.iterate(args.get("items"))) {
                      if (!(item instanceof Str(var part))) {
                        throw new Failure("join() joins texts, found " + item.described());
                      }
                      out.append(separator).append(part);
                      separator = self;
                    }
                    return new Str(out.toString());
                  },
                  "items")),
          entry("ljust", pad(0)),
          entry("center", pad(1)),
          entry("rjust", pad(2)),
          entry(
              "zfill",
              method(
                  (py, self, args) -> {
                    int sign = self.startsWith("-") || self.startsWith("+") ? 1 : 0;
                    var digits = self.substring(sign);
                    int width = Math.max(args.integer("width", 0), 0) - sign;
                    return new Str(
                        self.substring(0, sign) + Texts.pad(py.budget(), digits, width, "0", 2));
                  },
                  "width")));

  private static final Map<String, Method<Dict>> DICT =
      Map.of(
          "get",
          method(
              (_, self, args) -> {
                var value = self.get(args.get("key"));
                return value == null ? args.get("default", None.NONE) : value;
              },
              "key",
              "default"),
          "keys",
          method((py, self, _) -> py.seq(Seq.Kind.KEYS, self.keys())),
          "values",
          method((py, self, _) -> py.seq(Seq.Kind.VALUES, self.values())),
          "items",
          method((py, self, _) -> py.seq(Seq.Kind.ITEMS, self.items())),
          "copy",
          method((_, self, _) -> self));

  private static final Map<String, Method<Seq>> LIST =
      Map.of(
          "index",
          method(
              (py, self, args) -> {
                var wanted = args.get("value");
                for (int i = 0; i < self.items().size(); i++) {
                  if (py.equal(self.items().get(i), wanted)) {
                    return new Int(i);
                  }
                }
                throw new Failure("index() did not find the value in the list");
              },
              "value"),
          "count",
          method(
              (py, self, args) -> {
                var wanted = args.get("value");
                return new Int(self.items().stream().filter(i -> py.equal(i, wanted)).count());
              },
              "value"),
          "copy",
          method((_, self, _) -> self));

  /// What would change a value, which the sandbox of `transformers` refuses too.
  private static final Set<String> CHANGES =
      Set.of(
          "append",
          "clear",
          "extend",
          "insert",
          "pop",
          "popitem",
          "remove",
          "reverse",
          "setdefault",
          "sort",
          "update");

  private Methods() {}

  /// The method of a text, list or dict, or null.
  static @Nullable Value find(Python py, Value self, String name) {
    return switch (self) {
      case Str(var text) when name.equals("format") ->
          new Function(name, args -> new Str(new Formats(py).braces(text, args)));
      case Str(var text) -> bind(TEXT, py, name, text);
      case Seq seq when seq.indexed() ->
          isChange(seq, name)
              ? refused(self, name)
              : name.equals("copy") && seq.kind() != Seq.Kind.LIST
                  ? null
                  : bind(LIST, py, name, seq);
      case Dict dict -> isChange(dict, name) ? refused(self, name) : bind(DICT, py, name, dict);
      default -> null;
    };
  }

  private static <T> @Nullable Function bind(
      Map<String, Method<T>> table, Python py, String name, T self) {
    var method = table.get(name);
    return method == null ? null : method.bind(py, name, self);
  }

  private static boolean isChange(Value self, String name) {
    return CHANGES.contains(name)
        && switch (self) {
          case Dict _ -> Set.of("clear", "pop", "popitem", "setdefault", "update").contains(name);
          case Seq seq when seq.kind() == Seq.Kind.LIST ->
              !Set.of("popitem", "setdefault", "update").contains(name);
          default -> false;
        };
  }

  private static Undefined refused(Value self, String name) {
    return new Undefined(
        "'%s' would change %s, which templates may not; build a new one or use a namespace"
            .formatted(name, self.described()));
  }

  /// The fields and methods of `loop`, or null.
  static @Nullable Value ofLoop(Python py, Loop loop, String name) {
    int index = loop.index();
    int length = loop.items().size();
    return switch (name) {
      case "index" -> new Int(index + 1L);
      case "index0" -> new Int(index);
      case "revindex" -> new Int(length - index);
      case "revindex0" -> new Int(length - index - 1L);
      case "first" -> Bool.of(index == 0);
      case "last" -> Bool.of(index == length - 1);
      case "length" -> new Int(length);
      case "depth" -> new Int(1); // counts recursive loops only, of which there are none
      case "depth0" -> new Int(0);
      case "previtem" ->
          index > 0 ? loop.items().get(index - 1) : new Undefined("there is no previous item");
      case "nextitem" ->
          index < length - 1 ? loop.items().get(index + 1) : new Undefined("there is no next item");
      case "cycle" ->
          new Function(
              name,
              args -> {
                if (args.positional().isEmpty()) {
                  throw new Failure("cycle() needs something to cycle through");
                }
                return args.positional().get(index % args.positional().size());
              });
      case "changed" ->
          new Function(
              name,
              args -> {
                var now = py.seq(Seq.Kind.TUPLE, args.positional());
                var before = loop.memory().put(name, now);
                return Bool.of(before == null || !py.equal(before, now));
              });
      default -> null;
    };
  }

  // Rows of the tables

  private static <T> Method<T> method(Body<T> body, String... parameters) {
    return new Method<>(List.of(parameters), body);
  }

  private static Method<String> simple(UnaryOperator<String> change) {
    return method((py, self, _) -> py.text(change.apply(self)));
  }

  private static Method<String> when(Predicate<String> test) {
    return method((py, self, _) -> {
      py.budget().spend(self.length() / 16);
      return Bool.of(test.test(self));
    });
  }

  private static Predicate<String> each(IntPredicate test) {
    return text -> Texts.all(text, test);
  }

  private static Method<String> strip(Side side) {
    return method(
        (py, self, args) -> py.text(Texts.strip(self, args.textOrNull("chars"), side)), "chars");
  }

  private static Method<String> split(boolean fromRight) {
    return method(
        (py, self, args) ->
            texts(
                py,
                Texts.split(
                    py.budget(),
                    self,
                    args.textOrNull("sep"),
                    args.integer("maxsplit", -1),
                    fromRight)),
        "sep",
        "maxsplit");
  }

  private static Method<String> partition(boolean fromRight) {
    return method(
        (py, self, args) -> {
          var separator = args.text("sep");
          if (separator.isEmpty()) {
            throw new Failure("a text cannot be split at an empty separator");
          }
          int at = fromRight ? self.lastIndexOf(separator) : self.indexOf(separator);
          if (at < 0) {
            return fromRight
                ? Seq.tuple(Str.EMPTY, Str.EMPTY, new Str(self))
                : Seq.tuple(new Str(self), Str.EMPTY, Str.EMPTY);
          }
          return Seq.tuple(
              py.text(self.substring(0, at)),
              new Str(separator),
              py.text(self.substring(at + separator.length())));
        },
        "sep");
  }

  private static Method<String> pad(int place) {
    return method(
        (py, self, args) ->
            new Str(
                Texts.pad(
                    py.budget(), self, args.integer("width", 0), args.text("fill", " "), place)),
        "width",
        "fill");
  }

  private static Method<String> find(boolean last, boolean mustExist) {
    return method(
        (py, self, args) -> {
          var part = args.text("sub");
          var window = window(py, self, args);
          py.budget().spend(self.length() / 16);
          int at = last ? window.lastIndexOf(part) : window.indexOf(part);
          if (at < 0) {
            if (mustExist) {
              throw new Failure("index() did not find the text");
            }
            return new Int(-1);
          }
          int skipped = windowStart(py, self, args);
          return new Int(skipped + (long) window.codePointCount(0, at));
        },
        "sub",
        "start",
        "end");
  }

  private static boolean affix(Python py, String self, Bound args, boolean prefix) {
    var window = window(py, self, args);
    var wanted = args.get("prefix");
    var choices =
        wanted instanceof Seq(var kind, var items, _) && kind == Seq.Kind.TUPLE
            ? items
            : List.of(wanted);
    for (var choice : choices) {
      switch (choice) {
        case Str(var text) -> {
          if (prefix ? window.startsWith(text) : window.endsWith(text)) {
            return true;
          }
        }
        case Undefined undefined -> throw Failure.of(undefined);
        default ->
            throw new Failure(args.function() + " needs a text, found " + choice.described());
      }
    }
    return false;
  }

  /// The part of a text between the optional arguments `start` and `end`.
  private static String window(Python py, String self, Bound args) {
    if (args.find("start") == null && args.find("end") == null) {
      return self;
    }
    var sliced =
        py.slice(
            new Str(self), args.get("start", None.NONE), args.get("end", None.NONE), None.NONE);
    return py.str(sliced);
  }

  private static int windowStart(Python py, String self, Bound args) {
    int length = py.length(new Str(self));
    int start = args.integer("start", 0);
    return Math.clamp(start < 0 ? (long) start + length : start, 0, length);
  }

  private static Value texts(Python py, List<String> texts) {
    return py.list(texts.stream().<Value>map(Str::new).toList());
  }
}
