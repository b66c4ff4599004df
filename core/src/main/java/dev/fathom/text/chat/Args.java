package dev.fathom.text.chat;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The arguments of a call, by position and by name.
record Args(List<Value> positional, Map<String, Value> named) {
  static final Args NONE = new Args(List.of(), Map.of());

  static Args of(Value... positional) {
    return new Args(List.of(positional), Map.of());
  }

  /// The same call without its first `count` positional arguments.
  Args dropping(int count) {
    return new Args(positional.subList(count, positional.size()), named);
  }

  /// The first positional argument, which must be a text; `missing` says so where it is not.
  String name(String missing) {
    if (!positional.isEmpty() && positional.getFirst() instanceof Value.Str(var text)) {
      return text;
    }
    throw new Failure(missing);
  }

  /// Matches the arguments with parameters, as Python does; refuses what does not fit.
  Bound bind(String function, List<String> parameters) {
    if (positional.size() > parameters.size()) {
      throw new Failure(
          "%s takes at most %d arguments, found %d"
              .formatted(function, parameters.size(), positional.size()));
    }
    var values = new HashMap<String, Value>();
    for (int i = 0; i < positional.size(); i++) {
      values.put(parameters.get(i), positional.get(i));
    }
    named.forEach((name, value) -> {
      if (!parameters.contains(name)) {
        throw new Failure("%s has no parameter '%s'".formatted(function, name));
      }
      if (values.put(name, value) != null) {
        throw new Failure("%s got '%s' twice".formatted(function, name));
      }
    });
    return new Bound(function, values);
  }

  /// Arguments by the names of the parameters they were given for.
  record Bound(String function, Map<String, Value> values) {
    @Nullable Value find(String name) {
      return values.get(name);
    }

    Value get(String name) {
      var value = values.get(name);
      if (value == null) {
        throw new Failure("%s needs an argument '%s'".formatted(function, name));
      }
      return value;
    }

    Value get(String name, Value otherwise) {
      return values.getOrDefault(name, otherwise);
    }

    String text(String name) {
      return text(name, get(name));
    }

    String text(String name, String otherwise) {
      var value = values.get(name);
      return value == null ? otherwise : text(name, value);
    }

    /// The text given for `name`, or null where Python would see None or nothing.
    @Nullable String textOrNull(String name) {
      var value = values.get(name);
      return value == null || value == Value.None.NONE ? null : text(name, value);
    }

    private String text(String name, Value value) {
      return switch (value) {
        case Value.Str(var text) -> text;
        case Value.Undefined undefined -> throw Failure.of(undefined);
        default ->
            throw new Failure(
                "%s needs a text for '%s', found %s".formatted(function, name, value.described()));
      };
    }

    /// The whole number given for `name`, held within the range of an `int`.
    int integer(String name, int otherwise) {
      return switch (values.get(name)) {
        case null -> otherwise;
        case Value.None _ -> otherwise;
        case Value.Int(var i) -> Math.clamp(i, Integer.MIN_VALUE, Integer.MAX_VALUE);
        case Value.Bool(var b) -> b ? 1 : 0;
        case Value.Undefined undefined -> throw Failure.of(undefined);
        case Value other ->
            throw new Failure(
                "%s needs a whole number for '%s', found %s"
                    .formatted(function, name, other.described()));
      };
    }
  }
}
