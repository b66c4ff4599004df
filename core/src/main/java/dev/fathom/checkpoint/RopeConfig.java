package dev.fathom.checkpoint;

import java.util.List;
import java.util.OptionalDouble;

/// How positions turn queries and keys, as a configuration states it: the base frequency and how
/// frequencies are stretched for contexts longer than those first trained on. Both spellings,
/// today's `rope_parameters` and the older `rope_theta` with `rope_scaling`, are read into it by
/// [ConfigReader#rope].
///
/// | type | uses |
/// |---|---|
/// | `default` | theta |
/// | `linear` | factor |
/// | `dynamic` | factor, originalMaxPositions |
/// | `llama3` | factor, lowFreqFactor, highFreqFactor, originalMaxPositions |
/// | `yarn` | factor, originalMaxPositions, betaFast, betaSlow, attentionFactor or mscale, truncate |
/// | `longrope` | shortFactor, longFactor, originalMaxPositions, factor, attentionFactor |
///
/// @param theta the base of the geometric series of frequencies
/// @param type one of the table's first column
/// @param partialRotaryFactor the share of each head's width that is turned, in (0, 1]
/// @param factor how much longer the context is than originally, 1 where nothing is stretched
/// @param lowFreqFactor wavelengths above originalMaxPositions / lowFreqFactor are divided by
///   `factor`
/// @param highFreqFactor wavelengths below originalMaxPositions / highFreqFactor stay as they are
/// @param originalMaxPositions the context length of the first training; 0 if the configuration
///   names neither it nor a maximum length
/// @param attentionFactor multiplies cosines and sines, when stated
/// @param shortFactor divisors of the frequencies up to originalMaxPositions, half the turned width
///   long
/// @param longFactor divisors beyond it
/// @param betaFast rotations above which a dimension stays as it is
/// @param betaSlow rotations below which a dimension is divided by `factor`
/// @param mscale YaRN's numerator of the attention factor, when stated
/// @param mscaleAllDim its denominator, when stated
/// @param truncate whether YaRN rounds its range of dimensions to whole ones
public record RopeConfig(
    double theta,
    String type,
    double partialRotaryFactor,
    double factor,
    double lowFreqFactor,
    double highFreqFactor,
    int originalMaxPositions,
    OptionalDouble attentionFactor,
    List<Double> shortFactor,
    List<Double> longFactor,
    double betaFast,
    double betaSlow,
    OptionalDouble mscale,
    OptionalDouble mscaleAllDim,
    boolean truncate) {

  /// The types that are understood.
  public static final List<String> TYPES =
      List.of("default", "linear", "dynamic", "llama3", "yarn", "longrope");

  public RopeConfig {
    shortFactor = List.copyOf(shortFactor);
    longFactor = List.copyOf(longFactor);
  }

  /// Plain rotation with base `theta` over the whole width of a head.
  public static RopeConfig plain(double theta) {
    return new RopeConfig(
        theta,
        "default",
        1,
        1,
        1,
        4,
        0,
        OptionalDouble.empty(),
        List.of(),
        List.of(),
        32,
        1,
        OptionalDouble.empty(),
        OptionalDouble.empty(),
        true);
  }

  /// How many of a head's `headWidth` numbers are turned: rounded down, as transformers does.
  public int rotatedWidth(int headWidth) {
    return (int) (headWidth * partialRotaryFactor);
  }
}
