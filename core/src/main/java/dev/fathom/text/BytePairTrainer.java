package dev.fathom.text;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Learns a byte-level BPE vocabulary from texts (Sennrich et al. 2016; Radford et al. 2019): of
/// all neighbouring symbols within words the pair that occurs most often becomes a symbol, again
/// and again. Of equally frequent pairs the one that sorts first is taken, so the same texts give
/// the same vocabulary.
///
/// ```java
/// ObjectNode tokenizer = BytePairTrainer.train(texts, 4096, "<s>", "</s>");
/// Files.writeString(directory.resolve("tokenizer.json"), tokenizer.toPrettyString());
/// ```
public final class BytePairTrainer {
  /// GPT-2's words: letters, digits or other signs, each with the space before them.
  private static final Pattern WORD =
      Pattern.compile(
          "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");

  private record Pair(String left, String right) implements Comparable<Pair> {
    private static final Comparator<Pair> ORDER =
        Comparator.comparing(Pair::left).thenComparing(Pair::right);

    @Override
    public int compareTo(Pair other) {
      return ORDER.compare(this, other);
    }
  }

  private static final class Word {
    private final long count;
    private List<String> symbols;

    Word(List<String> symbols, long count) {
      this.symbols = symbols;
      this.count = count;
    }

    void countInto(Map<Pair, Long> counts, int sign) {
      for (int i = 0; i + 1 < symbols.size(); i++) {
        counts.merge(new Pair(symbols.get(i), symbols.get(i + 1)), sign * count, Long::sum);
      }
    }

    boolean has(Pair pair) {
      for (int i = 0; i + 1 < symbols.size(); i++) {
        if (symbols.get(i).equals(pair.left) && symbols.get(i + 1).equals(pair.right)) {
          return true;
        }
      }
      return false;
    }

    void merge(Pair pair) {
      var merged = new ArrayList<String>(symbols.size());
      for (int i = 0; i < symbols.size(); i++) {
        boolean here =
            i + 1 < symbols.size()
                && symbols.get(i).equals(pair.left)
                && symbols.get(i + 1).equals(pair.right);
        merged.add(here ? pair.left + pair.right : symbols.get(i));
        i += here ? 1 : 0;
      }
      symbols = merged;
    }
  }

  private BytePairTrainer() {}

  /// Learns a vocabulary and returns it as a tokenizer.json that puts `start` before each text.
  ///
  /// @param texts what the words are counted in
  /// @param size ids in all, 258 or more; fewer come out when no pair is left that occurs twice
  /// @param start id 0, put before every text
  /// @param end id 1, which texts end with
  public static ObjectNode train(Stream<String> texts, int size, String start, String end) {
    if (size < 258) {
      throw new IllegalArgumentException(
          "a byte-level vocabulary has at least 258 ids: 256 bytes, start and end; found " + size);
    }
    List<Word> words = words(texts);
    var ids = new LinkedHashMap<String, Integer>();
    ids.put(start, 0);
    ids.put(end, 1);
    for (int b = 0; b < 256; b++) {
      ids.put(letter(b), ids.size());
    }
    var counts = new HashMap<Pair, Long>();
    words.forEach(word -> word.countInto(counts, 1));
    var merges = new ArrayList<Pair>();
    while (ids.size() < size) {
      Pair best = best(counts);
      if (best == null) {
        break;
      }
      for (Word word : words) {
        if (word.has(best)) {
          word.countInto(counts, -1);
          word.merge(best);
          word.countInto(counts, 1);
        }
      }
      merges.add(best);
      ids.putIfAbsent(best.left + best.right, ids.size());
    }
    return json(ids, merges, start, end);
  }

  private static List<Word> words(Stream<String> texts) {
    var counts = new HashMap<String, Long>();
    texts.forEach(text -> {
      var matcher = WORD.matcher(text);
      while (matcher.find()) {
        counts.merge(matcher.group(), 1L, Long::sum);
      }
    });
    return counts.entrySet().stream()
        .map(entry -> new Word(letters(entry.getKey()), entry.getValue()))
        .toList();
  }

  private static @Nullable Pair best(Map<Pair, Long> counts) {
    @Nullable Pair best = null;
    long most = 1;
    for (var entry : counts.entrySet()) {
      long count = entry.getValue();
      if (count > most || (count == most && best != null && entry.getKey().compareTo(best) < 0)) {
        best = entry.getKey();
        most = count;
      }
    }
    return best;
  }

  private static List<String> letters(String word) {
    var letters = new ArrayList<String>();
    for (byte b : word.getBytes(StandardCharsets.UTF_8)) {
      letters.add(letter(b & 0xff));
    }
    return letters;
  }

  /// The visible sign GPT-2 writes for a byte: itself where it is one, else one beyond U+0100.
  private static String letter(int b) {
    int beyond = 0;
    for (int other = 0; other < b; other++) {
      beyond += visible(other) ? 0 : 1;
    }
    return Character.toString(visible(b) ? b : 0x100 + beyond);
  }

  private static boolean visible(int b) {
    return (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
  }

  private static ObjectNode json(
      Map<String, Integer> ids, List<Pair> merges, String start, String end) {
    ObjectNode json = JsonMapper.shared().createObjectNode();
    json.put("version", "1.0");
    json.putNull("truncation").putNull("padding");
    ArrayNode added = json.putArray("added_tokens");
    added.add(special(0, start)).add(special(1, end));
    json.putNull("normalizer");
    json.set("pre_tokenizer", byteLevel());
    json.set("post_processor", startFirst(start));
    json.set("decoder", byteLevel());
    ObjectNode model = json.putObject("model");
    model.put("type", "BPE");
    model.putNull("dropout").putNull("unk_token");
    model.putNull("continuing_subword_prefix").putNull("end_of_word_suffix");
    model.put("fuse_unk", false).put("byte_fallback", false).put("ignore_merges", false);
    ObjectNode vocabulary = model.putObject("vocab");
    ids.forEach(vocabulary::put);
    ArrayNode list = model.putArray("merges");
    merges.forEach(pair -> list.add(pair.left + " " + pair.right));
    return json;
  }

  private static ObjectNode special(int id, String content) {
    return JsonMapper.shared()
        .createObjectNode()
        .put("id", id)
        .put("content", content)
        .put("single_word", false)
        .put("lstrip", false)
        .put("rstrip", false)
        .put("normalized", false)
        .put("special", true);
  }

  private static ObjectNode byteLevel() {
    return JsonMapper.shared()
        .createObjectNode()
        .put("type", "ByteLevel")
        .put("add_prefix_space", false)
        .put("trim_offsets", true)
        .put("use_regex", true);
  }

  private static ObjectNode startFirst(String start) {
    ObjectNode json = JsonMapper.shared().createObjectNode();
    json.put("type", "TemplateProcessing");
    for (String kind : List.of("single", "pair")) {
      ArrayNode parts = json.putArray(kind);
      parts.addObject().putObject("SpecialToken").put("id", start).put("type_id", 0);
      parts.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
      if (kind.equals("pair")) {
        parts.addObject().putObject("Sequence").put("id", "B").put("type_id", 1);
      }
    }
    ObjectNode known = json.putObject("special_tokens").putObject(start);
    known.put("id", start);
    known.putArray("ids").add(0);
    known.putArray("tokens").add(start);
    return json;
  }
}
