package dev.fathom.text.chat;

import dev.fathom.FathomException;

/// What went wrong in a template, before the line is known. It never leaves the package: the parser
/// and the evaluator add the line with [#at].
final class Failure extends RuntimeException {
  Failure(String message) {
    super(message, null, false, false);
  }

  /// A misuse of an undefined value; its own words say what was not there.
  static Failure of(Value.Undefined undefined) {
    return new Failure(undefined.why());
  }

  FathomException at(int line) {
    return new FathomException("chat template, line " + line + ": " + getMessage());
  }
}
