package dev.fathom.cli;

import dev.fathom.model.Decoding;
import dev.fathom.model.Sampling;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// How a model's text is chosen and where it ends.
final class DecodingOptions {
  @Option(
      names = {"-n", "--max-tokens"},
      paramLabel = "N",
      description = "Most tokens to generate. Default: ${DEFAULT-VALUE}.")
  private int maxTokens = 256;

  @Option(
      names = "--temperature",
      paramLabel = "T",
      description =
          "Draw tokens, the less likely ones more often above 1 and less often below; 0 always takes"
              + " the likeliest. Default: 0, or 1 with --top-k, --top-p or --min-p.")
  private @Nullable Double temperature;

  @Option(
      names = "--top-k",
      paramLabel = "K",
      description = "Draw from the K likeliest tokens only.")
  private @Nullable Integer topK;

  @Option(
      names = "--top-p",
      paramLabel = "P",
      description = "Draw from the likeliest tokens that together have probability P.")
  private @Nullable Double topP;

  @Option(
      names = "--min-p",
      paramLabel = "P",
      description = "Draw from tokens at least P times as likely as the likeliest.")
  private @Nullable Double minP;

  @Option(
      names = "--repetition-penalty",
      paramLabel = "X",
      description = "Above 1: make tokens that are there already less likely. Default: 1.")
  private double repetitionPenalty = 1;

  @Option(
      names = "--stop",
      paramLabel = "TEXT",
      description = "End the text before this one; can be given several times.")
  private List<String> stopTexts = List.of();

  @Option(
      names = "--ignore-eos",
      description = "Go on after the model ends its text, and show its control tokens.")
  private boolean ignoreEos;

  @Mixin private final SeedOption seed = new SeedOption();

  /// @param stopIds tokens that end this model's texts
  Decoding decoding(Set<Integer> stopIds) {
    var decoding = Decoding.greedy(maxTokens).with(sampling()).stopAt(stopTexts);
    return ignoreEos ? decoding.showingControl() : decoding.stopAt(stopIds);
  }

  private Sampling sampling() {
    boolean filtered = topK != null || topP != null || minP != null;
    return new Sampling(
        temperature != null ? temperature : filtered ? 1 : 0,
        topK == null ? 0 : topK,
        topP == null ? 1 : topP,
        minP == null ? 0 : minP,
        repetitionPenalty,
        seed.seed());
  }
}
