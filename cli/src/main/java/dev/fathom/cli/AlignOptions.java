package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.align.AttributeWords;
import dev.fathom.align.Fitting;
import dev.fathom.evaluate.bias.SentenceScorer.Context;
import dev.fathom.evaluate.bias.StartToken;
import dev.fathom.evaluate.bias.StereoSet;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.world.Corpus;
import dev.fathom.world.World;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
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
      names = "--scores",
      paramLabel = "KIND",
      description =
          "official: only a sentence's first token sees the start token; bos: all do. Default:"
              + " ${DEFAULT-VALUE}.")
  private BiasOptions.Scores scores = BiasOptions.Scores.official;

  @Option(
      names = "--start-token",
      paramLabel = "TOKEN",
      description = "A vocabulary entry or id. Default: the tokenizer's BOS, else its EOS.")
  private @Nullable String startToken;

  /// All files, read before a model loads.
  ///
  /// @param items of `--data`
  /// @param more items about other terms
  /// @param textName what the text is, for people
  /// @param text lines, half of them to fit on, half to measure on
  record Material(
      StereoSet items,
      List<StereoSetItem> more,
      SequencedMap<String, AttributeWords> words,
      String textName,
      List<String> text) {
    /// Items of a domain that has words.
    ///
    /// @throws IllegalArgumentException if there are none, or no words
    List<StereoSetItem> items(String domain) {
      List<StereoSetItem> own = items.of(Set.of(domain)).items();
      AttributeWords _ = words(domain);
      return own;
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

    /// Every other line, from line `part`, so that both parts are alike.
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
    return new Material(
        items,
        others(items),
        AttributeWords.read(words),
        text == null ? "the bundled model's world" : String.valueOf(text.getFileName()),
        text == null ? new Corpus(World.load(), 1).round(0) : lines(text));
  }

  /// Items of `--more` about terms that `--data` does not have; of those with one id the first.
  private List<StereoSetItem> others(StereoSet items) {
    Set<String> terms = items.items().stream().map(AlignOptions::term).collect(Collectors.toSet());
    var others = new LinkedHashMap<String, StereoSetItem>();
    more.stream()
        .flatMap(file -> StereoSet.read(file).items().stream())
        .filter(item -> !terms.contains(term(item)))
        .forEach(item -> others.putIfAbsent(item.id(), item));
    return List.copyOf(others.values());
  }

  private static String term(StereoSetItem item) {
    return item.target().toLowerCase(Locale.ROOT);
  }

  private static List<String> lines(Path file) {
    List<String> lines = InputFiles.lines(file);
    if (lines.size() < 2) {
      throw new FathomException(
          file + ": at least two lines are needed, some to fit on and some to measure on");
    }
    return lines;
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
        scores == BiasOptions.Scores.bos ? Context.BOS : Context.OFFICIAL,
        StartToken.of(model.tokenizer(), Optional.ofNullable(startToken)),
        seed,
        cache);
  }
}
