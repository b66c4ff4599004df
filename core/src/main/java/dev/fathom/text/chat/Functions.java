package dev.fathom.text.chat;

import dev.fathom.text.chat.Value.Dict;
import dev.fathom.text.chat.Value.Function;
import dev.fathom.text.chat.Value.Int;
import dev.fathom.text.chat.Value.Namespace;
import dev.fathom.text.chat.Value.None;
import dev.fathom.text.chat.Value.Seq;
import dev.fathom.text.chat.Value.Str;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// The global functions of chat templates.
final class Functions {
  /// Thrown by `raise_exception`: the template itself refuses the conversation.
  static final class Refusal extends RuntimeException {
    Refusal(String words) {
      super(words, null, false, false);
    }
  }

  private Functions() {}

  static Map<String, Value> table(Python py, Clock clock) {
    return Map.of(
        "range", new Function("range", args -> range(py, args)),
        "dict", new Function("dict", args -> dict(py, args)),
        "namespace", new Function("namespace", args -> namespace(py, args)),
        "raise_exception", new Function("raise_exception", args -> refuse(py, args)),
        "strftime_now",
            new Function(
                "strftime_now",
                args -> {
                  var format = args.bind("strftime_now()", List.of("format")).text("format");
                  return py.text(Strftime.format(format, clock));
                }));
  }

  private static Value refuse(Python py, Args args) {
    throw new Refusal(py.str(args.bind("raise_exception()", List.of("message")).get("message")));
  }

  private static Value range(Python py, Args args) {
    var bound =
        args.positional().size() == 1
            ? args.bind("range()", List.of("stop"))
            : args.bind("range()", List.of("start", "stop", "step"));
    long start = Python.integer(bound.get("start", new Int(0)));
    long stop = Python.integer(bound.get("stop"));
    long step = Python.integer(bound.get("step", new Int(1)));
    if (step == 0) {
      throw new Failure("the step of a range cannot be 0");
    }
    int longest = py.budget().limits().range();
    var items = new ArrayList<Value>();
    for (long i = start; step > 0 ? i < stop : i > stop; i += step) {
      items.add(new Int(i));
      if (items.size() > longest || Math.abs(i) > Long.MAX_VALUE - Math.abs(step)) {
        throw new Failure("a range is longer than " + longest + " numbers");
      }
    }
    return py.seq(Seq.Kind.RANGE, items);
  }

  static Dict dict(Python py, Args args) {
    var entries = new ArrayList<Dict.Entry>();
    if (args.positional().size() > 1) {
      throw new Failure("dict() takes at most one argument without a name");
    }
    for (var source : args.positional()) {
      if (source instanceof Dict dict) {
        entries.addAll(dict.entries());
      } else {
        for (var pair : py.iterate(source)) {
          var both = py.iterate(pair);
          if (both.size() != 2) {
            throw new Failure("dict() needs pairs, found " + both.size() + " elements");
          }
          entries.add(new Dict.Entry(both.getFirst(), both.getLast()));
        }
      }
    }
    args.named().forEach((name, value) -> entries.add(new Dict.Entry(new Str(name), value)));
    return py.dict(entries);
  }

  private static Value namespace(Python py, Args args) {
    var namespace = new Namespace();
    for (var entry : dict(py, args).entries()) {
      namespace.fields.put(entry.key() == None.NONE ? "None" : py.str(entry.key()), entry.value());
    }
    return namespace;
  }
}
