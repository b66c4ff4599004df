package dev.fathom.text.chat;

/// What is left of the [Limits] of one rendering.
final class Budget {
  private final Limits limits;
  private long steps;
  private int depth;

  Budget(Limits limits) {
    this.limits = limits;
  }

  Limits limits() {
    return limits;
  }

  void spend(long cost) {
    steps += cost;
    if (steps > limits.steps()) {
      throw new Failure(
          "the template was stopped after "
              + limits.steps()
              + " steps; it loops for too long or the conversation is too large");
    }
  }

  /// Pays for a text of this length before it is made.
  void spendText(long length) {
    checkText(length);
    spend(length / 16);
  }

  void checkText(long length) {
    if (length > limits.characters()) {
      throw new Failure("a text grew beyond " + limits.characters() + " characters");
    }
  }

  void enter() {
    if (++depth > limits.depth()) {
      throw new Failure("nested deeper than " + limits.depth() + " levels");
    }
  }

  void leave() {
    depth--;
  }
}
