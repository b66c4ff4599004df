package dev.fathom.checkpoint.hub;

import java.time.Duration;

/// How long a pull waits for others, and how often it tries again.
///
/// @param connect for a connection
/// @param answer for the head of an answer
/// @param idle for the next bytes of a body
/// @param attempts how often a request is tried while nothing arrives
/// @param firstPause before the second try; doubles with each further one
/// @param longestPause limit of a pause, also of one that the server asks for
/// @param lockPoll between two looks at a lock somebody else holds
/// @param lockStall how long a download elsewhere may stand still before waiting for it is given up
record Patience(
    Duration connect,
    Duration answer,
    Duration idle,
    int attempts,
    Duration firstPause,
    Duration longestPause,
    Duration lockPoll,
    Duration lockStall) {
  static Patience usual() {
    return new Patience(
        Duration.ofSeconds(10),
        Duration.ofSeconds(30),
        Duration.ofSeconds(60),
        5,
        Duration.ofMillis(500),
        Duration.ofSeconds(30),
        Duration.ofMillis(100),
        Duration.ofMinutes(10));
  }

  /// @param failures how many tries have failed in a row, from 1
  Duration pause(int failures, Duration asked) {
    Duration own = firstPause.multipliedBy(1L << Math.min(failures - 1, 16));
    Duration wanted = own.compareTo(asked) > 0 ? own : asked;
    return wanted.compareTo(longestPause) < 0 ? wanted : longestPause;
  }
}
