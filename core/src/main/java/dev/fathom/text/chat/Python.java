package dev.fathom.text.chat;

import dev.fathom.text.chat.Value.Bool;
import dev.fathom.text.chat.Value.Dict;
import dev.fathom.text.chat.Value.Function;
import dev.fathom.text.chat.Value.Int;
import dev.fathom.text.chat.Value.Loop;
import dev.fathom.text.chat.Value.Namespace;
import dev.fathom.text.chat.Value.None;
import dev.fathom.text.chat.Value.Real;
import dev.fathom.text.chat.Value.Seq;
import dev.fathom.text.chat.Value.Str;
import dev.fathom.text.chat.Value.Stream;
import dev.fathom.text.chat.Value.Undefined;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Python's operators on [Value]s. Whatever costs more than a glance is paid for from the [Budget].
///
/// Whole numbers have 64 bits; a result beyond that is an error, not a wrong number. Texts are
/// indexed by code points.
record Python(Budget budget) {

  // Making values

  Str text(String text) {
    budget.spendText(text.length());
    return new Str(text);
  }

  Seq list(List<Value> items) {
    return seq(Seq.Kind.LIST, items);
  }

  Seq seq(Seq.Kind kind, List<Value> items) {
    budget.spend(items.size());
    return checked(Seq.of(kind, items));
  }

  Dict dict(List<Dict.Entry> entries) {
    budget.spend(entries.size());
    return checked(new Dict(entries));
  }

  private <V extends Value> V checked(V value) {
    if (value.weight() > budget.limits().weight()) {
      throw new Failure(
          value.described() + " grew beyond " + budget.limits().weight() + " elements");
    }
    return value;
  }

  /// `str(value)`.
  String str(Value value) {
    if (value instanceof Str(var text)) {
      return text;
    }
    var out = new Output(budget);
    new Printer(budget, out).str(value);
    return out.toString();
  }

  /// Pays for reading a text from end to end, as most filters and methods do.
  void payForReading(Value value) {
    budget.spend(1 + (value instanceof Str(var text) ? text.length() / 64 : 0));
  }

  // Looking into values

  boolean truth(Value value) {
    return switch (value) {
      case None _, Undefined _ -> false;
      case Bool(var b) -> b;
      case Int(var i) -> i != 0;
      case Real(var d) -> d != 0;
      case Str(var text) -> !text.isEmpty();
      case Seq seq -> !seq.items().isEmpty();
      case Dict dict -> dict.size() > 0;
      case Namespace _, Stream _, Function _, Loop _ -> true;
    };
  }

  /// `len(value)`.
  int length(Value value) {
    return switch (value) {
      case Str(var text) -> text.codePointCount(0, text.length());
      case Seq seq -> seq.items().size();
      case Dict dict -> dict.size();
      case Loop loop -> loop.items().size();
      case Undefined _ -> 0;
      case None _, Bool _, Int _, Real _, Namespace _, Stream _, Function _ ->
          throw new Failure(value.described() + " has no length");
    };
  }

  /// What a loop over the value sees. A [Stream] is used up by it.
  List<Value> iterate(Value value) {
    var items =
        switch (value) {
          case Str(var text) -> {
            budget.spend(text.length());
            yield text.codePoints().<Value>mapToObj(c -> new Str(Character.toString(c))).toList();
          }
          case Seq seq -> seq.items();
          case Dict dict -> dict.keys();
          case Stream stream -> stream.drain();
          case Undefined _ -> List.<Value>of();
          case None _, Bool _, Int _, Real _, Namespace _, Function _, Loop _ ->
              throw new Failure(value.described() + " cannot be iterated");
        };
    budget.spend(items.size() / 16);
    return items;
  }

  /// `object.name` as Jinja reads it: methods come before keys.
  Value attribute(Value object, String name) {
    var member = member(object, name);
    if (member != null) {
      return member;
    }
    var found = object instanceof Dict dict ? dict.get(name) : null;
    return found == null ? missing(object, "attribute '" + name + "'") : found;
  }

  /// `object[index]` as Jinja reads it: keys come before methods.
  Value item(Value object, Value index) {
    var found =
        switch (object) {
          case Undefined undefined -> throw Failure.of(undefined);
          case Dict dict -> hashable(index) ? dict.get(index) : null;
          case Seq seq when seq.indexed() -> at(seq.items(), index);
          case Str(var text) -> characterAt(text, index);
          default -> null;
        };
    if (found == null && index instanceof Str(var name)) {
      found = member(object, name);
    }
    if (found != null) {
      return found;
    }
    return missing(
        object, index instanceof Str(var name) ? "key '" + name + "'" : "element " + str(index));
  }

  private static Undefined missing(Value object, String what) {
    return new Undefined(object.described() + " has no " + what);
  }

  private @Nullable Value member(Value object, String name) {
    return switch (object) {
      case Undefined undefined -> throw Failure.of(undefined);
      case Namespace namespace -> namespace.fields.get(name);
      case Loop loop -> Methods.ofLoop(this, loop, name);
      case Str _, Dict _, Seq _ -> Methods.find(this, object, name);
      case None _, Bool _, Int _, Real _, Stream _, Function _ -> null;
    };
  }

  private static boolean hashable(Value key) {
    return switch (key) {
      case None _, Undefined _, Bool _, Int _, Real _, Str _ -> true;
      case Seq(var kind, var items, var weight) ->
          kind == Seq.Kind.TUPLE
              && weight < Dict.MAX_KEY_WEIGHT
              && items.stream().allMatch(Python::hashable);
      case Dict _, Namespace _, Stream _, Function _, Loop _ -> false;
    };
  }

  private static @Nullable Value at(List<Value> items, Value index) {
    if (!(index instanceof Int || index instanceof Bool)) {
      return null;
    }
    long i = integer(index);
    long positive = i < 0 ? i + items.size() : i;
    return positive >= 0 && positive < items.size() ? items.get((int) positive) : null;
  }

  private @Nullable Value characterAt(String text, Value index) {
    if (!(index instanceof Int || index instanceof Bool)) {
      return null;
    }
    budget.spend(text.length() / 64);
    long i = integer(index);
    int length = text.codePointCount(0, text.length());
    long positive = i < 0 ? i + length : i;
    return positive >= 0 && positive < length
        ? new Str(Character.toString(text.codePointAt(text.offsetByCodePoints(0, (int) positive))))
        : null;
  }

  /// `object[start:stop:step]`.
  Value slice(Value object, Value start, Value stop, Value step) {
    return switch (object) {
      case Str(var text) -> {
        budget.spendText(text.length());
        int[] codes = text.codePoints().toArray();
        var sliced = new StringBuilder();
        sliceIndices(codes.length, start, stop, step)
            .forEach(i -> sliced.appendCodePoint(codes[i]));
        yield text(sliced.toString());
      }
      case Seq seq when seq.indexed() -> {
        var items = new ArrayList<Value>();
        sliceIndices(seq.items().size(), start, stop, step)
            .forEach(i -> items.add(seq.items().get(i)));
        yield seq(seq.kind(), items);
      }
      case Undefined undefined -> throw Failure.of(undefined);
      default -> throw new Failure(object.described() + " cannot be sliced");
    };
  }

  private java.util.stream.IntStream sliceIndices(int length, Value start, Value stop, Value step) {
    long by = step == None.NONE ? 1 : integer(step);
    if (by == 0) {
      throw new Failure("the step of a slice cannot be 0");
    }
    long lowest = by > 0 ? 0 : -1;
    long highest = by > 0 ? length : length - 1L;
    long from = bound(start, length, lowest, highest, by > 0 ? lowest : highest);
    long to = bound(stop, length, lowest, highest, by > 0 ? highest : lowest);
    long span = by > 0 ? to - from : from - to;
    long count = span <= 0 ? 0 : (span - 1) / Math.absExact(by) + 1;
    budget.spend(count);
    return java.util.stream.LongStream.range(0, count).mapToInt(i -> (int) (from + i * by));
  }

  private static long bound(Value value, int length, long lowest, long highest, long otherwise) {
    if (value == None.NONE) {
      return otherwise;
    }
    long i = integer(value);
    return Math.clamp(i < 0 ? i + length : i, lowest, highest);
  }

  // Comparing

  boolean equal(Value a, Value b) {
    budget.spend(Math.min(a.weight(), b.weight()) / 4);
    return equals(a, b);
  }

  private static boolean equals(Value a, Value b) {
    if (isNumber(a) && isNumber(b)) {
      boolean real = a instanceof Real || b instanceof Real;
      return real ? real(a) == real(b) : integer(a) == integer(b);
    }
    return switch (a) {
      case Str(var text) -> b instanceof Str(var other) && text.equals(other);
      case Undefined _ -> b instanceof Undefined;
      case Seq(var kind, var items, _) ->
          b instanceof Seq(var otherKind, var others, _)
              && kind == otherKind
              && equals(items, others);
      case Dict dict -> b instanceof Dict other && equals(dict, other);
      case None _, Bool _, Int _, Real _, Namespace _, Stream _, Function _, Loop _ ->
          identical(a, b);
    };
  }

  /// Python's `is`.
  @SuppressWarnings("ReferenceEquality")
  static boolean identical(Value a, Value b) {
    return a == b;
  }

  private static boolean equals(List<Value> a, List<Value> b) {
    if (a.size() != b.size()) {
      return false;
    }
    for (int i = 0; i < a.size(); i++) {
      if (!equals(a.get(i), b.get(i))) {
        return false;
      }
    }
    return true;
  }

  private static boolean equals(Dict a, Dict b) {
    return a.size() == b.size()
        && a.entries().stream()
            .allMatch(entry -> {
              var other = b.get(entry.key());
              return other != null && equals(entry.value(), other);
            });
  }

  boolean compare(Expr.Comparison comparison, Value a, Value b) {
    return switch (comparison) {
      case EQUAL -> equal(a, b);
      case NOT_EQUAL -> !equal(a, b);
      case IN -> contains(b, a);
      case NOT_IN -> !contains(b, a);
      case LESS -> ordered(comparison, a, b);
      case LESS_OR_EQUAL -> ordered(comparison, a, b);
      case GREATER -> ordered(comparison, a, b);
      case GREATER_OR_EQUAL -> ordered(comparison, a, b);
    };
  }

  private boolean ordered(Expr.Comparison comparison, Value a, Value b) {
    if (isNumber(a) && isNumber(b) && (Double.isNaN(real(a)) || Double.isNaN(real(b)))) {
      return false;
    }
    int order = order(a, b, comparison.symbol);
    return switch (comparison) {
      case LESS -> order < 0;
      case LESS_OR_EQUAL -> order <= 0;
      case GREATER -> order > 0;
      case GREATER_OR_EQUAL -> order >= 0;
      case EQUAL, NOT_EQUAL, IN, NOT_IN -> throw new AssertionError(comparison);
    };
  }

  /// The order of two values, for `symbol` in messages.
  int order(Value a, Value b, String symbol) {
    budget.spend(1 + Math.min(a.weight(), b.weight()) / 4);
    if (isNumber(a) && isNumber(b)) {
      return a instanceof Real || b instanceof Real
          ? Double.compare(real(a) + 0.0, real(b) + 0.0)
          : Long.compare(integer(a), integer(b));
    }
    if (a instanceof Str(var text) && b instanceof Str(var other)) {
      return compareCodePoints(text, other);
    }
    if (a instanceof Seq(var kind, var items, _)
        && b instanceof Seq(var otherKind, var others, _)
        && kind == otherKind
        && (kind == Seq.Kind.LIST || kind == Seq.Kind.TUPLE)) {
      for (int i = 0; i < items.size() && i < others.size(); i++) {
        if (!equals(items.get(i), others.get(i))) {
          return order(items.get(i), others.get(i), symbol);
        }
      }
      return Integer.compare(items.size(), others.size());
    }
    throw mismatch(symbol, a, b);
  }

  /// Java orders texts by UTF-16 units, Python by code points.
  private static int compareCodePoints(String a, String b) {
    int at = 0;
    while (at < a.length() && at < b.length() && a.charAt(at) == b.charAt(at)) {
      at++;
    }
    if (at == a.length() || at == b.length()) {
      return Integer.compare(a.length(), b.length());
    }
    char x = a.charAt(at);
    char y = b.charAt(at);
    return Character.isSurrogate(x) == Character.isSurrogate(y)
        ? Character.compare(x, y)
        : Character.isSurrogate(x) ? 1 : -1;
  }

  /// `item in container`.
  boolean contains(Value container, Value item) {
    return switch (container) {
      case Str(var text) -> {
        if (!(item instanceof Str(var part))) {
          throw item instanceof Undefined undefined
              ? Failure.of(undefined)
              : new Failure("only a text can be 'in' a text, found " + item.described());
        }
        budget.spend(text.length() / 64);
        yield text.contains(part);
      }
      case Dict dict -> dict.get(item) != null;
      case Seq seq -> {
        budget.spend(seq.items().size() / 4);
        yield seq.items().stream().anyMatch(each -> equal(each, item));
      }
      case Stream stream -> {
        for (var each = stream.next(); each != null; each = stream.next()) {
          if (equal(each, item)) {
            yield true;
          }
        }
        yield false;
      }
      case Undefined _ -> false;
      case None _, Bool _, Int _, Real _, Namespace _, Function _, Loop _ ->
          throw new Failure("nothing can be 'in' " + container.described());
    };
  }

  // Calculating

  Value binary(Expr.Operator operator, Value a, Value b) {
    if (a instanceof Undefined undefined) {
      throw Failure.of(undefined);
    }
    if (operator == Expr.Operator.MODULO && a instanceof Str(var format)) {
      return text(new Formats(this).percent(format, b));
    }
    if (b instanceof Undefined undefined) {
      throw Failure.of(undefined);
    }
    if (isNumber(a) && isNumber(b)) {
      return a instanceof Real || b instanceof Real
          ? new Real(calculate(operator, real(a), real(b)))
          : calculate(operator, integer(a), integer(b));
    }
    return switch (operator) {
      case ADD -> add(a, b);
      case MULTIPLY -> b instanceof Int || b instanceof Bool ? repeat(a, b) : repeat(b, a);
      case SUBTRACT, DIVIDE, FLOOR_DIVIDE, MODULO, POWER -> throw mismatch(operator.symbol, a, b);
    };
  }

  private Value add(Value a, Value b) {
    if (a instanceof Str(var text) && b instanceof Str(var more)) {
      budget.spendText((long) text.length() + more.length());
      return new Str(text + more);
    }
    if (a instanceof Seq(var kind, var items, _)
        && b instanceof Seq(var otherKind, var others, _)
        && kind == otherKind
        && (kind == Seq.Kind.LIST || kind == Seq.Kind.TUPLE)) {
      var all = new ArrayList<>(items);
      all.addAll(others);
      return seq(kind, all);
    }
    throw mismatch("+", a, b);
  }

  private Value repeat(Value value, Value times) {
    if (!(times instanceof Int || times instanceof Bool)) {
      throw mismatch("*", value, times);
    }
    long count = Math.clamp(integer(times), 0, Integer.MAX_VALUE);
    return switch (value) {
      case Str(var text) -> {
        budget.spendText(text.length() * count);
        yield new Str(text.repeat((int) count));
      }
      case Seq(var kind, var items, _) when kind == Seq.Kind.LIST || kind == Seq.Kind.TUPLE -> {
        budget.spend(items.size() * count);
        var all = new ArrayList<Value>();
        for (long i = 0; i < count && !items.isEmpty(); i++) {
          all.addAll(items);
        }
        yield seq(kind, all);
      }
      default -> throw mismatch("*", value, times);
    };
  }

  private static Value calculate(Expr.Operator operator, long a, long b) {
    try {
      return switch (operator) {
        case ADD -> new Int(Math.addExact(a, b));
        case SUBTRACT -> new Int(Math.subtractExact(a, b));
        case MULTIPLY -> new Int(Math.multiplyExact(a, b));
        case DIVIDE -> new Real((double) a / (double) notZero(b));
        case FLOOR_DIVIDE -> new Int(Math.floorDivExact(a, notZero(b)));
        case MODULO -> new Int(Math.floorMod(a, notZero(b)));
        case POWER ->
            b < 0 ? new Real(Math.pow((double) notZero(a), (double) b)) : new Int(power(a, b));
      };
    } catch (ArithmeticException e) {
      throw new Failure(
          "%d %s %d does not fit into a whole number of 64 bits".formatted(a, operator.symbol, b));
    }
  }

  private static long power(long base, long exponent) {
    if (base == 0 || base == 1 || base == -1) {
      return exponent == 0 ? 1 : base == -1 && exponent % 2 == 0 ? 1 : base;
    }
    long power = 1;
    for (long i = 0; i < exponent; i++) {
      power = Math.multiplyExact(power, base);
    }
    return power;
  }

  private static double calculate(Expr.Operator operator, double a, double b) {
    return switch (operator) {
      case ADD -> a + b;
      case SUBTRACT -> a - b;
      case MULTIPLY -> a * b;
      case DIVIDE -> a / notZero(b);
      case FLOOR_DIVIDE -> Math.floor(a / notZero(b));
      case MODULO -> {
        double rest = a % notZero(b);
        yield rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
      }
      case POWER -> {
        double power = Math.pow(a, b);
        if (Double.isInfinite(power) && !Double.isInfinite(a) && !Double.isInfinite(b)) {
          throw new Failure(Printer.real(a) + " ** " + Printer.real(b) + " is too large");
        }
        yield power;
      }
    };
  }

  private static long notZero(long divisor) {
    if (divisor == 0) {
      throw new Failure("division by zero");
    }
    return divisor;
  }

  private static double notZero(double divisor) {
    if (divisor == 0) {
      throw new Failure("division by zero");
    }
    return divisor;
  }

  static Value negate(Value value) {
    return switch (value) {
      case Real(var d) -> new Real(-d);
      case Int _, Bool _ -> calculate(Expr.Operator.SUBTRACT, 0, integer(value));
      case Undefined undefined -> throw Failure.of(undefined);
      default -> throw new Failure(value.described() + " cannot be negated");
    };
  }

  static boolean isNumber(Value value) {
    return value instanceof Int || value instanceof Bool || value instanceof Real;
  }

  /// The whole number that an int or bool is.
  static long integer(Value value) {
    return switch (value) {
      case Int(var i) -> i;
      case Bool(var b) -> b ? 1 : 0;
      case Undefined undefined -> throw Failure.of(undefined);
      default -> throw new Failure("expected a whole number, found " + value.described());
    };
  }

  /// The number that an int, bool or float is.
  static double real(Value value) {
    return value instanceof Real(var d) ? d : integer(value);
  }

  private static Failure mismatch(String symbol, Value a, Value b) {
    for (var value : List.of(a, b)) {
      if (value instanceof Undefined undefined) {
        return Failure.of(undefined);
      }
    }
    return new Failure(
        "'%s' is not defined for %s and %s".formatted(symbol, a.described(), b.described()));
  }
}
