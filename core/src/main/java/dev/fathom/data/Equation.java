package dev.fathom.data;

import java.math.BigDecimal;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The right side of an equation such as `X=((22.0-14.0)/4.0)`, in the four operations: its value,
/// and how people write it, `(22 - 14) / 4`.
///
/// @param text with the brackets that it needs and no others
/// @param value what it comes to
record Equation(String text, double value) {
  private static final Pattern SOLVED = Pattern.compile("\\s*[xX]\\s*=\\s*([-+*/().0-9 ]{1,400})");

  /// Brackets within brackets that are still read.
  private static final int DEEPEST = 32;

  /// Reads `x = …`; empty where the unknown stands elsewhere, or what follows is no arithmetic.
  static Optional<Equation> of(String equation) {
    Matcher solved = SOLVED.matcher(equation);
    if (!solved.matches()) {
      return Optional.empty();
    }
    try {
      Term all = new Reader(solved.group(1).replace(" ", "")).whole();
      return Double.isFinite(all.value)
          ? Optional.of(new Equation(all.text, all.value))
          : Optional.empty();
    } catch (NumberFormatException e) {
      return Optional.empty();
    }
  }

  /// A number as people write it: `2.0` as `2`.
  ///
  /// @throws NumberFormatException if it is none
  static String plain(String number) {
    BigDecimal value = new BigDecimal(number);
    return value.signum() == 0 ? "0" : value.stripTrailingZeros().toPlainString();
  }

  /// A part of it.
  ///
  /// @param rank how tightly it holds together: 1 sums, 2 products, 3 numbers
  private record Term(String text, double value, int rank) {
    String within(int rank) {
      return this.rank < rank ? "(" + text + ")" : text;
    }

    Term with(char operation, Term other) {
      int own = operation == '+' || operation == '-' ? 1 : 2;
      boolean ordered = operation == '-' || operation == '/';
      double result =
          switch (operation) {
            case '+' -> value + other.value;
            case '-' -> value - other.value;
            case '*' -> value * other.value;
            default -> value / other.value;
          };
      String joined = within(own) + " " + operation + " " + other.within(ordered ? own + 1 : own);
      return new Term(joined, result, own);
    }
  }

  private static final class Reader {
    private final String text;
    private int at;
    private int depth;

    Reader(String text) {
      this.text = text;
    }

    Term whole() {
      Term sum = sum();
      if (at < text.length()) {
        throw new NumberFormatException("more after the end");
      }
      return sum;
    }

    private boolean next(char a, char b) {
      return at < text.length() && (text.charAt(at) == a || text.charAt(at) == b);
    }

    private Term sum() {
      Term left = product();
      while (next('+', '-')) {
        left = left.with(text.charAt(at++), product());
      }
      return left;
    }

    private Term product() {
      Term left = factor();
      while (next('*', '/')) {
        left = left.with(text.charAt(at++), factor());
      }
      return left;
    }

    private Term factor() {
      if (next('(', '(')) {
        at++;
        if (++depth > DEEPEST) {
          throw new NumberFormatException("too many brackets");
        }
        Term inner = sum();
        depth--;
        if (!next(')', ')')) {
          throw new NumberFormatException("a bracket stays open");
        }
        at++;
        return inner;
      }
      int from = at;
      if (next('-', '-')) {
        at++;
      }
      while (at < text.length() && (Character.isDigit(text.charAt(at)) || next('.', '.'))) {
        at++;
      }
      String number = text.substring(from, at);
      return new Term(plain(number), Double.parseDouble(number), number.startsWith("-") ? 1 : 3);
    }
  }
}
