package dev.fathom.cli;

/// One thing that `fathom doctor` looks at.
///
/// @param name a word or two, the same on every machine
/// @param look finds out; what it throws becomes a [Status#PROBLEM]
record Check(String name, Look look) {

  /// How a thing is.
  enum Status {
    OK,
    /// Works, but slower or less than it could.
    NOTE,
    /// Something will fail.
    PROBLEM
  }

  /// @param found what is there, in a few words
  /// @param fix what to do about it; empty when there is nothing to do
  record Finding(Status status, String found, String fix) {
    static Finding ok(String found) {
      return new Finding(Status.OK, found, "");
    }

    static Finding note(String found, String fix) {
      return new Finding(Status.NOTE, found, fix);
    }

    static Finding problem(String found, String fix) {
      return new Finding(Status.PROBLEM, found, fix);
    }
  }

  @FunctionalInterface
  interface Look {
    Finding at(Console console) throws Exception;
  }

  Finding run(Console console) {
    try {
      return look.at(console);
    } catch (Exception | LinkageError e) {
      return Finding.problem(
          "could not be looked at: " + e, "Report it: a check should always answer.");
    }
  }
}
