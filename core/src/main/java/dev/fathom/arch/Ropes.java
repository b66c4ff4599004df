package dev.fathom.arch;

import dev.fathom.checkpoint.RopeConfig;
import dev.fathom.model.Rotary;
import java.util.List;

/// Frequencies of rotary positions from a configuration's settings.
final class Ropes {
  private Ropes() {}

  /// Pairs are halves of the turned channels, as everywhere but in GPT-J.
  ///
  /// @param headWidth channels of a head
  static Rotary halves(RopeConfig rope, int headWidth) {
    return of(rope, rope.rotatedWidth(headWidth), false);
  }

  static Rotary of(RopeConfig rope, int rotated, boolean interleaved) {
    float[] plain = plain(rope.theta(), rotated);
    return switch (rope.type()) {
      case "linear" -> Rotary.of(divided(plain, rope.factor()), interleaved, 1);
      case "llama3" -> Rotary.of(llama3(plain, rope), interleaved, 1);
      case "yarn" -> Rotary.of(yarn(plain, rope, rotated), interleaved, yarnGain(rope));
      case "longrope" ->
          Rotary.longRope(
              divided(plain, rope.shortFactor()),
              divided(plain, rope.longFactor()),
              rope.originalMaxPositions(),
              longRopeGain(rope));
      default -> Rotary.of(plain, interleaved, 1);
    };
  }

  /// theta^(-2i / rotated) for pair i (Su et al. 2021, section 3.2.2). An odd width turns one
  /// channel more, as transformers does.
  private static float[] plain(double theta, int rotated) {
    float[] frequencies = new float[(rotated + 1) / 2];
    for (int i = 0; i < frequencies.length; i++) {
      frequencies[i] = (float) (1 / Math.pow(theta, 2.0 * i / rotated));
    }
    return frequencies;
  }

  private static float[] divided(float[] frequencies, double factor) {
    float[] result = frequencies.clone();
    for (int i = 0; i < result.length; i++) {
      result[i] = (float) (result[i] / factor);
    }
    return result;
  }

  private static float[] divided(float[] frequencies, List<Double> factors) {
    if (factors.size() != frequencies.length) {
      throw new IllegalArgumentException(
          "longrope needs %d factors, one a pair of channels, found %d"
              .formatted(frequencies.length, factors.size()));
    }
    float[] result = frequencies.clone();
    for (int i = 0; i < result.length; i++) {
      result[i] = (float) (result[i] / factors.get(i));
    }
    return result;
  }

  /// Long wavelengths are stretched, short ones kept, those between interpolated (LLaMA 3.1).
  private static float[] llama3(float[] frequencies, RopeConfig rope) {
    double old = rope.originalMaxPositions();
    double longest = old / rope.lowFreqFactor();
    double shortest = old / rope.highFreqFactor();
    float[] result = frequencies.clone();
    for (int i = 0; i < result.length; i++) {
      double wavelength = 2 * Math.PI / result[i];
      if (wavelength > longest) {
        result[i] = (float) (result[i] / rope.factor());
      } else if (wavelength >= shortest) {
        double smooth =
            (old / wavelength - rope.lowFreqFactor())
                / (rope.highFreqFactor() - rope.lowFreqFactor());
        result[i] = (float) ((1 - smooth) * result[i] / rope.factor() + smooth * result[i]);
      }
    }
    return result;
  }

  /// NTK-by-parts interpolation (YaRN: Peng et al. 2023, section 3.2).
  private static float[] yarn(float[] frequencies, RopeConfig rope, int rotated) {
    double low = correctionDim(rope.betaFast(), rope, rotated);
    double high = correctionDim(rope.betaSlow(), rope, rotated);
    if (rope.truncate()) {
      low = Math.floor(low);
      high = Math.ceil(high);
    }
    low = Math.max(low, 0);
    high = Math.min(high, rotated - 1);
    if (low == high) {
      high += 0.001;
    }
    float[] result = frequencies.clone();
    for (int i = 0; i < result.length; i++) {
      double stretched = Math.clamp((i - low) / (high - low), 0.0, 1.0);
      result[i] = (float) (result[i] / rope.factor() * stretched + result[i] * (1 - stretched));
    }
    return result;
  }

  private static double correctionDim(double rotations, RopeConfig rope, int rotated) {
    return rotated
        * Math.log(rope.originalMaxPositions() / (rotations * 2 * Math.PI))
        / (2 * Math.log(rope.theta()));
  }

  private static double yarnGain(RopeConfig rope) {
    if (rope.attentionFactor().isPresent()) {
      return rope.attentionFactor().getAsDouble();
    }
    if (rope.mscale().isPresent() && rope.mscaleAllDim().isPresent()) {
      return yarnScale(rope.factor(), rope.mscale().getAsDouble())
          / yarnScale(rope.factor(), rope.mscaleAllDim().getAsDouble());
    }
    return yarnScale(rope.factor(), 1);
  }

  private static double yarnScale(double factor, double mscale) {
    return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
  }

  /// √(1 + ln(factor) / ln(original length)) (Phi-3).
  private static double longRopeGain(RopeConfig rope) {
    return rope.attentionFactor()
        .orElseGet(() ->
            rope.factor() <= 1
                ? 1
                : Math.sqrt(1 + Math.log(rope.factor()) / Math.log(rope.originalMaxPositions())));
  }
}
