package dev.fathom.text.chat;

/// A growing text whose every character is paid for before it is stored.
final class Output {
  private final StringBuilder text = new StringBuilder();
  private final Budget budget;

  Output(Budget budget) {
    this.budget = budget;
  }

  Output append(String piece) {
    budget.checkText((long) text.length() + piece.length());
    budget.spend(piece.length() / 16);
    text.append(piece);
    return this;
  }

  int length() {
    return text.length();
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
