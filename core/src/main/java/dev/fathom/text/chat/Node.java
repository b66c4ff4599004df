package dev.fathom.text.chat;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// A statement of a template.
sealed interface Node {
  record Text(String text) implements Node {}

  record Print(Expr value, int line) implements Node {}

  record If(List<Branch> branches, List<Node> otherwise) implements Node {}

  record Branch(Expr test, List<Node> body) {}

  record For(
      Target target,
      Expr items,
      @Nullable Expr filter,
      List<Node> body,
      List<Node> otherwise,
      int line)
      implements Node {}

  record Break() implements Node {}

  record Continue() implements Node {}

  record Set(Target target, Expr value, int line) implements Node {}

  /// `{% set x | upper %}…{% endset %}`
  record SetBlock(Target target, List<Expr.Filtering> filters, List<Node> body, int line)
      implements Node {}

  record FilterBlock(List<Expr.Filtering> filters, List<Node> body) implements Node {}

  record With(List<Binding> bindings, List<Node> body, int line) implements Node {}

  record Binding(Target target, Expr value) {}

  record Macro(Callee callee) implements Node {}

  /// `{% call(x) macro(…) %}…{% endcall %}`: the body becomes the macro's `caller`.
  record CallBlock(Callee caller, Expr.Call call) implements Node {}

  /// What a macro or the body of a call block can be called with, and does.
  record Callee(
      String name,
      List<Parameter> parameters,
      boolean takesMore,
      boolean takesMoreNamed,
      List<Node> body) {}

  record Parameter(String name, @Nullable Expr otherwise) {}

  /// What the assistant says: `{% generation %}…{% endgeneration %}`.
  record Generation(List<Node> body, int line) implements Node {}

  /// Where an assignment goes.
  sealed interface Target {
    record Variable(String name) implements Target {}

    record Field(String namespace, String name) implements Target {}

    record Unpack(List<Target> targets) implements Target {}
  }
}
