package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import java.util.List;
import java.util.Optional;

/// Which layers see only a sliding window of keys.
final class Windows {
  private Windows() {}

  /// A rule for configurations that do not list their layers: whether layer `l` slides.
  interface Rule {
    boolean slides(int layer);
  }

  /// The window of each layer, 0 for all keys: from `layer_types` where it stands, else by `rule`.
  static int[] read(ConfigReader config, int layers, int window, Rule rule) {
    Optional<List<String>> types = config.strings("layer_types");
    int[] windows = new int[layers];
    if (types.isPresent() && types.get().size() != layers) {
      config.refuse(
          "layer_types", "has %d entries for %d layers".formatted(types.get().size(), layers));
      return windows;
    }
    for (int l = 0; l < layers; l++) {
      boolean slides = rule.slides(l);
      if (types.isPresent()) {
        String type = types.get().get(l);
        slides = type.equals("sliding_attention");
        if (!slides && !type.equals("full_attention")) {
          config.refuse("layer_types", "names '%s', which is not supported".formatted(type));
        }
      }
      windows[l] = slides ? window : 0;
    }
    return windows;
  }
}
