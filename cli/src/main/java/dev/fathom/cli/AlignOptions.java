package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.align.AttributeWords;
import dev.fathom.align.Fitting;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.evaluate.bias.StartToken;
import dev.fathom.evaluate.bias.StereoSet;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.world.Corpus;
import dev.fathom.world.World;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// What methods of alignment are fitted on.
final class AlignOptions {
  private static final long LARGEST_TEXT = 64 << 20;

  @Option(
      names = "--data",
      paramLabel = "FILE",
      description = "Items of StereoSet, in its own layout or EditBias'.")
  private @Nullable Path data;

  @Option(
      names = "--words",
      paramLabel = "FILE",
      description =
          "Words that name groups, by domain: {\"gender\": [[\"actor\", \"actress\"], …]}, as"
              + " bias-bench has them.")
  private @Nullable Path words;

  @Option(
      names = "--more",
      split = ",",
      paramLabel = "FILE",
      description = "More items to fit on; those about terms of --data are left out.")
  private List<Path> more = List.of();

  @Option(
      names = "--text",
      paramLabel = "FILE",
      description =
          "Running text that has nothing to do with it, on which the model should stay as it is."
              + " Default: text of the bundled model's world.")
  private @Nullable Path text;

  @Option(
      names = "--start-token",
      paramLabel = "TOKEN",
      description = "A vocabulary entry or id. Default: the tokenizer's BOS, else its EOS.")
  private @Nullable String startToken;

  @Option(
      names = "--bos",
      description = "Keep the start token in the context of all tokens of a sentence.")
  private boolean bos;

  /// All files, read before a model loads.
  ///
  /// @param items of `--data`
  /// @param more items about other terms
  /// @param text first half to fit on, second to measure on
  record Material(
      StereoSet items,
      List<StereoSetItem> more,
      SequencedMap<String, AttributeWords> words,
      List<String> text) {
    List<StereoSetItem> items(String domain) {
      return items.of(Set.of(domain)).items();
    }

    List<StereoSetItem> more(String domain) {
      return more.stream().filter(item -> item.domain().equals(domain)).toList();
    }

    AttributeWords words(String domain) {
      AttributeWords own = words.get(domain);
      if (own == null) {
        throw new IllegalArgumentException(
            "--words has no words of domain %s, only of %s."
                .formatted(domain, String.join(", ", words.keySet())));
      }
      return own;
    }

    /// Every other line, so that both parts are alike.
    List<String> text(int part) {
      var lines = new ArrayList<String>();
      for (int i = part; i < text.size(); i += 2) {
        lines.add(text.get(i));
      }
      return lines;
    }
  }

  Material read() {
    if (data == null || words == null) {
      throw new IllegalArgumentException(
          "The data are not bundled: say with --data FILE where items of StereoSet are, and with"
              + " --words FILE the words that name groups.");
    }
    StereoSet items = StereoSet.read(data);
    Set<String> terms =
        items.items().stream()
            .map(item -> item.target().toLowerCase(Locale.ROOT))
            .collect(Collectors.toSet());
    var others = new ArrayList<StereoSetItem>();
    for (Path file : more) {
      StereoSet.read(file).items().stream()
          .filter(item -> !terms.contains(item.target().toLowerCase(Locale.ROOT)))
          .filter(item -> others.stream().noneMatch(known -> known.id().equals(item.id())))
          .forEach(others::add);
    }
    return new Material(items, others, AttributeWords.read(words), lines());
  }

  private List<String> lines() {
    if (text == null) {
      return new Corpus(World.load(), 1).round(0);
    }
    try {
      if (Files.size(text) > LARGEST_TEXT) {
        throw new FathomException("%s: text of at most %d bytes".formatted(text, LARGEST_TEXT));
      }
      List<String> lines = Files.readString(text).lines().filter(line -> !line.isBlank()).toList();
      if (lines.size() < 2) {
        throw new FathomException(
            text + ": at least two lines are needed, some to fit on and some to measure on");
      }
      return lines;
    } catch (IOException e) {
      throw new FathomException(text + ": cannot be read (" + e.getMessage() + ")", e);
    }
  }

  /// A fitting of one domain.
  Fitting fitting(
      LoadedModel model,
      Material material,
      String domain,
      List<StereoSetItem> items,
      long seed,
      Optional<Path> cache) {
    return new Fitting(
        model.transformer(),
        model.tokenizer(),
        domain,
        items,
        material.words(domain),
        material.text(0),
        bos ? SentenceScorer.Context.BOS : SentenceScorer.Context.OFFICIAL,
        StartToken.of(model.tokenizer(), Optional.ofNullable(startToken)),
        seed,
        cache);
  }
}
