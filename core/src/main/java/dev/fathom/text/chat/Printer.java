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
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Writes values as Python's `str`, `repr` and `json.dumps` do.
final class Printer {
  private final Budget budget;
  private final Output out;

  Printer(Budget budget, Output out) {
    this.budget = budget;
    this.out = out;
  }

  /// `str(value)`; what is undefined prints as nothing.
  void str(Value value) {
    switch (value) {
      case Str(var text) -> out.append(text);
      case Undefined _ -> {}
      default -> repr(value);
    }
  }

  /// `repr(value)`.
  void repr(Value value) {
    budget.enter();
    budget.spend(1);
    switch (value) {
      case None _ -> out.append("None");
      case Undefined _ -> out.append("Undefined");
      case Bool(var b) -> out.append(b ? "True" : "False");
      case Int(var i) -> out.append(Long.toString(i));
      case Real(var d) -> out.append(real(d));
      case Str(var text) -> out.append(quoted(text));
      case Seq seq -> seq(seq);
      case Dict dict -> {
        out.append("{");
        separated(dict.entries(), ", ", entry -> pair(entry.key(), entry.value()));
        out.append("}");
      }
      case Namespace namespace -> {
        out.append("<Namespace {");
        separated(
            namespace.fields.entrySet(),
            ", ",
            field -> pair(new Str(field.getKey()), field.getValue()));
        out.append("}>");
      }
      case Stream _ ->
          throw new Failure("a lazy result has no text; put '| list' after the filter");
      case Function(var name, _) ->
          throw new Failure("'" + name + "' is a function and has no text; is '()' missing?");
      case Loop _ -> throw new Failure("'loop' has no text; name one of its fields");
    }
    budget.leave();
  }

  private void pair(Value key, Value value) {
    repr(key);
    out.append(": ");
    repr(value);
  }

  private void seq(Seq seq) {
    var items = seq.items();
    switch (seq.kind()) {
      case LIST -> bracketed("[", items, "]");
      case TUPLE -> bracketed("(", items, items.size() == 1 ? ",)" : ")");
      case KEYS, VALUES, ITEMS -> bracketed(seq.type() + "([", items, "])");
      case RANGE -> throw new Failure("a range has no text; put '| list' after it");
    }
  }

  private void bracketed(String open, List<Value> items, String close) {
    out.append(open);
    separated(items, ", ", this::repr);
    out.append(close);
  }

  private <T> void separated(Collection<T> items, String separator, Consumer<T> each) {
    for (Iterator<T> iterator = items.iterator(); iterator.hasNext(); ) {
      each.accept(iterator.next());
      if (iterator.hasNext()) {
        out.append(separator);
      }
    }
  }

  /// A text as Python's source would have it.
  private static String quoted(String text) {
    char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
    var quoted = new StringBuilder().append(quote);
    text.codePoints()
        .forEach(c -> {
          switch (c) {
            case '\n' -> quoted.append("\\n");
            case '\r' -> quoted.append("\\r");
            case '\t' -> quoted.append("\\t");
            case '\\' -> quoted.append("\\\\");
            default -> {
              if (c == quote) {
                quoted.append('\\').append(quote);
              } else if (Characters.isPrintable(c)) {
                quoted.appendCodePoint(c);
              } else {
                quoted.append(
                    (c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x").formatted(c));
              }
            }
          }
        });
    return quoted.append(quote).toString();
  }

  /// The shortest decimal that reads back as the same number, in Python's layout.
  static String real(double d) {
    if (Double.isNaN(d)) {
      return "nan";
    }
    if (Double.isInfinite(d)) {
      return d > 0 ? "inf" : "-inf";
    }
    if (d == 0) {
      return 1 / d < 0 ? "-0.0" : "0.0";
    }
    var decimal = new BigDecimal(Double.toString(d)).stripTrailingZeros();
    var shorter =
        decimal.round(new MathContext(1)); // Java shows two digits of 4.9E-324 where one will do
    decimal = shorter.doubleValue() == d ? shorter.stripTrailingZeros() : decimal;
    int exponent = decimal.precision() - decimal.scale() - 1;
    if (exponent >= -4 && exponent < 16) {
      return decimal.scale() <= 0 ? decimal.toPlainString() + ".0" : decimal.toPlainString();
    }
    var mantissa = decimal.scaleByPowerOfTen(-exponent).toPlainString();
    return "%se%s%02d".formatted(mantissa, exponent < 0 ? "-" : "+", Math.abs(exponent));
  }

  /// How `json.dumps` is asked to write.
  ///
  /// @param indent what each level is indented with, or null for one line
  record Json(
      boolean ascii, @Nullable String indent, String comma, String colon, boolean sortKeys) {}

  /// `json.dumps(value)`.
  void json(Value value, Json style) {
    json(value, style, "\n");
  }

  private void json(Value value, Json style, String newline) {
    budget.enter();
    budget.spend(1);
    switch (value) {
      case None _ -> out.append("null");
      case Bool(var b) -> out.append(b ? "true" : "false");
      case Int(var i) -> out.append(Long.toString(i));
      case Real(var d) -> out.append(jsonReal(d));
      case Str(var text) -> out.append(jsonText(text, style.ascii()));
      case Seq(var kind, var items, _) when kind == Seq.Kind.LIST || kind == Seq.Kind.TUPLE ->
          nested("[", items, "]", style, newline, (item, inner) -> json(item, style, inner));
      case Dict dict -> {
        var entries = dict.entries().stream().map(e -> Map.entry(jsonKey(e.key()), e.value()));
        var ordered = style.sortKeys() ? entries.sorted(Map.Entry.comparingByKey()) : entries;
        nested(
            "{",
            ordered.toList(),
            "}",
            style,
            newline,
            (entry, inner) -> {
              out.append(jsonText(entry.getKey(), style.ascii())).append(style.colon());
              json(entry.getValue(), style, inner);
            });
      }
      case Undefined _, Seq _, Namespace _, Stream _, Function _, Loop _ ->
          throw new Failure(
              value.described()
                  + " has no JSON"
                  + (value instanceof Undefined(var why) ? ": " + why : ""));
    }
    budget.leave();
  }

  private interface Nested<T> {
    void write(T item, String newline);
  }

  private <T> void nested(
      String open, List<T> items, String close, Json style, String newline, Nested<T> each) {
    out.append(open);
    var indent = style.indent();
    var inner = indent == null ? newline : newline + indent;
    for (int i = 0; i < items.size(); i++) {
      out.append(i == 0 ? "" : style.comma()).append(indent == null ? "" : inner);
      each.write(items.get(i), inner);
    }
    out.append(indent == null || items.isEmpty() ? close : newline + close);
  }

  private static String jsonKey(Value key) {
    return switch (key) {
      case Str(var text) -> text;
      case Bool(var b) -> b ? "true" : "false";
      case Int(var i) -> Long.toString(i);
      case Real(var d) -> jsonReal(d);
      case None _ -> "null";
      default -> throw new Failure(key.described() + " cannot be a key in JSON");
    };
  }

  private static String jsonReal(double d) {
    return Double.isNaN(d)
        ? "NaN"
        : Double.isInfinite(d) ? (d > 0 ? "Infinity" : "-Infinity") : real(d);
  }

  private static String jsonText(String text, boolean ascii) {
    var json = new StringBuilder(text.length() + 2).append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"' -> json.append("\\\"");
        case '\\' -> json.append("\\\\");
        case '\n' -> json.append("\\n");
        case '\r' -> json.append("\\r");
        case '\t' -> json.append("\\t");
        case '\b' -> json.append("\\b");
        case '\f' -> json.append("\\f");
        default -> {
          if (c < ' ' || (ascii && c > '~')) {
            json.append("\\u%04x".formatted((int) c));
          } else {
            json.append(c);
          }
        }
      }
    }
    return json.append('"').toString();
  }
}
