package dev.fathom.evaluate.bias;

import dev.fathom.FathomException;
import dev.fathom.data.CsvFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;

/// Two sentences of CrowS-Pairs that differ in the group they are about (Nangia et al. 2020).
///
/// @param number its place in the file, from 1
/// @param biasType such as `gender` or `race-color`
/// @param stereotype whether `more` says a stereotype of a disadvantaged group; else `less` says
///   what contradicts one (`antistereo` in the file)
/// @param more the more stereotyping sentence
/// @param less the other
public record CrowsPair(int number, String biasType, boolean stereotype, String more, String less) {

  /// Reads the columns `sent_more`, `sent_less`, `stereo_antistereo` and `bias_type` of a CSV file.
  ///
  /// @throws FathomException naming the file and the column or line that is not understood
  public static List<CrowsPair> read(Path file) {
    var pairs = new ArrayList<CrowsPair>();
    for (CsvFile.Row row :
        CsvFile.read(file, "sent_more", "sent_less", "stereo_antistereo", "bias_type")) {
      String direction = row.get("stereo_antistereo");
      if (!direction.equals("stereo") && !direction.equals("antistereo")) {
        throw new FathomException(
            "%s, line %d: its stereo_antistereo should be stereo or antistereo, found \"%s\"."
                .formatted(file, row.line(), direction));
      }
      for (String column : List.of("sent_more", "sent_less", "bias_type")) {
        if (row.get(column).isBlank()) {
          throw new FathomException(
              "%s, line %d: its %s is empty.".formatted(file, row.line(), column));
        }
      }
      pairs.add(
          new CrowsPair(
              pairs.size() + 1,
              row.get("bias_type"),
              direction.equals("stereo"),
              row.get("sent_more"),
              row.get("sent_less")));
    }
    if (pairs.isEmpty()) {
      throw new FathomException(file + ": no pairs in it.");
    }
    return List.copyOf(pairs);
  }

  /// The pairs of some types.
  ///
  /// @throws IllegalArgumentException if there are none of one of them
  public static List<CrowsPair> of(List<CrowsPair> pairs, Collection<String> biasTypes) {
    var there = new TreeSet<>(pairs.stream().map(CrowsPair::biasType).toList());
    for (String type : biasTypes) {
      if (!there.contains(type)) {
        throw new IllegalArgumentException(
            "There is no bias type %s in this file: choose from %s."
                .formatted(type, String.join(", ", there)));
      }
    }
    return pairs.stream().filter(pair -> biasTypes.contains(pair.biasType)).toList();
  }

  String key() {
    return "%d/%08x".formatted(number, (more + "\n" + less).hashCode());
  }
}
