package dev.fathom.align;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
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
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Sets of words that differ only in the group they name, such as *actor* and *actress*, or
/// *synagogue*, *church* and *mosque*: from them come counterfactual texts, which say the same of
/// another group.
///
/// Words are found as whole words, whatever their case, and a replaced word keeps its initial's. A
/// word that is in several sets belongs to the last (*her* answers to *his* or to *him*: no list
/// can tell), so some counterfactuals are not quite English.
///
/// @param sets each with as many words as there are groups, in lower case
public record AttributeWords(String domain, List<List<String>> sets) {
  private static final long LARGEST_FILE = 4 << 20;
  private static final Pattern WORD = Pattern.compile("[\\p{L}\\p{N}'’-]+");

  public AttributeWords {
    sets = sets.stream().map(List::copyOf).toList();
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
    }
  }

  /// Reads all domains of a JSON file: `{"gender": [["actor", "actress"], …], …}`, the layout of
  /// bias-bench's `bias_attribute_words.json`.
  ///
  /// @throws FathomException naming the file and what is not understood
  public static SequencedMap<String, AttributeWords> read(Path file) {
    JsonNode root;
    try {
      if (Files.size(file) > LARGEST_FILE) {
        throw new FathomException(
            "%s: lists of words have at most %d bytes".formatted(file, LARGEST_FILE));
      }
      root = JsonMapper.shared().readTree(Files.readString(file));
    } catch (JacksonException e) {
      throw new FathomException(file + ": not JSON: " + e.getOriginalMessage(), e);
    } catch (IOException e) {
      throw new FathomException(file + ": cannot be read (" + e.getMessage() + ")", e);
    }
    var all = new LinkedHashMap<String, AttributeWords>();
    root.forEachEntry((domain, sets) -> all.put(domain, of(file, domain, sets)));
    if (all.isEmpty()) {
      throw new FathomException(
          file + ": expected an object with lists of words by domain, such as \"gender\"");
    }
    return Collections.unmodifiableSequencedMap(all);
  }

  private static AttributeWords of(Path file, String domain, JsonNode sets) {
    var found = new ArrayList<List<String>>();
    for (JsonNode set : sets) {
      var words = new ArrayList<String>();
      for (JsonNode word : set) {
        if (!word.isString() || word.asString().isBlank()) {
          throw new FathomException(
              "%s: set %d of %s should hold words, found %s"
                  .formatted(file, found.size() + 1, domain, word));
        }
        words.add(word.asString().strip().toLowerCase(Locale.ROOT));
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
    var found = new ArrayList<Found>();
    Matcher words = WORD.matcher(text);
    while (words.find()) {
      Integer group = groupOf.get(words.group().toLowerCase(Locale.ROOT));
      if (group != null) {
        found.add(new Found(group, words.start(), words.end()));
      }
    }
    return found;
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
        WORD.matcher(text)
            .replaceAll(match -> {
              String found = others.get(match.group().toLowerCase(Locale.ROOT));
              count[0] += found == null ? 0 : 1;
              return Matcher.quoteReplacement(
                  found == null ? match.group() : cased(found, match.group()));
            });
    return count[0] == 0 || other.equals(text)
        ? Optional.empty()
        : Optional.of(new Counterfactual(text, other, count[0]));
  }

  private Map<String, String> others(int by) {
    var others = new LinkedHashMap<String, String>();
    for (List<String> set : sets) {
      for (int g = 0; g < set.size(); g++) {
        others.put(set.get(g), set.get((g + by) % set.size()));
      }
    }
    return others;
  }

  private static String cased(String word, String like) {
    return Character.isUpperCase(like.codePointAt(0))
        ? word.substring(0, 1).toUpperCase(Locale.ROOT) + word.substring(1)
        : word;
  }
}
