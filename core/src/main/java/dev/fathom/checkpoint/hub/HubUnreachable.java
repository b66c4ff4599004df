package dev.fathom.checkpoint.hub;

import dev.fathom.FathomException;

/// The network or the hub failed again and again; what is cached may still do.
final class HubUnreachable extends FathomException {
  HubUnreachable(String message, Throwable cause) {
    super(message, cause);
  }
}
