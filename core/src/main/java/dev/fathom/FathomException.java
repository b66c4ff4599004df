package dev.fathom;

/// A failure of the outside world: a file, a device, memory, the network. The message is one clear
/// sentence for the user (what was expected, what was found, where, what to try); the command line
/// prints it without a stack trace. A caller's mistake is an [IllegalArgumentException] instead.
public class FathomException extends RuntimeException {
  public FathomException(String message) {
    super(message);
  }

  public FathomException(String message, Throwable cause) {
    super(message, cause);
  }
}
