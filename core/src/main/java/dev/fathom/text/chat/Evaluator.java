package dev.fathom.text.chat;

import dev.fathom.FathomException;
import dev.fathom.text.chat.Functions.Refusal;
import dev.fathom.text.chat.Value.Bool;
import dev.fathom.text.chat.Value.Dict;
import dev.fathom.text.chat.Value.Function;
import dev.fathom.text.chat.Value.Loop;
import dev.fathom.text.chat.Value.Namespace;
import dev.fathom.text.chat.Value.None;
import dev.fathom.text.chat.Value.Seq;
import dev.fathom.text.chat.Value.Str;
import dev.fathom.text.chat.Value.Undefined;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Walks the tree of a template once, for one conversation.
final class Evaluator {
  private enum Flow {
    NEXT,
    BREAK,
    CONTINUE
  }

  private final Budget budget;
  private final Python py;
  private final Scope globals;
  private final Output result;
  private final List<ChatTemplate.Span> assistantSpans = new ArrayList<>();
  private Output out;
  private boolean spansKnown = true;
  private int line = 1;

  private Evaluator(Limits limits, Clock clock) {
    budget = new Budget(limits);
    py = new Python(budget);
    globals = Scope.of(Functions.table(py, clock));
    result = new Output(budget);
    out = result;
  }

  /// What a rendering gave.
  ///
  /// @param spansKnown whether every block of the assistant's went straight into the text, so that
  ///   its place is known
  record Result(String text, List<ChatTemplate.Span> assistantSpans, boolean spansKnown) {}

  static Result run(List<Node> template, Map<String, Value> variables, Limits limits, Clock clock) {
    var evaluator = new Evaluator(limits, clock);
    try {
      var scope = evaluator.globals.inner();
      variables.forEach(scope::set);
      evaluator.execute(template, scope.inner());
    } catch (Failure failure) {
      throw failure.at(evaluator.line);
    } catch (Refusal refusal) {
      throw new IllegalArgumentException(
          "the chat template refuses this conversation: " + refusal.getMessage());
    } catch (StackOverflowError _) {
      throw new FathomException(
          "chat template, line "
              + evaluator.line
              + ": nested too deeply for the stack of this thread; render on a thread with more");
    }
    return new Result(
        evaluator.result.toString(), List.copyOf(evaluator.assistantSpans), evaluator.spansKnown);
  }

  // Statements

  private Flow execute(List<Node> nodes, Scope scope) {
    budget.enter();
    var flow = Flow.NEXT;
    for (int i = 0; i < nodes.size() && flow == Flow.NEXT; i++) {
      budget.spend(1);
      flow = execute(nodes.get(i), scope);
    }
    budget.leave();
    return flow;
  }

  private Flow execute(Node node, Scope scope) {
    return switch (node) {
      case Node.Text(var text) -> {
        out.append(text);
        yield Flow.NEXT;
      }
      case Node.Print(var expr, int at) -> {
        line = at;
        var value = evaluate(expr, scope);
        line = at;
        new Printer(budget, out).str(value);
        yield Flow.NEXT;
      }
      case Node.If(var branches, var otherwise) -> {
        for (var branch : branches) {
          if (isTrue(branch.test(), scope)) {
            yield execute(branch.body(), scope);
          }
        }
        yield execute(otherwise, scope);
      }
      case Node.For loop -> execute(loop, scope);
      case Node.Break _ -> Flow.BREAK;
      case Node.Continue _ -> Flow.CONTINUE;
      case Node.Set(var target, var expr, int at) -> {
        line = at;
        assign(target, evaluate(expr, scope), scope);
        yield Flow.NEXT;
      }
      case Node.SetBlock(var target, var filters, var body, int at) -> {
        line = at;
        var text = filtered(filters, capture(body, scope.inner()), scope);
        assign(target, text, scope);
        yield Flow.NEXT;
      }
      case Node.FilterBlock(var filters, var body) -> {
        var text = filtered(filters, capture(body, scope.inner()), scope);
        new Printer(budget, out).str(text);
        yield Flow.NEXT;
      }
      case Node.With(var bindings, var body, int at) -> {
        line = at;
        var inner = scope.inner();
        for (var binding : bindings) {
          assign(binding.target(), evaluate(binding.value(), scope), inner);
        }
        yield execute(body, inner);
      }
      case Node.Macro(var callee) -> {
        scope.set(callee.name(), new Function(callee.name(), args -> call(callee, args, scope)));
        yield Flow.NEXT;
      }
      case Node.CallBlock(var callee, var call) -> {
        var caller = new Function("caller", args -> call(callee, args, scope));
        new Printer(budget, out).str(call(call, caller, scope));
        yield Flow.NEXT;
      }
      case Node.Generation(var body, int at) -> {
        line = at;
        int start = out.length();
        execute(body, scope.inner());
        if (out == result) {
          assistantSpans.add(new ChatTemplate.Span(start, out.length()));
        } else {
          spansKnown = false;
        }
        yield Flow.NEXT;
      }
    };
  }

  private Flow execute(Node.For loop, Scope scope) {
    line = loop.line();
    var items = py.iterate(evaluate(loop.items(), scope));
    if (loop.filter() != null) {
      items = kept(loop, loop.filter(), items, scope);
    }
    var memory = new HashMap<String, Value>();
    for (int i = 0; i < items.size(); i++) {
      budget.spend(1);
      var turn = scope.inner();
      line = loop.line();
      assign(loop.target(), items.get(i), turn);
      turn.set("loop", new Loop(items, i, memory));
      if (execute(loop.body(), turn) == Flow.BREAK) {
        break;
      }
    }
    return items.isEmpty() ? execute(loop.otherwise(), scope.inner()) : Flow.NEXT;
  }

  private List<Value> kept(Node.For loop, Expr filter, List<Value> items, Scope scope) {
    var kept = new ArrayList<Value>();
    for (var item : items) {
      var turn = scope.inner();
      assign(loop.target(), item, turn);
      if (isTrue(filter, turn)) {
        kept.add(item);
      }
    }
    return kept;
  }

  private void assign(Node.Target target, Value value, Scope scope) {
    switch (target) {
      case Node.Target.Variable(var name) -> scope.set(name, value);
      case Node.Target.Field(var object, var name) -> {
        if (!(scope.get(object) instanceof Namespace namespace)) {
          throw new Failure(
              "'%s.%s' cannot be set: only a namespace() can be assigned into"
                  .formatted(object, name));
        }
        namespace.fields.put(name, value);
      }
      case Node.Target.Unpack(var targets) -> {
        var values = py.iterate(value);
        if (values.size() != targets.size()) {
          throw new Failure(
              "%d values cannot be unpacked into %d variables"
                  .formatted(values.size(), targets.size()));
        }
        for (int i = 0; i < targets.size(); i++) {
          assign(targets.get(i), values.get(i), scope);
        }
      }
    }
  }

  /// The text that a block would print.
  private Str capture(List<Node> body, Scope scope) {
    var outside = out;
    out = new Output(budget);
    execute(body, scope);
    var text = new Str(out.toString());
    out = outside;
    return text;
  }

  private Value filtered(List<Expr.Filtering> filters, Value input, Scope scope) {
    var value = input;
    for (var filter : filters) {
      value = apply(filter, value, scope);
    }
    return value;
  }

  private Value apply(Expr.Filtering filter, Value input, Scope scope) {
    var args = arguments(filter.arguments(), scope, null);
    line = filter.line();
    return Filters.apply(py, filter.name(), input, args);
  }

  /// Runs a macro. Parameters that were not given are evaluated where the macro is defined.
  private Value call(Node.Callee callee, Args args, Scope definition) {
    budget.enter();
    var scope = definition.inner();
    var named = new LinkedHashMap<>(args.named());
    var positional = args.positional();
    var parameters = callee.parameters();
    for (int i = 0; i < parameters.size(); i++) {
      var parameter = parameters.get(i);
      var name = parameter.name();
      var given = i < positional.size() ? positional.get(i) : named.remove(name);
      if (given == null) {
        given =
            parameter.otherwise() == null
                ? new Undefined("parameter '" + name + "' was not provided")
                : evaluate(parameter.otherwise(), scope);
      }
      scope.set(name, given);
    }
    if (parameters.stream().noneMatch(parameter -> parameter.name().equals("caller"))) {
      var caller = named.remove("caller");
      scope.set("caller", caller == null ? new Undefined("no caller is defined") : caller);
    }
    if (callee.takesMore()) {
      int taken = Math.min(parameters.size(), positional.size());
      scope.set("varargs", py.seq(Seq.Kind.TUPLE, positional.subList(taken, positional.size())));
    } else if (positional.size() > parameters.size()) {
      throw new Failure(
          "macro '%s' takes at most %d arguments, found %d"
              .formatted(callee.name(), parameters.size(), positional.size()));
    }
    if (callee.takesMoreNamed()) {
      scope.set("kwargs", Functions.dict(py, new Args(List.of(), named)));
    } else if (!named.isEmpty()) {
      throw new Failure(
          "macro '%s' has no parameter '%s'"
              .formatted(callee.name(), named.keySet().iterator().next()));
    }
    var text = capture(callee.body(), scope);
    budget.leave();
    return text;
  }

  // Expressions

  private boolean isTrue(Expr expr, Scope scope) {
    return py.truth(evaluate(expr, scope));
  }

  private Value evaluate(Expr expr, Scope scope) {
    budget.enter();
    budget.spend(1);
    var value = evaluateInside(expr, scope);
    budget.leave();
    return value;
  }

  private Value evaluateInside(Expr expr, Scope scope) {
    return switch (expr) {
      case Expr.Literal(var value) -> value;
      case Expr.Name(var name) -> scope.get(name);
      case Expr.ListOf(var items) -> py.list(evaluate(items, scope));
      case Expr.TupleOf(var items) -> py.seq(Seq.Kind.TUPLE, evaluate(items, scope));
      case Expr.DictOf(var pairs, int at) -> {
        var entries = new ArrayList<Dict.Entry>();
        for (var pair : pairs) {
          entries.add(new Dict.Entry(evaluate(pair.key(), scope), evaluate(pair.value(), scope)));
        }
        line = at;
        yield py.dict(entries);
      }
      case Expr.Attribute(var object, var name, int at) -> {
        var value = evaluate(object, scope);
        line = at;
        yield py.attribute(value, name);
      }
      case Expr.Item(var object, var index, int at) -> {
        var value = evaluate(object, scope);
        var key = evaluate(index, scope);
        line = at;
        yield py.item(value, key);
      }
      case Expr.Slice(var object, var start, var stop, var step, int at) -> {
        var value = evaluate(object, scope);
        var from = bound(start, scope);
        var to = bound(stop, scope);
        var by = bound(step, scope);
        line = at;
        yield py.slice(value, from, to, by);
      }
      case Expr.Call call -> call(call, null, scope);
      case Expr.Filtered(var input, var filter) -> apply(filter, evaluate(input, scope), scope);
      case Expr.Tested(var input, var name, var arguments, int at) -> {
        var value = evaluate(input, scope);
        var args = arguments(arguments, scope, null);
        line = at;
        yield Bool.of(Tests.holds(py, name, value, args));
      }
      case Expr.Not(var operand) -> Bool.of(!isTrue(operand, scope));
      case Expr.Negated(var operand, int at) -> {
        var value = evaluate(operand, scope);
        line = at;
        yield Python.negate(value);
      }
      case Expr.Binary(var operator, var left, var right, int at) -> {
        var a = evaluate(left, scope);
        var b = evaluate(right, scope);
        line = at;
        yield py.binary(operator, a, b);
      }
      case Expr.Concat(var parts) -> {
        var text = new Output(budget);
        for (var value : evaluate(parts, scope)) {
          new Printer(budget, text).str(value);
        }
        yield new Str(text.toString());
      }
      case Expr.Compare(var first, var steps, int at) -> {
        var left = evaluate(first, scope);
        for (var step : steps) {
          var right = evaluate(step.operand(), scope);
          line = at;
          if (!py.compare(step.comparison(), left, right)) {
            yield Bool.FALSE;
          }
          left = right;
        }
        yield Bool.TRUE;
      }
      case Expr.And(var left, var right) -> {
        var value = evaluate(left, scope);
        yield py.truth(value) ? evaluate(right, scope) : value;
      }
      case Expr.Or(var left, var right) -> {
        var value = evaluate(left, scope);
        yield py.truth(value) ? value : evaluate(right, scope);
      }
      case Expr.Conditional(var test, var then, var otherwise, _) ->
          isTrue(test, scope)
              ? evaluate(then, scope)
              : otherwise == null
                  ? new Undefined("an 'if' without 'else' gave no value here")
                  : evaluate(otherwise, scope);
    };
  }

  private List<Value> evaluate(List<Expr> exprs, Scope scope) {
    var values = new ArrayList<Value>(exprs.size());
    for (var expr : exprs) {
      values.add(evaluate(expr, scope));
    }
    return values;
  }

  private Value bound(@Nullable Expr expr, Scope scope) {
    return expr == null ? None.NONE : evaluate(expr, scope);
  }

  private Value call(Expr.Call call, @Nullable Function caller, Scope scope) {
    var function = evaluate(call.function(), scope);
    var args = arguments(call.arguments(), scope, caller);
    line = call.line();
    return switch (function) {
      case Function(_, var body) -> body.call(args);
      case Undefined undefined -> throw Failure.of(undefined);
      default -> throw new Failure(function.described() + " cannot be called");
    };
  }

  private Args arguments(Expr.Arguments arguments, Scope scope, @Nullable Function caller) {
    if (arguments.isEmpty() && caller == null) {
      return Args.NONE;
    }
    var positional = evaluate(arguments.positional(), scope);
    if (arguments.morePositional() != null) {
      positional.addAll(py.iterate(evaluate(arguments.morePositional(), scope)));
    }
    var named = new LinkedHashMap<String, Value>();
    arguments.named().forEach((name, expr) -> named.put(name, evaluate(expr, scope)));
    if (arguments.moreNamed() != null) {
      if (!(evaluate(arguments.moreNamed(), scope) instanceof Dict dict)) {
        throw new Failure("the argument after '**' must be a dict");
      }
      dict.entries().forEach(entry -> named.put(py.str(entry.key()), entry.value()));
    }
    if (caller != null) {
      named.put("caller", caller);
    }
    return new Args(positional, named);
  }
}
