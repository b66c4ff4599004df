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
    CsvFile.forEach(
        file,
        List.of("sent_more", "sent_less", "stereo_antistereo", "bias_type"),
        row -> {
          String direction = text(row, "stereo_antistereo");
          if (!direction.equals("stereo") && !direction.equals("antistereo")) {
            throw row.malformed(
                "its stereo_antistereo should be stereo or antistereo, found \"%s\""
                    .formatted(direction));
          }
          pairs.add(
              new CrowsPair(
                  pairs.size() + 1,
                  text(row, "bias_type"),
                  direction.equals("stereo"),
                  text(row, "sent_more"),
                  text(row, "sent_less")));
        });
    return List.copyOf(pairs);
  }

  private static String text(CsvFile.Row row, String column) {
    return row.field(column)
        .filter(text -> !text.isBlank())
        .orElseThrow(() -> row.malformed("its %s is empty".formatted(column)));
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
