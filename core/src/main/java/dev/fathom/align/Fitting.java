package dev.fathom.align;

import dev.fathom.align.probe.Features;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.evaluate.bias.BiasScorer;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.evaluate.bias.StartToken;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.Stream;

/// What a [Method] may look at: a model, items of one domain that it will not be tested on, the
/// words that name the domain's groups, and running text that has nothing to do with it.
///
/// @param domain such as `gender`
/// @param items of this domain; none of their terms is tested on
/// @param words that name the groups
/// @param neutral running texts, on which the model should stay as it is
/// @param context how sentences are scored
/// @param start what their first tokens are predicted from
/// @param seed for whatever is drawn
/// @param cache where features may be kept between runs; empty for nowhere
/// @param shared what methods found that others, or other settings, may use
public record Fitting(
    Transformer model,
    Tokenizer tokenizer,
    String domain,
    List<StereoSetItem> items,
    AttributeWords words,
    List<String> neutral,
    SentenceScorer.Context context,
    StartToken start,
    long seed,
    Optional<Path> cache,
    Shared shared) {
  private static final int LONGEST_ROW = 512;

  public Fitting {
    items = List.copyOf(items);
    neutral = List.copyOf(neutral);
    if (items.isEmpty()) {
      throw new IllegalArgumentException(
          "There are no items of domain %s to fit on.".formatted(domain));
    }
  }

  /// Of a fitting for which nothing is found yet.
  public Fitting(
      Transformer model,
      Tokenizer tokenizer,
      String domain,
      List<StereoSetItem> items,
      AttributeWords words,
      List<String> neutral,
      SentenceScorer.Context context,
      StartToken start,
      long seed,
      Optional<Path> cache) {
    this(
        model, tokenizer, domain, items, words, neutral, context, start, seed, cache, new Shared());
  }

  /// An edit of this fitting's model, with a card that says how it was found.
  ///
  /// @param found what fitting found out, by name; in the card after the method's settings
  public Edit edit(Method method, List<Change> changes, SequencedMap<String, String> found) {
    Edit edit = Edit.of(model, method.name(), changes);
    var parameters = new LinkedHashMap<String, String>();
    parameters.put("domain", domain);
    parameters.putAll(method.settings());
    parameters.putAll(found);
    long terms = items.stream().map(StereoSetItem::target).distinct().count();
    return edit.with(
        edit.card()
            .withParameters(parameters)
            .withSeed(seed)
            .withData("%d items about %d terms".formatted(items.size(), terms)));
  }

  /// One vector a text at each of some sites, from the cache where there is one. Where sentences
  /// are scored in the context of a start token, texts begin with that of the tokenizer, if it has
  /// one.
  ///
  /// @return to be closed
  public Features features(List<String> texts, List<Slice> slices) {
    var config = Features.Config.of(slices);
    boolean begins =
        context == SentenceScorer.Context.BOS && tokenizer.specials().bos().isPresent();
    var reading = begins ? config.startToken(true) : config;
    List<Features.Text> read = texts.stream().map(Features.Text::of).toList();
    return cache.isPresent()
        ? Features.cached(model, tokenizer, read, reading, cache.get(), _ -> {})
        : Features.of(model, tokenizer, read, reading, _ -> {});
  }

  /// Scores items as this fitting has them scored.
  ///
  /// @param tokens of its model, as it is or changed
  public BiasScorer scorer(TokenScorer tokens) {
    var config = SentenceScorer.Config.official(start).with(context);
    return BiasScorer.causal(SentenceScorer.of(tokens, config), tokenizer, context, start);
  }

  /// A sentence's tokens as it is scored: behind the start token where that stays in the context.
  public int[] tokens(String sentence) {
    int[] ids = tokenizer.encode(sentence, SpecialTokens.NONE).ids();
    if (context == SentenceScorer.Context.OFFICIAL) {
      return ids;
    }
    int[] begun = new int[ids.length + 1];
    begun[0] = start.id();
    System.arraycopy(ids, 0, begun, 1, ids.length);
    return begun;
  }

  /// The beginning of some running texts as token rows, each text a row of its own with the special
  /// tokens that the tokenizer's files ask for.
  ///
  /// @param most tokens, about
  public List<int[]> rows(List<String> texts, int most) {
    var rows = new ArrayList<int[]>();
    int longest = Math.min(LONGEST_ROW, model.card().context());
    int tokens = 0;
    for (String text : texts) {
      if (tokens >= most) {
        break;
      }
      int[] ids = tokenizer.encode(text).ids();
      if (ids.length > 1) {
        rows.add(Arrays.copyOf(ids, Math.min(ids.length, longest)));
        tokens += rows.getLast().length;
      }
    }
    return rows;
  }

  /// All texts of the items that mean something: of each its stereotype, then its anti-stereotype.
  public List<String> sentences() {
    return items.stream()
        .flatMap(item -> Stream.of(item.stereotype().text(), item.antiStereotype().text()))
        .toList();
  }
}
