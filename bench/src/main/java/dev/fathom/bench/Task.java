package dev.fathom.bench;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;

/// One piece of work that is timed, and how much faster than its peer it is meant to be.
enum Task {
  LOAD(2, 2),
  FORWARD(1, 1),
  FORWARD_8X256(2, 1),
  LENS(3, 3),
  CAPTURE(3, 3),
  GENERATE(3, 3),
  STEREOSET(8, 8),
  /// The peer is TransformerLens.
  ABLATION(40, 40),
  /// The same work; the peer is a loop of plain hooks, as it is for heads and patches.
  ABLATION_HOOKS(20, 20),
  HEADS(25, 25),
  PATCH(25, 25),
  /// The peer is captum, in f32.
  IG(2, Double.NaN),
  /// These two have no peer.
  DECOMPOSE(Double.NaN, Double.NaN),
  TRACE(Double.NaN, Double.NaN);

  private final double aimF32;
  private final double aimBf16;

  Task(double aimF32, double aimBf16) {
    this.aimF32 = aimF32;
    this.aimBf16 = aimBf16;
  }

  /// How many times less time than the peer it is meant to take in this element type, if that is
  /// set.
  OptionalDouble aim(String dtype) {
    return switch (dtype) {
      case "float32" -> given(aimF32);
      case "bfloat16" -> given(aimBf16);
      default -> OptionalDouble.empty();
    };
  }

  private static OptionalDouble given(double aim) {
    return Double.isNaN(aim) ? OptionalDouble.empty() : OptionalDouble.of(aim);
  }

  /// As it is named on the command line and in JSON.
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }

  /// @throws IllegalArgumentException if there is none of this name
  static Task of(String name) {
    return Arrays.stream(values())
        .filter(task -> task.toString().equals(name))
        .findFirst()
        .orElseThrow(() ->
            new IllegalArgumentException(
                "there is no task '%s', only %s".formatted(name, List.of(values()))));
  }
}
