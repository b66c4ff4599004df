package dev.fathom.text.chat;

import static java.util.Objects.requireNonNull;

/// One turn of a conversation.
///
/// @param role who speaks, in the words of the model's template: usually `system`, `user` or
///   `assistant`
/// @param content what is said
public record Message(String role, String content) {
  public Message {
    requireNonNull(role, "role");
    requireNonNull(content, "content");
  }
}
