package dev.fathom.evaluate.bias;

import dev.fathom.FathomException;
import dev.fathom.Version;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.view.Provenance;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.function.Function;
import tools.jackson.databind.JsonNode;

/// The items that two runs have in common, in the order of the first.
///
/// @param first what the first run found of them
/// @param second what the second run found of the same
/// @param unpaired items that only one run has
record Paired<T>(List<T> first, List<T> second, int unpaired) {

  /// @throws FathomException if they cannot be read, or have no item in common
  static <T> Paired<T> of(
      Path first, Path second, Function<JsonNode, T> reader, Function<T, String> key) {
    SequencedMap<String, T> theirs = read(first, reader, key);
    SequencedMap<String, T> ours = read(second, reader, key);
    var one = new ArrayList<T>();
    var other = new ArrayList<T>();
    theirs.forEach((name, item) -> {
      T match = ours.get(name);
      if (match != null) {
        one.add(item);
        other.add(match);
      }
    });
    if (one.isEmpty()) {
      throw new FathomException(
          "%s and %s have no item in common; compare runs over the same data."
              .formatted(first, second));
    }
    return new Paired<>(one, other, theirs.size() + ours.size() - 2 * one.size());
  }

  private static <T> SequencedMap<String, T> read(
      Path directory, Function<JsonNode, T> reader, Function<T, String> key) {
    var items = new LinkedHashMap<String, T>();
    ItemDirectory.forEach(
        directory,
        line -> {
          try {
            T item = reader.apply(line);
            items.put(key.apply(item), item);
          } catch (IllegalArgumentException e) {
            throw new FathomException("%s: %s".formatted(directory, e.getMessage()), e);
          }
        });
    return items;
  }

  static Provenance provenance(Path first, Path second) {
    return provenance(first, second, OptionalLong.empty(), new LinkedHashMap<>());
  }

  static Provenance provenance(Path first, Path second, Bootstrap bootstrap) {
    var parameters = new LinkedHashMap<String, String>();
    parameters.put("resamples", Integer.toString(bootstrap.resamples()));
    return provenance(first, second, OptionalLong.of(bootstrap.seed()), parameters);
  }

  private static Provenance provenance(
      Path first, Path second, OptionalLong seed, SequencedMap<String, String> parameters) {
    parameters.put("first run", first.toString());
    parameters.put("second run", second.toString());
    return new Provenance(
        "", "", Version.current(), List.of(), List.of(), parameters, seed, "", 0, 0);
  }
}
