package dev.fathom.align;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.JsonFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/// Sets of words that differ only in the group they name, such as *actor* and *actress*, or
/// *synagogue*, *church* and *mosque*: from them come counterfactual texts, which say the same of
/// another group.
///
/// Words are found whatever their case where no letter or digit touches them, so that *man* is
/// found in *man's* and not in *manly*. A replaced word keeps its initial's case. A word that is in
/// several sets belongs to the last (*her* answers to *his* or to *him*: no list can tell), so some
/// counterfactuals are not quite English.
///
/// @param sets each with as many words as there are groups; kept in lower case
public record AttributeWords(String domain, List<List<String>> sets) {
  private static final long LARGEST_FILE = 4 << 20;
  private static final String LETTER = "[\\p{L}\\p{N}]";

  public AttributeWords {
    sets =
        sets.stream()
            .map(set -> set.stream().map(word -> word.toLowerCase(Locale.ROOT)).toList())
            .toList();
    if (sets.isEmpty()) {
      throw new IllegalArgumentException("The domain %s has no attribute words.".formatted(domain));
    }
    int groups = sets.getFirst().size();
    for (List<String> set : sets) {
      if (set.size() != groups || groups < 2) {
        throw new IllegalArgumentException(
            "Attribute words of %s come in sets of the same size, at least 2; found %s."
                .formatted(domain, set));
      }
      if (set.stream().anyMatch(String::isBlank)) {
        throw new IllegalArgumentException(
            "An attribute word of %s is empty: %s.".formatted(domain, set));
      }
    }
  }

  /// Reads all domains of a JSON file: `{"gender": [["actor", "actress"], …], …}`, the layout of
  /// bias-bench's `bias_attribute_words.json`.
  ///
  /// @throws FathomException naming the file and the field that is not understood
  public static SequencedMap<String, AttributeWords> read(Path file) {
    var all = new LinkedHashMap<String, AttributeWords>();
    JsonFiles.read(file, LARGEST_FILE)
        .forEachEntry((domain, sets) -> all.put(domain, of(file, domain, sets)));
    if (all.isEmpty()) {
      throw new FathomException(
          file + ": expected lists of words by domain, such as \"gender\", and found none");
    }
    return Collections.unmodifiableSequencedMap(all);
  }

  private static AttributeWords of(Path file, String domain, JsonNode sets) {
    if (!sets.isArray()) {
      throw new FathomException(
          ("%s: \"%s\" should be a list of sets of words, such as [[\"actor\", \"actress\"]]: is"
                  + " this the right file?")
              .formatted(file, domain));
    }
    var found = new ArrayList<List<String>>();
    for (JsonNode set : sets) {
      String where = "%s: \"%s\", set %d".formatted(file, domain, found.size() + 1);
      if (!set.isArray()) {
        throw new FathomException(where + ": expected a list of words, one for each group");
      }
      var words = new ArrayList<String>();
      for (JsonNode word : set) {
        if (!word.isString() || word.asString().isBlank()) {
          throw new FathomException("%s: expected words, found %s".formatted(where, word));
        }
        words.add(word.asString().strip());
      }
      found.add(words);
    }
    try {
      return new AttributeWords(domain, found);
    } catch (IllegalArgumentException e) {
      throw new FathomException(file + ": " + e.getMessage(), e);
    }
  }

  /// How many groups the words tell apart.
  public int groups() {
    return sets.getFirst().size();
  }

  /// The words of one group.
  public List<String> of(int group) {
    return sets.stream().map(set -> set.get(group)).toList();
  }

  /// A word that names a group.
  ///
  /// @param from its first char in the text
  /// @param to one past its last char
  public record Found(int group, int from, int to) {}

  /// The words of a text that name a group, in their order.
  public List<Found> found(String text) {
    var groupOf = new HashMap<String, Integer>();
    for (List<String> set : sets) {
      for (int g = 0; g < set.size(); g++) {
        groupOf.put(set.get(g), g);
      }
    }
    return pattern()
        .matcher(text)
        .results()
        .flatMap(match -> {
          Integer group = groupOf.get(key(match.group()));
          return group == null
              ? Stream.empty()
              : Stream.of(new Found(group, match.start(), match.end()));
        })
        .toList();
  }

  /// A text and one that says the same of other groups.
  ///
  /// @param swapped how many words were replaced, at least 1
  public record Counterfactual(String text, String other, int swapped) {}

  /// The text with the words of each group replaced by those of another: of the other one where
  /// there are two groups, else of one that is drawn for the text. Empty where it has no such word.
  public Optional<Counterfactual> counterfactual(String text, SplittableRandom random) {
    return swapped(text, 1 + (groups() == 2 ? 0 : random.nextInt(groups() - 1)));
  }

  /// All counterfactuals of a text, one less than there are groups; none where it has no such word.
  public List<Counterfactual> counterfactuals(String text) {
    var all = new ArrayList<Counterfactual>();
    for (int by = 1; by < groups(); by++) {
      swapped(text, by).ifPresent(all::add);
    }
    return all;
  }

  /// @param by how many groups further, round the circle
  private Optional<Counterfactual> swapped(String text, int by) {
    Map<String, String> others = others(by);
    int[] count = {0};
    String other =
        pattern()
            .matcher(text)
            .replaceAll(match -> {
              String found = others.get(key(match.group()));
              if (found == null) {
                return Matcher.quoteReplacement(match.group());
              }
              count[0]++;
              return Matcher.quoteReplacement(likeInitial(found, match.group()));
            });
    return count[0] == 0 || other.equals(text)
        ? Optional.empty()
        : Optional.of(new Counterfactual(text, other, count[0]));
  }

  private Map<String, String> others(int by) {
    var others = new HashMap<String, String>();
    for (List<String> set : sets) {
      for (int g = 0; g < set.size(); g++) {
        others.put(set.get(g), set.get((g + by) % set.size()));
      }
    }
    return others;
  }

  /// Any of the words, the longest that stands at a place.
  private Pattern pattern() {
    return whole(
        sets.stream()
            .flatMap(List::stream)
            .distinct()
            .sorted(Comparator.comparingInt(String::length).reversed())
            .map(Pattern::quote)
            .collect(Collectors.joining("|")));
  }

  /// A text with a word replaced by another wherever it is found, by the rules above.
  public static String replaced(String text, String word, String by) {
    return whole(Pattern.quote(word))
        .matcher(text)
        .replaceAll(match -> Matcher.quoteReplacement(likeInitial(by, match.group())));
  }

  /// What a regular expression matches, whatever its case, where no letter or digit touches it.
  ///
  /// @param expression may be alternatives
  private static Pattern whole(String expression) {
    return Pattern.compile(
        "(?<!%1$s)(?:%2$s)(?!%1$s)".formatted(LETTER, expression),
        Pattern.CASE_INSENSITIVE | Pattern.UNICODE_CASE);
  }

  private static String key(String word) {
    return word.toLowerCase(Locale.ROOT);
  }

  /// A word with a capital where another one has it.
  private static String likeInitial(String word, String other) {
    if (!Character.isUpperCase(other.codePointAt(0))) {
      return word;
    }
    int rest = word.offsetByCodePoints(0, 1);
    return word.substring(0, rest).toUpperCase(Locale.ROOT) + word.substring(rest);
  }
}
