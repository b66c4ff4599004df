package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// Which file of a sharded checkpoint holds which tensor: `model.safetensors.index.json`.
///
/// @param files tensor name to file name; every file name is a plain one, inside the directory
record ShardIndex(SequencedMap<String, String> files) {
  static final String NAME = "model.safetensors.index.json";
  private static final long MOST_BYTES = 64L << 20;
  private static final int MOST_SHARDS = 10_000;

  static ShardIndex read(Path path) {
    return of(JsonFiles.read(path, MOST_BYTES), String.valueOf(path.getFileName()));
  }

  static ShardIndex of(ObjectNode index, String label) {
    if (!(index.get("weight_map") instanceof ObjectNode map) || map.isEmpty()) {
      throw new FathomException(label + ": expected an object weight_map from tensors to files");
    }
    var files = new LinkedHashMap<String, String>();
    for (Map.Entry<String, JsonNode> entry : map.properties()) {
      String file = entry.getValue().isString() ? entry.getValue().stringValue() : "";
      if (!plain(file)) {
        throw new FathomException(
            "%s: tensor '%s' lies in %s, expected the name of a .safetensors file in the same directory"
                .formatted(label, entry.getKey(), ConfigReader.shown(entry.getValue())));
      }
      files.put(entry.getKey(), file);
    }
    if (files.values().stream().distinct().count() > MOST_SHARDS) {
      throw new FathomException("%s: more than %d files".formatted(label, MOST_SHARDS));
    }
    return new ShardIndex(files);
  }

  /// A name that cannot lead out of the directory.
  private static boolean plain(String file) {
    return file.endsWith(".safetensors")
        && file.length() <= 255
        && !file.startsWith(".")
        && file.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ');
  }
}
