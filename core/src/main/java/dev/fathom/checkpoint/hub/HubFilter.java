package dev.fathom.checkpoint.hub;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Which of a repository's files a pull takes: configuration, tokenizer, chat template and one set
/// of weights. Pickles (`.bin`, `.pt`) and code are never taken.
///
/// @param gguf which GGUF file: its path, or how its name ends without the extension (`Q4_K_M`);
///   empty for safetensors where there are any, else the only GGUF file
public record HubFilter(Optional<String> gguf) {
  private static final List<String> COMPANIONS =
      List.of(
          "config.json",
          "generation_config.json",
          "adapter_config.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "added_tokens.json",
          "chat_template.jinja",
          "chat_template.json",
          "tokenizer.json",
          "tokenizer.model",
          "spiece.model",
          "sentencepiece.bpe.model",
          "vocab.json",
          "vocab.txt",
          "merges.txt");
  private static final String INDEX = "model.safetensors.index.json";
  private static final Pattern SHARD = Pattern.compile("(.*)-(\\d{5})-of-(\\d{5})(\\.\\w+)");
  private static final Set<String> PICKLES =
      Set.of("bin", "pt", "pth", "ckpt", "pkl", "h5", "msgpack");
  private static final int NAMES_SHOWN = 12;

  /// What of a list of files is wanted, or why it is not enough.
  sealed interface Choice {
    /// Small files first and weights last, so that weights vouch for everything before them.
    record Files(List<String> names) implements Choice {}

    /// Not all that is needed is there.
    ///
    /// @param why how the sentence goes on after the repository's name
    record Insufficient(String why) implements Choice {}
  }

  public HubFilter {
    if (gguf.isPresent() && gguf.get().isBlank()) {
      throw new IllegalArgumentException(
          "The choice of a GGUF file is blank; give its name or its quantization, like Q4_K_M");
    }
  }

  /// Safetensors; where a repository has none, its only GGUF file.
  public static HubFilter model() {
    return new HubFilter(Optional.empty());
  }

  /// The GGUF file of that name or quantization, with all its parts where it is split.
  public static HubFilter gguf(String choice) {
    return new HubFilter(Optional.of(choice));
  }

  /// Chooses among the names of a repository or of a snapshot.
  ///
  /// @param names all files there are
  /// @param cached files already on this disk, which settle an open choice of GGUF files
  Choice choose(Collection<String> names, Collection<String> cached) {
    SortedSet<String> all = new TreeSet<>(names);
    Choice weights =
        gguf.isPresent() ? namedGguf(all, gguf.get()) : safetensorsOrOnlyGguf(all, cached);
    return switch (weights) {
      case Choice.Files files -> {
        List<String> chosen = new ArrayList<>(COMPANIONS);
        chosen.retainAll(all);
        chosen.addAll(files.names());
        yield new Choice.Files(List.copyOf(chosen));
      }
      case Choice.Insufficient no -> no;
    };
  }

  private static Choice safetensorsOrOnlyGguf(SortedSet<String> all, Collection<String> cached) {
    List<String> safetensors = all.stream().filter(HubFilter::isSafetensors).toList();
    if (safetensors.contains("model.safetensors")) {
      return new Choice.Files(List.of("model.safetensors"));
    }
    if (all.contains(INDEX)) {
      List<String> shards =
          safetensors.stream()
              .filter(name -> name.startsWith("model-") && SHARD.matcher(name).matches())
              .toList();
      if (shards.isEmpty()) {
        return new Choice.Insufficient("has %s but none of its shards".formatted(INDEX));
      }
      List<String> indexed = new ArrayList<>(List.of(INDEX));
      indexed.addAll(shards);
      return whole(indexed);
    }
    if (!safetensors.isEmpty()) {
      return whole(safetensors);
    }
    Map<String, List<String>> models = ggufModels(all);
    if (models.isEmpty()) {
      return new Choice.Insufficient(noWeights(all));
    }
    if (models.size() > 1) {
      models = withFilesAmong(models, cached);
    }
    return models.size() == 1
        ? whole(models.values().iterator().next())
        : new Choice.Insufficient(
            "has several GGUF files, choose one of: " + list(ggufModels(all).keySet()));
  }

  private static Choice namedGguf(SortedSet<String> all, String choice) {
    String wanted = choice.endsWith(".gguf") ? choice.substring(0, choice.length() - 5) : choice;
    Map<String, List<String>> models = ggufModels(all);
    Map<String, List<String>> matches = new LinkedHashMap<>();
    models.forEach((stem, files) -> {
      if (matches(stem, wanted)) {
        matches.put(stem, files);
      }
    });
    if (matches.containsKey(wanted)) {
      return whole(models.getOrDefault(wanted, List.of()));
    }
    if (matches.size() == 1) {
      return whole(matches.values().iterator().next());
    }
    if (models.isEmpty()) {
      return new Choice.Insufficient("has no GGUF file");
    }
    return new Choice.Insufficient(
        matches.isEmpty()
            ? "has no GGUF file '%s', only: %s".formatted(choice, list(models.keySet()))
            : "has several GGUF files '%s', choose one of: %s"
                .formatted(choice, list(matches.keySet())));
  }

  /// A quantization is the last word of a name: `Q4_K` is not `Q4_K_M`, and `Q4_XS` not `IQ4_XS`.
  private static boolean matches(String stem, String wanted) {
    String name = stem.toLowerCase(Locale.ROOT);
    String end = wanted.toLowerCase(Locale.ROOT);
    return name.endsWith(end)
        && (name.length() == end.length()
            || "-._/".indexOf(name.charAt(name.length() - end.length() - 1)) >= 0);
  }

  /// GGUF models by path without extension and part number; projectors for images and importance
  /// matrices are none.
  private static Map<String, List<String>> ggufModels(SortedSet<String> all) {
    Map<String, List<String>> models = new TreeMap<>();
    for (String name : all) {
      String file = name.substring(name.lastIndexOf('/') + 1).toLowerCase(Locale.ROOT);
      if (name.endsWith(".gguf") && !file.startsWith("mmproj") && !file.contains("imatrix")) {
        Matcher shard = SHARD.matcher(name);
        String stem =
            shard.matches() ? shard.group(1) : name.substring(0, name.length() - ".gguf".length());
        models.computeIfAbsent(stem, ignored -> new ArrayList<>()).add(name);
      }
    }
    return models;
  }

  private static Map<String, List<String>> withFilesAmong(
      Map<String, List<String>> models, Collection<String> cached) {
    Map<String, List<String>> present = new TreeMap<>(models);
    present.values().removeIf(files -> !cached.containsAll(files));
    return present;
  }

  /// Weights in the root only; `consolidated` files repeat the model in its maker's own layout.
  private static boolean isSafetensors(String name) {
    return name.endsWith(".safetensors")
        && name.indexOf('/') < 0
        && !name.startsWith("consolidated");
  }

  /// The same files, if each split model among them has all its parts.
  private static Choice whole(List<String> files) {
    record Split(String stem, int count, String extension) {}
    Map<Split, BitSet> parts = new LinkedHashMap<>();
    for (String file : files) {
      Matcher shard = SHARD.matcher(file);
      if (shard.matches()) {
        var split = new Split(shard.group(1), Integer.parseInt(shard.group(3)), shard.group(4));
        int part = Integer.parseInt(shard.group(2));
        parts.computeIfAbsent(split, ignored -> new BitSet()).set(part);
      }
    }
    for (Map.Entry<Split, BitSet> entry : parts.entrySet()) {
      Split split = entry.getKey();
      int missing = entry.getValue().nextClearBit(1);
      if (missing <= split.count()) {
        return new Choice.Insufficient(
            "lacks %s-%05d-of-%05d%s"
                .formatted(split.stem(), missing, split.count(), split.extension()));
      }
    }
    return new Choice.Files(files);
  }

  private static String noWeights(SortedSet<String> all) {
    Optional<String> pickle =
        all.stream()
            .filter(name -> PICKLES.contains(name.substring(name.lastIndexOf('.') + 1)))
            .findFirst();
    return pickle
        .map(name ->
            "has weights only in forms that can run code or are not read here (%s); look for a"
                    .formatted(name)
                + " revision or a copy of it with safetensors")
        .orElse("has no safetensors or GGUF weights");
  }

  private static String list(Collection<String> names) {
    String shown = String.join(", ", names.stream().limit(NAMES_SHOWN).toList());
    int more = names.size() - NAMES_SHOWN;
    return more > 0 ? shown + " and %d more".formatted(more) : shown;
  }
}
