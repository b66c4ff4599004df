package dev.fathom.text.chat;

import static java.util.Map.entry;

import dev.fathom.text.chat.Value.Bool;
import dev.fathom.text.chat.Value.Dict;
import dev.fathom.text.chat.Value.Function;
import dev.fathom.text.chat.Value.Int;
import dev.fathom.text.chat.Value.None;
import dev.fathom.text.chat.Value.Real;
import dev.fathom.text.chat.Value.Seq;
import dev.fathom.text.chat.Value.Str;
import dev.fathom.text.chat.Value.Stream;
import dev.fathom.text.chat.Value.Undefined;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/// What can stand after `is`.
final class Tests {
  interface Body {
    boolean holds(Python py, Value value, Args.Bound args);
  }

  record Test(List<String> parameters, Body body) {}

  static final Map<String, Test> TABLE =
      Map.ofEntries(
          entry("defined", test(value -> !(value instanceof Undefined))),
          entry("undefined", test(value -> value instanceof Undefined)),
          entry("none", test(value -> value == None.NONE)),
          entry("boolean", test(value -> value instanceof Bool)),
          entry("true", test(value -> value instanceof Bool(var b) && b)),
          entry("false", test(value -> value instanceof Bool(var b) && !b)),
          entry("integer", test(value -> value instanceof Int)),
          entry("float", test(value -> value instanceof Real)),
          entry("number", test(Python::isNumber)),
          entry("string", test(value -> value instanceof Str)),
          entry("mapping", test(value -> value instanceof Dict)),
          entry("sequence", test(Tests::isSequence)),
          entry(
              "iterable",
              test(value -> isSequence(value) || value instanceof Seq || value instanceof Stream)),
          entry("callable", test(value -> value instanceof Function || value instanceof Undefined)),
          entry("lower", new Test(List.of(), (py, value, _) -> Texts.isLower(py.str(value)))),
          entry("upper", new Test(List.of(), (py, value, _) -> Texts.isUpper(py.str(value)))),
          entry(
              "odd", new Test(List.of(), (py, value, _) -> remainder(py, value, new Int(2)) == 1)),
          entry(
              "even", new Test(List.of(), (py, value, _) -> remainder(py, value, new Int(2)) == 0)),
          entry(
              "divisibleby",
              new Test(
                  List.of("num"), (py, value, args) -> remainder(py, value, args.get("num")) == 0)),
          entry(
              "sameas",
              new Test(List.of("other"), (_, value, args) -> same(value, args.get("other")))),
          entry("in", comparison(Expr.Comparison.IN)),
          entry("==", comparison(Expr.Comparison.EQUAL)),
          entry("eq", comparison(Expr.Comparison.EQUAL)),
          entry("equalto", comparison(Expr.Comparison.EQUAL)),
          entry("!=", comparison(Expr.Comparison.NOT_EQUAL)),
          entry("ne", comparison(Expr.Comparison.NOT_EQUAL)),
          entry("<", comparison(Expr.Comparison.LESS)),
          entry("lt", comparison(Expr.Comparison.LESS)),
          entry("lessthan", comparison(Expr.Comparison.LESS)),
          entry("<=", comparison(Expr.Comparison.LESS_OR_EQUAL)),
          entry("le", comparison(Expr.Comparison.LESS_OR_EQUAL)),
          entry(">", comparison(Expr.Comparison.GREATER)),
          entry("gt", comparison(Expr.Comparison.GREATER)),
          entry("greaterthan", comparison(Expr.Comparison.GREATER)),
          entry(">=", comparison(Expr.Comparison.GREATER_OR_EQUAL)),
          entry("ge", comparison(Expr.Comparison.GREATER_OR_EQUAL)));

  private Tests() {}

  static boolean holds(Python py, String name, Value value, Args args) {
    var test = TABLE.get(name);
    if (test == null) {
      throw new Failure("the test '" + name + "' is not supported");
    }
    py.payForReading(value);
    return test.body().holds(py, value, args.bind("the test '" + name + "'", test.parameters()));
  }

  private static Test test(Predicate<Value> predicate) {
    return new Test(List.of(), (_, value, _) -> predicate.test(value));
  }

  private static Test comparison(Expr.Comparison comparison) {
    return new Test(
        List.of("other"), (py, value, args) -> py.compare(comparison, value, args.get("other")));
  }

  private static boolean isSequence(Value value) {
    return switch (value) {
      case Str _, Dict _, Undefined _ -> true;
      case Seq seq -> seq.indexed();
      default -> false;
    };
  }

  private static double remainder(Python py, Value value, Value divisor) {
    return Python.real(py.binary(Expr.Operator.MODULO, value, divisor));
  }

  private static boolean same(Value a, Value b) {
    return Python.identical(a, b)
        || switch (a) {
          case Bool _, Int _, Str _ -> a.equals(b);
          default -> false;
        };
  }
}
