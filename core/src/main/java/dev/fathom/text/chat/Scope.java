package dev.fathom.text.chat;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Variables of a block, over those of the blocks around it. An assignment stays in its own block.
final class Scope {
  private final @Nullable Scope outer;
  private final Map<String, Value> variables;

  private Scope(@Nullable Scope outer, Map<String, Value> variables) {
    this.outer = outer;
    this.variables = variables;
  }

  static Scope of(Map<String, Value> variables) {
    return new Scope(null, variables);
  }

  Scope inner() {
    return new Scope(this, new HashMap<>());
  }

  void set(String name, Value value) {
    variables.put(name, value);
  }

  Value get(String name) {
    for (var scope = this; scope != null; scope = scope.outer) {
      var value = scope.variables.get(name);
      if (value != null) {
        return value;
      }
    }
    return new Value.Undefined("'" + name + "' is undefined");
  }
}
