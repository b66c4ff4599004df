package dev.fathom.text.chat;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// An expression of a template. Those that can fail know their line.
sealed interface Expr {
  record Literal(Value value) implements Expr {}

  record Name(String name) implements Expr {}

  record ListOf(List<Expr> items) implements Expr {}

  record TupleOf(List<Expr> items) implements Expr {}

  record DictOf(List<Pair> pairs, int line) implements Expr {}

  record Pair(Expr key, Expr value) {}

  /// `object.name`: an attribute first, then a key.
  record Attribute(Expr object, String name, int line) implements Expr {}

  /// `object[index]`: a key first, then an attribute.
  record Item(Expr object, Expr index, int line) implements Expr {}

  record Slice(
      Expr object, @Nullable Expr start, @Nullable Expr stop, @Nullable Expr step, int line)
      implements Expr {}

  record Call(Expr function, Arguments arguments, int line) implements Expr {}

  record Filtered(Expr input, Filtering filter) implements Expr {}

  record Tested(Expr input, String test, Arguments arguments, int line) implements Expr {}

  record Not(Expr operand) implements Expr {}

  record Negated(Expr operand, int line) implements Expr {}

  record Binary(Operator operator, Expr left, Expr right, int line) implements Expr {}

  record Concat(List<Expr> parts) implements Expr {}

  /// `a < b <= c`: each step compares with the operand before it.
  record Compare(Expr first, List<Step> steps, int line) implements Expr {}

  record Step(Comparison comparison, Expr operand) {}

  record And(Expr left, Expr right) implements Expr {}

  record Or(Expr left, Expr right) implements Expr {}

  record Conditional(Expr test, Expr then, @Nullable Expr otherwise, int line) implements Expr {}

  /// A filter with its arguments, before it has an input.
  record Filtering(String name, Arguments arguments, int line) {}

  record Arguments(
      List<Expr> positional,
      Map<String, Expr> named,
      @Nullable Expr morePositional,
      @Nullable Expr moreNamed) {
    static final Arguments NONE = new Arguments(List.of(), Map.of(), null, null);

    boolean isEmpty() {
      return positional.isEmpty() && named.isEmpty() && morePositional == null && moreNamed == null;
    }
  }

  enum Operator {
    ADD("+"),
    SUBTRACT("-"),
    MULTIPLY("*"),
    DIVIDE("/"),
    FLOOR_DIVIDE("//"),
    MODULO("%"),
    POWER("**");

    final String symbol;

    Operator(String symbol) {
      this.symbol = symbol;
    }
  }

  enum Comparison {
    EQUAL("=="),
    NOT_EQUAL("!="),
    LESS("<"),
    LESS_OR_EQUAL("<="),
    GREATER(">"),
    GREATER_OR_EQUAL(">="),
    IN("in"),
    NOT_IN("not in");

    final String symbol;

    Comparison(String symbol) {
      this.symbol = symbol;
    }
  }
}
