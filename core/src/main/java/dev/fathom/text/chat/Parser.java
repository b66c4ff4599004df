package dev.fathom.text.chat;

import dev.fathom.FathomException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Builds the tree of a template by recursive descent, with Jinja's grammar and precedences. Every
/// tag, filter and test must be known here, so that a template either parses or says what it would
/// need.
final class Parser {
  private static final Set<String> CONSTANTS =
      Set.of("true", "True", "false", "False", "none", "None");

  private static final Map<String, Expr.Comparison> COMPARISONS = comparisons();

  private final List<Token> tokens;
  private int next;
  private int nesting;
  private int loops;
  private Set<String> namesRead = new HashSet<>();

  private Parser(List<Token> tokens) {
    this.tokens = tokens;
  }

  static List<Node> parse(String template) {
    if (template.length() > Limits.SOURCE) {
      throw new FathomException(
          "chat template: %d characters, at most %d are read"
              .formatted(template.length(), Limits.SOURCE));
    }
    return new Parser(Lexer.lex(template)).statements(Set.of());
  }

  // Statements

  /// Statements up to a tag named in `ends`, whose name becomes the current token; or up to the end
  /// of the template if nothing else may end them.
  private List<Node> statements(Set<String> ends) {
    enter();
    var nodes = new ArrayList<Node>();
    while (true) {
      var token = take();
      switch (token.kind()) {
        case TEXT -> nodes.add(new Node.Text(token.text()));
        case PRINT_BEGIN -> {
          nodes.add(new Node.Print(tuple(), token.line()));
          expect(Token.Kind.PRINT_END);
        }
        case BLOCK_BEGIN -> {
          if (current().kind() == Token.Kind.NAME && ends.contains(current().text())) {
            leave();
            return nodes;
          }
          statement(nodes);
        }
        case END -> {
          if (!ends.isEmpty()) {
            throw fail(token, "the template ends where a tag " + choice(ends) + " is missing");
          }
          leave();
          return nodes;
        }
        default -> throw fail(token, "unexpected " + token.describe());
      }
    }
  }

  private void statement(List<Node> nodes) {
    var tag = expect(Token.Kind.NAME);
    switch (tag.text()) {
      case "if" -> nodes.add(ifStatement());
      case "for" -> nodes.add(forStatement(tag.line()));
      case "set" -> nodes.add(setStatement(tag.line()));
      case "macro" -> {
        var name = expect(Token.Kind.NAME).text();
        nodes.add(new Node.Macro(callee(name, true, "endmacro")));
      }
      case "call" -> nodes.add(callBlock(tag));
      case "filter" -> {
        var filters = new ArrayList<Expr.Filtering>();
        do {
          filters.add(filtering());
        } while (takeOperator("|"));
        nodes.add(new Node.FilterBlock(filters, block("endfilter")));
      }
      case "with" -> nodes.add(withStatement(tag.line()));
      case "generation" -> nodes.add(new Node.Generation(block("endgeneration"), tag.line()));
      case "print" -> {
        do {
          nodes.add(new Node.Print(expression(), tag.line()));
        } while (takeOperator(","));
        expect(Token.Kind.BLOCK_END);
      }
      case "break", "continue" -> {
        if (loops == 0) {
          throw fail(tag, "'" + tag.text() + "' stands outside of a loop");
        }
        nodes.add(tag.text().equals("break") ? new Node.Break() : new Node.Continue());
        expect(Token.Kind.BLOCK_END);
      }
      default ->
          throw fail(
              tag,
              tag.text().equals("else") || tag.text().equals("elif") || tag.text().startsWith("end")
                  ? "'" + tag.text() + "' ends nothing that is open here"
                  : "the tag '" + tag.text() + "' is not supported in chat templates");
    }
  }

  /// The rest of an opening tag, the statements after it, and the closing tag. A `break` in it
  /// cannot reach a loop around it.
  private List<Node> block(String end) {
    expect(Token.Kind.BLOCK_END);
    int outerLoops = loops;
    loops = 0;
    var body = statements(Set.of(end));
    loops = outerLoops;
    endTag(end);
    return body;
  }

  private void endTag(String name) {
    if (!takeName(name)) {
      throw fail(current(), "expected '" + name + "', found " + current().describe());
    }
    expect(Token.Kind.BLOCK_END);
  }

  private Node ifStatement() {
    var branches = new ArrayList<Node.Branch>();
    List<Node> otherwise = List.of();
    do {
      var test = tupleWithoutConditional();
      expect(Token.Kind.BLOCK_END);
      branches.add(new Node.Branch(test, statements(Set.of("elif", "else", "endif"))));
    } while (takeName("elif"));
    if (takeName("else")) {
      expect(Token.Kind.BLOCK_END);
      otherwise = statements(Set.of("endif"));
    }
    endTag("endif");
    return new Node.If(branches, otherwise);
  }

  private Node forStatement(int line) {
    var target = target(false);
    if (!takeName("in")) {
      throw fail(
          current(), "expected 'in' after the variable of 'for', found " + current().describe());
    }
    var items = tupleWithoutConditional();
    var filter = takeName("if") ? expression() : null;
    if (current().isName("recursive")) {
      throw fail(current(), "recursive loops are not supported in chat templates");
    }
    expect(Token.Kind.BLOCK_END);
    loops++;
    var body = statements(Set.of("endfor", "else"));
    loops--;
    List<Node> otherwise = List.of();
    if (takeName("else")) {
      expect(Token.Kind.BLOCK_END);
      otherwise = statements(Set.of("endfor"));
    }
    endTag("endfor");
    return new Node.For(target, items, filter, body, otherwise, line);
  }

  private Node setStatement(int line) {
    var target = target(true);
    if (takeOperator("=")) {
      var value = tuple();
      expect(Token.Kind.BLOCK_END);
      return new Node.Set(target, value, line);
    }
    var filters = new ArrayList<Expr.Filtering>();
    while (takeOperator("|")) {
      filters.add(filtering());
    }
    return new Node.SetBlock(target, filters, block("endset"), line);
  }

  private Node withStatement(int line) {
    var bindings = new ArrayList<Node.Binding>();
    while (current().kind() != Token.Kind.BLOCK_END) {
      if (!bindings.isEmpty()) {
        expectOperator(",");
      }
      var target = target(false);
      expectOperator("=");
      bindings.add(new Node.Binding(target, expression()));
    }
    return new Node.With(bindings, block("endwith"), line);
  }

  private Node callBlock(Token tag) {
    boolean takesArguments = current().isOperator("(");
    var parameters = takesArguments ? parameters() : List.<Node.Parameter>of();
    if (!(expression() instanceof Expr.Call call)) {
      throw fail(tag, "'call' needs the call of a macro, such as {% call macro() %}");
    }
    return new Node.CallBlock(callee("caller", parameters, "endcall"), call);
  }

  private Node.Callee callee(String name, boolean withParameters, String end) {
    return callee(name, withParameters ? parameters() : List.of(), end);
  }

  private Node.Callee callee(String name, List<Node.Parameter> parameters, String end) {
    var outerNames = namesRead;
    namesRead = new HashSet<>();
    var body = block(end);
    var callee =
        new Node.Callee(
            name, parameters, namesRead.contains("varargs"), namesRead.contains("kwargs"), body);
    outerNames.addAll(namesRead);
    namesRead = outerNames;
    return callee;
  }

  private List<Node.Parameter> parameters() {
    expectOperator("(");
    var parameters = new ArrayList<Node.Parameter>();
    while (!current().isOperator(")")) {
      if (!parameters.isEmpty()) {
        expectOperator(",");
      }
      var name = expect(Token.Kind.NAME).text();
      parameters.add(new Node.Parameter(name, takeOperator("=") ? expression() : null));
    }
    expectOperator(")");
    return parameters;
  }

  private Node.Target target(boolean withFields) {
    var first = current();
    var targets = new ArrayList<Node.Target>();
    boolean many = false;
    do {
      if (!targets.isEmpty() && (current().isName("in") || current().isOperator("="))) {
        break;
      }
      targets.add(oneTarget(withFields));
      many |= current().isOperator(",");
    } while (takeOperator(","));
    if (targets.isEmpty()) {
      throw fail(first, "expected a variable, found " + first.describe());
    }
    return many ? new Node.Target.Unpack(targets) : targets.getFirst();
  }

  private Node.Target oneTarget(boolean withFields) {
    if (takeOperator("(")) {
      enter();
      var inner = target(withFields);
      leave();
      expectOperator(")");
      return inner;
    }
    var name = expect(Token.Kind.NAME);
    if (CONSTANTS.contains(name.text())) {
      throw fail(name, "cannot assign to '" + name.text() + "'");
    }
    return withFields && takeOperator(".")
        ? new Node.Target.Field(name.text(), expect(Token.Kind.NAME).text())
        : new Node.Target.Variable(name.text());
  }

  // Expressions, loosest binding first

  private Expr tuple() {
    return tuple(true);
  }

  /// Where a following `if` belongs to the statement, as in `for x in xs if x`.
  private Expr tupleWithoutConditional() {
    return tuple(false);
  }

  private Expr tuple(boolean conditional) {
    var first = conditional ? expression() : or();
    if (!current().isOperator(",")) {
      return first;
    }
    var items = new ArrayList<>(List.of(first));
    while (takeOperator(",") && !endsTuple()) {
      items.add(conditional ? expression() : or());
    }
    return new Expr.TupleOf(items);
  }

  private boolean endsTuple() {
    return switch (current().kind()) {
      case PRINT_END, BLOCK_END, END -> true;
      case OPERATOR -> current().isOperator(")");
      default -> false;
    };
  }

  private Expr expression() {
    enter();
    var value = or();
    while (current().isName("if")) {
      int line = take().line();
      var test = or();
      value = new Expr.Conditional(test, value, takeName("else") ? expression() : null, line);
    }
    leave();
    return value;
  }

  private Expr or() {
    var left = and();
    while (takeName("or")) {
      left = new Expr.Or(left, and());
    }
    return left;
  }

  private Expr and() {
    var left = not();
    while (takeName("and")) {
      left = new Expr.And(left, not());
    }
    return left;
  }

  private Expr not() {
    if (!takeName("not")) {
      return compare();
    }
    enter();
    var operand = not();
    leave();
    return new Expr.Not(operand);
  }

  private Expr compare() {
    int line = current().line();
    var first = sum();
    var steps = new ArrayList<Expr.Step>();
    for (var comparison = comparison(); comparison != null; comparison = comparison()) {
      steps.add(new Expr.Step(comparison, sum()));
    }
    return steps.isEmpty() ? first : new Expr.Compare(first, steps, line);
  }

  private Expr.@Nullable Comparison comparison() {
    if (current().isName("not") && tokens.get(next + 1).isName("in")) {
      next += 2;
      return Expr.Comparison.NOT_IN;
    }
    if (takeName("in")) {
      return Expr.Comparison.IN;
    }
    var comparison =
        current().kind() == Token.Kind.OPERATOR ? COMPARISONS.get(current().text()) : null;
    if (comparison != null) {
      next++;
    }
    return comparison;
  }

  private Expr sum() {
    var left = concat();
    while (current().isOperator("+") || current().isOperator("-")) {
      left = binary(left, take(), concat());
    }
    return left;
  }

  private Expr concat() {
    var first = product();
    if (!current().isOperator("~")) {
      return first;
    }
    var parts = new ArrayList<>(List.of(first));
    while (takeOperator("~")) {
      parts.add(product());
    }
    return new Expr.Concat(parts);
  }

  private Expr product() {
    var left = power();
    while (current().isOperator("*")
        || current().isOperator("/")
        || current().isOperator("//")
        || current().isOperator("%")) {
      left = binary(left, take(), power());
    }
    return left;
  }

  private Expr power() {
    var left = unary(true);
    while (current().isOperator("**")) {
      left = binary(left, take(), unary(true));
    }
    return left;
  }

  private static Expr binary(Expr left, Token symbol, Expr right) {
    for (var operator : Expr.Operator.values()) {
      if (operator.symbol.equals(symbol.text())) {
        return new Expr.Binary(operator, left, right, symbol.line());
      }
    }
    throw new AssertionError(symbol);
  }

  private Expr unary(boolean filters) {
    var token = current();
    Expr value;
    if (takeOperator("-")) {
      enter();
      value = new Expr.Negated(unary(false), token.line());
      leave();
    } else if (takeOperator("+")) {
      enter();
      value = unary(false);
      leave();
    } else {
      value = primary();
    }
    value = postfix(value);
    return filters ? filtersAndTests(value) : value;
  }

  private Expr primary() {
    var token = take();
    return switch (token.kind()) {
      case NAME ->
          switch (token.text()) {
            case "true", "True" -> new Expr.Literal(Value.Bool.TRUE);
            case "false", "False" -> new Expr.Literal(Value.Bool.FALSE);
            case "none", "None" -> new Expr.Literal(Value.None.NONE);
            default -> {
              namesRead.add(token.text());
              yield new Expr.Name(token.text());
            }
          };
      case STRING -> {
        var text = new StringBuilder(token.text());
        while (current().kind() == Token.Kind.STRING) {
          text.append(take().text());
        }
        yield new Expr.Literal(new Value.Str(text.toString()));
      }
      case INTEGER -> new Expr.Literal(new Value.Int(integer(token)));
      case REAL -> new Expr.Literal(new Value.Real(Double.parseDouble(token.text())));
      case OPERATOR ->
          switch (token.text()) {
            case "(" -> parenthesis();
            case "[" -> new Expr.ListOf(items("]"));
            case "{" -> dict(token.line());
            default -> throw fail(token, "expected a value, found " + token.describe());
          };
      default -> throw fail(token, "expected a value, found " + token.describe());
    };
  }

  private static long integer(Token token) {
    try {
      var text = token.text();
      return text.startsWith("0x") || text.startsWith("0X")
          ? Long.parseLong(text.substring(2), 16)
          : Long.parseLong(text);
    } catch (NumberFormatException e) {
      throw fail(token, "the number " + token.text() + " is not a whole number of 64 bits");
    }
  }

  private Expr parenthesis() {
    if (takeOperator(")")) {
      return new Expr.TupleOf(List.of());
    }
    var value = tuple();
    expectOperator(")");
    return value;
  }

  private List<Expr> items(String close) {
    var items = new ArrayList<Expr>();
    while (!takeOperator(close)) {
      if (!items.isEmpty()) {
        expectOperator(",");
        if (takeOperator(close)) {
          break;
        }
      }
      items.add(expression());
    }
    return items;
  }

  private Expr dict(int line) {
    var pairs = new ArrayList<Expr.Pair>();
    while (!takeOperator("}")) {
      if (!pairs.isEmpty()) {
        expectOperator(",");
        if (takeOperator("}")) {
          break;
        }
      }
      var key = expression();
      expectOperator(":");
      pairs.add(new Expr.Pair(key, expression()));
    }
    return new Expr.DictOf(pairs, line);
  }

  private Expr postfix(Expr start) {
    var value = start;
    while (current().kind() == Token.Kind.OPERATOR) {
      var token = current();
      switch (token.text()) {
        case "." -> {
          next++;
          value = member(value, take());
        }
        case "[" -> {
          next++;
          value = subscript(value, token.line());
        }
        case "(" -> value = new Expr.Call(value, arguments(), token.line());
        default -> {
          return value;
        }
      }
    }
    return value;
  }

  private static Expr member(Expr object, Token name) {
    return switch (name.kind()) {
      case NAME -> new Expr.Attribute(object, name.text(), name.line());
      case INTEGER ->
          new Expr.Item(object, new Expr.Literal(new Value.Int(integer(name))), name.line());
      default -> throw fail(name, "expected a name after '.', found " + name.describe());
    };
  }

  private Expr subscript(Expr object, int line) {
    var start = current().isOperator(":") ? null : expression();
    if (takeOperator(":")) {
      var stop = current().isOperator(":") || current().isOperator("]") ? null : expression();
      var step = takeOperator(":") && !current().isOperator("]") ? expression() : null;
      expectOperator("]");
      return new Expr.Slice(object, start, stop, step, line);
    }
    if (start == null) {
      throw fail(current(), "expected an index, found " + current().describe());
    }
    var indices = new ArrayList<>(List.of(start));
    while (takeOperator(",")) {
      indices.add(expression());
    }
    expectOperator("]");
    var index = indices.size() == 1 ? start : new Expr.TupleOf(indices);
    return new Expr.Item(object, index, line);
  }

  private Expr filtersAndTests(Expr start) {
    var value = start;
    while (true) {
      if (takeOperator("|")) {
        value = new Expr.Filtered(value, filtering());
      } else if (current().isName("is")) {
        value = test(value);
      } else if (current().isOperator("(")) {
        value = new Expr.Call(value, arguments(), current().line());
      } else {
        return value;
      }
    }
  }

  private Expr.Filtering filtering() {
    var name = expect(Token.Kind.NAME);
    if (!Filters.TABLE.containsKey(name.text())) {
      throw fail(name, "the filter '" + name.text() + "' is not supported");
    }
    var arguments = current().isOperator("(") ? arguments() : Expr.Arguments.NONE;
    return new Expr.Filtering(name.text(), arguments, name.line());
  }

  private Expr test(Expr value) {
    int line = take().line();
    boolean negated = takeName("not");
    var name = expect(Token.Kind.NAME);
    if (!Tests.TABLE.containsKey(name.text())) {
      throw fail(name, "the test 'is " + name.text() + "' is not supported");
    }
    var test = new Expr.Tested(value, name.text(), testArguments(), line);
    return negated ? new Expr.Not(test) : test;
  }

  /// `is divisibleby(3)` or `is divisibleby 3`.
  private Expr.Arguments testArguments() {
    if (current().isOperator("(")) {
      return arguments();
    }
    boolean bare =
        switch (current().kind()) {
          case STRING, INTEGER, REAL -> true;
          case NAME -> !Set.of("else", "or", "and").contains(current().text());
          case OPERATOR -> current().isOperator("[") || current().isOperator("{");
          default -> false;
        };
    if (!bare) {
      return Expr.Arguments.NONE;
    }
    if (current().isName("is")) {
      throw fail(current(), "tests with 'is' cannot be chained; join them with 'and'");
    }
    return new Expr.Arguments(List.of(postfix(primary())), Map.of(), null, null);
  }

  private Expr.Arguments arguments() {
    expectOperator("(");
    var positional = new ArrayList<Expr>();
    var named = new LinkedHashMap<String, Expr>();
    Expr morePositional = null;
    Expr moreNamed = null;
    while (!takeOperator(")")) {
      if (!positional.isEmpty()
          || !named.isEmpty()
          || morePositional != null
          || moreNamed != null) {
        expectOperator(",");
        if (takeOperator(")")) {
          break;
        }
      }
      var token = current();
      if (moreNamed == null && morePositional == null && takeOperator("*")) {
        morePositional = expression();
      } else if (moreNamed == null && takeOperator("**")) {
        moreNamed = expression();
      } else if (moreNamed == null
          && token.kind() == Token.Kind.NAME
          && tokens.get(next + 1).isOperator("=")) {
        next += 2;
        if (named.put(token.text(), expression()) != null) {
          throw fail(token, "the argument '" + token.text() + "' is given twice");
        }
      } else if (named.isEmpty() && morePositional == null && moreNamed == null) {
        positional.add(expression());
      } else {
        throw fail(token, "an argument without a name must stand before those with one");
      }
    }
    return new Expr.Arguments(positional, named, morePositional, moreNamed);
  }

  // Tokens

  private Token current() {
    return tokens.get(next);
  }

  private Token take() {
    var token = tokens.get(next);
    if (token.kind() != Token.Kind.END) {
      next++;
    }
    return token;
  }

  private boolean takeName(String name) {
    boolean found = current().isName(name);
    next += found ? 1 : 0;
    return found;
  }

  private boolean takeOperator(String symbol) {
    boolean found = current().isOperator(symbol);
    next += found ? 1 : 0;
    return found;
  }

  private Token expect(Token.Kind kind) {
    if (current().kind() != kind) {
      var expected = kind == Token.Kind.NAME ? "a name" : new Token(kind, "", 0).describe();
      throw fail(current(), "expected " + expected + ", found " + current().describe());
    }
    return take();
  }

  private void expectOperator(String symbol) {
    if (!takeOperator(symbol)) {
      throw fail(current(), "expected '" + symbol + "', found " + current().describe());
    }
  }

  private void enter() {
    if (++nesting > Limits.NESTING) {
      throw fail(current(), "nested deeper than " + Limits.NESTING + " levels");
    }
  }

  private void leave() {
    nesting--;
  }

  private static String choice(Set<String> names) {
    return String.join(" or ", names.stream().sorted().map(name -> "'" + name + "'").toList());
  }

  private static FathomException fail(Token token, String message) {
    return new Failure(message).at(token.line());
  }

  private static Map<String, Expr.Comparison> comparisons() {
    var map = new LinkedHashMap<String, Expr.Comparison>();
    for (var comparison : Expr.Comparison.values()) {
      map.put(comparison.symbol, comparison);
    }
    return map;
  }
}
