package dev.fathom.data;

import dev.fathom.FathomException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Pairs of texts, as JSON lines or an array: `{"positive": "…", "negative": "…"}`.
public final class ContrastFile {
  private static final int MOST = 1_000_000;

  private ContrastFile() {}

  /// All pairs, in the order of the file.
  ///
  /// @throws FathomException naming the file and the place that is not understood
  public static List<ContrastPair> read(Path file) {
    var pairs = new ArrayList<ContrastPair>();
    JsonItem.forEach(
        file,
        "pairs",
        item -> {
          if (pairs.size() == MOST) {
            throw item.malformed("more than %d pairs; split the file".formatted(MOST));
          }
          pairs.add(new ContrastPair(text(item, "positive"), text(item, "negative")));
        });
    return List.copyOf(pairs);
  }

  private static String text(JsonItem item, String name) {
    Optional<String> text = item.text(name);
    return text.filter(own -> !own.isBlank())
        .orElseThrow(() ->
            item.malformed(
                text.isEmpty()
                    ? "it has no \"%s\"".formatted(name)
                    : "its \"%s\" is empty".formatted(name)));
  }
}
