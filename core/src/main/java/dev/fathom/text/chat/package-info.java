/// Chat templates: the text that a model expects around a conversation.
///
/// Owns a reader of the Jinja subset that models ship, and nothing about tokens. Start at
/// [dev.fathom.text.chat.ChatTemplate].
///
/// ```java
/// var template = ChatTemplate.parse(Files.readString(directory.resolve("chat_template.jinja")));
/// var conversation = List.of(new Message("user", "Who is a nurse?"));
/// var prompt = template.render(conversation, true, Map.of("bos_token", "<s>"));
/// var trained = template.renderWithSpans(conversation, false, Map.of("bos_token", "<s>"));
/// trained.assistantSpans().forEach(span -> …);
/// ```
///
/// Inside, a template goes from `Lexer` through `Parser` to a tree of `Node`s and `Expr`s, which
/// `Evaluator` walks; `Python` has the operators, `Filters`, `Tests`, `Methods` and `Functions` are
/// tables of what a template can name.
///
/// Not read, and refused with the line: `include`, `import`, `extends`, `block`, `do`, recursive
/// loops, and filters that only web pages need.
///
/// No null is accepted or returned unless marked. Everything public is immutable and can be shared
/// between threads.
@org.jspecify.annotations.NullMarked
package dev.fathom.text.chat;
