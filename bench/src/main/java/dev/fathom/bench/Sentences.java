package dev.fathom.bench;

import dev.fathom.FathomException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// The sentences of StereoSet's first items about gender (Nadeem et al. 2021), three an item.
record Sentences(List<String> texts) {
  private static final int ITEMS = 60;

  Sentences {
    texts = List.copyOf(texts);
  }

  /// Reads StereoSet's own layout: `data.intrasentence[].{bias_type, sentences[].sentence}`.
  ///
  /// @throws FathomException if the file cannot be read or has none
  static Sentences read(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new FathomException(file + ": no such file of StereoSet items");
    }
    JsonNode root;
    try {
      root = JsonMapper.shared().readTree(file);
    } catch (JacksonException e) {
      throw new FathomException("%s: not JSON: %s".formatted(file, e.getOriginalMessage()), e);
    }
    var texts = new ArrayList<String>();
    int items = 0;
    for (JsonNode item : root.path("data").path("intrasentence")) {
      if (items < ITEMS && item.path("bias_type").asString("").equals("gender")) {
        items++;
        for (JsonNode sentence : item.path("sentences")) {
          texts.add(sentence.path("sentence").asString(""));
        }
      }
    }
    if (texts.isEmpty()) {
      throw new FathomException(
          file + ": expected data.intrasentence with items of bias_type gender, found none");
    }
    return new Sentences(texts);
  }
}
