package dev.fathom.text.chat;

import dev.fathom.FathomException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/// Cuts a template into tokens, following Jinja 3 with the two settings of `transformers`:
/// `trim_blocks` (the newline after a block or comment goes) and `lstrip_blocks` (so do the blanks
/// before one that starts its line). `-` strips more, `+` keeps.
final class Lexer {
  private static final List<String> OPERATORS =
      List.of(
          "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{",
          "}", ">", "<", "=", ".", ":", "|", ",", ";");

  private final String source;
  private final List<Token> tokens = new ArrayList<>();
  private int pos;
  private int line = 1;

  private Lexer(String source) {
    this.source = source;
  }

  static List<Token> lex(String template) {
    var source = template.replace("\r\n", "\n").replace('\r', '\n');
    return new Lexer(source.endsWith("\n") ? source.substring(0, source.length() - 1) : source)
        .run();
  }

  private List<Token> run() {
    while (pos < source.length()) {
      int tag = nextTag();
      if (tag < 0) {
        emit(Token.Kind.TEXT, source.substring(pos));
        break;
      }
      int textStart = pos;
      char kind = source.charAt(tag + 1);
      pos = tag + 2;
      char sign = pos < source.length() ? source.charAt(pos) : ' ';
      if (sign == '-' || sign == '+') {
        pos++;
      }
      text(textStart, tag, sign, kind != '{');
      switch (kind) {
        case '#' -> comment();
        case '{' -> expression(Token.Kind.PRINT_BEGIN, Token.Kind.PRINT_END);
        default -> {
          if (!raw()) {
            expression(Token.Kind.BLOCK_BEGIN, Token.Kind.BLOCK_END);
          }
        }
      }
    }
    tokens.add(new Token(Token.Kind.END, "", line));
    return tokens;
  }

  private int nextTag() {
    for (int i = source.indexOf('{', pos); i >= 0; i = source.indexOf('{', i + 1)) {
      if (i + 1 < source.length() && "{%#".indexOf(source.charAt(i + 1)) >= 0) {
        return i;
      }
    }
    return -1;
  }

  /// Emits the text before a tag, less what the tag's sign or `lstrip_blocks` takes away.
  private void text(int start, int end, char sign, boolean block) {
    int keep = end;
    while (keep > start && Characters.isSpace(source.charAt(keep - 1))) {
      if (sign != '-' && source.charAt(keep - 1) == '\n') {
        break;
      }
      keep--;
    }
    if (sign != '-' && (sign == '+' || !block || !startsLine(keep))) {
      keep = end;
    }
    if (keep > start) {
      emit(Token.Kind.TEXT, source.substring(start, keep));
    }
    line += newlines(keep, end);
  }

  private boolean startsLine(int at) {
    return at == 0 || source.charAt(at - 1) == '\n';
  }

  private void comment() {
    int end = source.indexOf("#}", pos);
    if (end < 0) {
      throw fail("the comment that starts here has no end '#}'");
    }
    char sign = end > pos ? source.charAt(end - 1) : ' ';
    moveTo(end + 2);
    afterBlock(sign);
  }

  /// Reads `{% raw %} … {% endraw %}` if it stands here, just after `{%`.
  private boolean raw() {
    int start = pos;
    int startLine = line;
    skipSpace();
    if (!takeWord("raw")) {
      moveBack(start, startLine);
      return false;
    }
    skipSpace();
    boolean strip = source.startsWith("-%}", pos);
    if (!strip && !source.startsWith("%}", pos)) {
      moveBack(start, startLine);
      return false;
    }
    pos += strip ? 3 : 2;
    if (strip) {
      skipSpace();
    }
    int textStart = pos;
    for (int i = source.indexOf("{%", pos); i >= 0; i = source.indexOf("{%", i + 1)) {
      pos = i + 2;
      char open = pos < source.length() ? source.charAt(pos) : ' ';
      if (open == '-' || open == '+') {
        pos++;
      }
      int spaces = pos;
      while (pos < source.length() && Characters.isSpace(source.charAt(pos))) {
        pos++;
      }
      if (!takeWord("endraw")) {
        continue;
      }
      int afterWord = pos;
      while (pos < source.length() && Characters.isSpace(source.charAt(pos))) {
        pos++;
      }
      char close = pos < source.length() ? source.charAt(pos) : ' ';
      if (source.startsWith("%}", close == '-' || close == '+' ? pos + 1 : pos)) {
        pos += close == '-' || close == '+' ? 3 : 2;
        text(textStart, i, open, true);
        line += newlines(spaces, afterWord) + newlines(afterWord, pos);
        afterBlock(close);
        return true;
      }
    }
    throw fail("the raw block that starts here has no '{% endraw %}'");
  }

  private boolean takeWord(String word) {
    if (!source.startsWith(word, pos)) {
      return false;
    }
    int end = pos + word.length();
    if (end < source.length() && Characters.isWord(source.charAt(end))) {
      return false;
    }
    pos = end;
    return true;
  }

  private void expression(Token.Kind begin, Token.Kind end) {
    emit(begin, "");
    int startLine = line;
    var close = begin == Token.Kind.PRINT_BEGIN ? "}}" : "%}";
    var open = new ArrayDeque<Character>();
    while (true) {
      skipSpace();
      if (pos >= source.length()) {
        line = startLine;
        throw fail("the tag that starts here has no end '" + close + "'");
      }
      char c = source.charAt(pos);
      if (open.isEmpty()) {
        boolean signed = c == '-' || (c == '+' && end == Token.Kind.BLOCK_END);
        if (source.startsWith(close, signed ? pos + 1 : pos)) {
          pos += signed ? 3 : 2;
          emit(end, "");
          if (end == Token.Kind.BLOCK_END) {
            afterBlock(c);
          } else if (c == '-') {
            skipSpace();
          }
          return;
        }
      }
      if (c >= '0' && c <= '9') {
        number();
      } else if (Characters.isWord(c)) {
        name();
      } else if (c == '\'' || c == '"') {
        string(c);
      } else {
        operator(open);
      }
    }
  }

  /// After `%}` or `#}`: `-` strips all blanks, `+` none, otherwise one newline goes.
  private void afterBlock(char sign) {
    if (sign == '-') {
      skipSpace();
    } else if (sign != '+' && pos < source.length() && source.charAt(pos) == '\n') {
      moveTo(pos + 1);
    }
  }

  private void name() {
    int start = pos;
    while (pos < source.length() && Characters.isWord(source.charAt(pos))) {
      pos++;
    }
    emit(Token.Kind.NAME, source.substring(start, pos));
  }

  private void number() {
    int start = pos;
    if (source.startsWith("0x", pos) || source.startsWith("0X", pos)) {
      pos += 2;
      digits(16);
      emit(Token.Kind.INTEGER, source.substring(start, pos).replace("_", ""));
      return;
    }
    digits(10);
    boolean real = false;
    if (digitAt(pos + 1) && source.charAt(pos) == '.' && !afterDot()) {
      real = true;
      pos++;
      digits(10);
    }
    if (pos < source.length() && (source.charAt(pos) == 'e' || source.charAt(pos) == 'E')) {
      int exponent = pos + 1;
      if (exponent < source.length() && "+-".indexOf(source.charAt(exponent)) >= 0) {
        exponent++;
      }
      if (digitAt(exponent)) {
        real = true;
        pos = exponent;
        digits(10);
      }
    }
    var text = source.substring(start, pos).replace("_", "");
    emit(real ? Token.Kind.REAL : Token.Kind.INTEGER, text);
  }

  /// In `pairs.0.1` the digits are two indices, not a fraction.
  private boolean afterDot() {
    return !tokens.isEmpty() && tokens.getLast().isOperator(".");
  }

  private void digits(int radix) {
    while (pos < source.length()
        && (Character.digit(source.charAt(pos), radix) >= 0 || source.charAt(pos) == '_')) {
      pos++;
    }
  }

  private boolean digitAt(int at) {
    return at < source.length() && Character.digit(source.charAt(at), 10) >= 0;
  }

  private void string(char quote) {
    int start = pos + 1;
    int end = start;
    while (end < source.length() && source.charAt(end) != quote) {
      end += source.charAt(end) == '\\' ? 2 : 1;
    }
    if (end >= source.length()) {
      throw fail("the text that starts with " + quote + " here is not closed");
    }
    emit(Token.Kind.STRING, unescape(source.substring(start, end)));
    moveTo(end + 1);
  }

  /// Python's escapes; an unknown one stays as it is.
  private String unescape(String raw) {
    if (raw.indexOf('\\') < 0) {
      return raw;
    }
    var text = new StringBuilder();
    for (int i = 0; i < raw.length(); i++) {
      char c = raw.charAt(i);
      if (c != '\\') {
        text.append(c);
        continue;
      }
      char escape = raw.charAt(++i);
      switch (escape) {
        case '\n' -> {}
        case '\\', '\'', '"' -> text.append(escape);
        case 'n' -> text.append('\n');
        case 't' -> text.append('\t');
        case 'r' -> text.append('\r');
        case 'a' -> text.append('\u0007');
        case 'b' -> text.append('\b');
        case 'f' -> text.append('\f');
        case 'v' -> text.append('\u000b');
        case 'x' -> i += hexEscape(raw, i + 1, 2, text);
        case 'u' -> i += hexEscape(raw, i + 1, 4, text);
        case 'U' -> i += hexEscape(raw, i + 1, 8, text);
        case '0', '1', '2', '3', '4', '5', '6', '7' -> {
          int end = i;
          while (end < raw.length()
              && end < i + 3
              && raw.charAt(end) >= '0'
              && raw.charAt(end) <= '7') {
            end++;
          }
          text.append((char) Integer.parseInt(raw, i, end, 8));
          i = end - 1;
        }
        case 'N' -> throw fail("named characters '\\N{…}' are not supported; write '\\u…'");
        default -> text.append('\\').append(escape);
      }
    }
    return text.toString();
  }

  private int hexEscape(String raw, int start, int length, StringBuilder text) {
    int code = 0;
    for (int i = start; i < start + length; i++) {
      int digit = i < raw.length() ? Character.digit(raw.charAt(i), 16) : -1;
      if (digit < 0) {
        throw fail("an escape such as \\x41 or \\u0041 needs " + length + " hexadecimal digits");
      }
      code = code * 16 + digit;
    }
    if (!Character.isValidCodePoint(code)) {
      throw fail("the escape '\\U%08x' is beyond Unicode".formatted(code));
    }
    text.appendCodePoint(code);
    return length;
  }

  private void operator(ArrayDeque<Character> open) {
    for (var symbol : OPERATORS) {
      if (source.startsWith(symbol, pos)) {
        switch (symbol) {
          case "(" -> open.push(')');
          case "[" -> open.push(']');
          case "{" -> open.push('}');
          case ")", "]", "}" -> {
            if (open.isEmpty() || open.pop() != symbol.charAt(0)) {
              throw fail("'" + symbol + "' closes nothing that is open here");
            }
          }
          default -> {}
        }
        emit(Token.Kind.OPERATOR, symbol);
        pos += symbol.length();
        return;
      }
    }
    throw fail(
        "the character '" + Character.toString(source.codePointAt(pos)) + "' has no meaning here");
  }

  private void emit(Token.Kind kind, String text) {
    tokens.add(new Token(kind, text, line));
    if (kind == Token.Kind.TEXT) {
      line += (int) text.chars().filter(c -> c == '\n').count();
    }
  }

  private void skipSpace() {
    while (pos < source.length() && Characters.isSpace(source.charAt(pos))) {
      moveTo(pos + 1);
    }
  }

  private void moveTo(int target) {
    line += newlines(pos, target);
    pos = target;
  }

  private void moveBack(int target, int targetLine) {
    pos = target;
    line = targetLine;
  }

  private int newlines(int from, int to) {
    return (int) source.substring(from, to).chars().filter(c -> c == '\n').count();
  }

  private FathomException fail(String message) {
    return new Failure(message).at(line);
  }
}
