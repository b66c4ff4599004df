package dev.fathom.evaluate.bias;

import dev.fathom.FathomException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Predicate;

/// Items of StereoSet's intrasentence part.
///
/// @param items in the order of the file
/// @param notes what was done to the file's items, one sentence each
public record StereoSet(List<StereoSetItem> items, List<String> notes) {
  public StereoSet {
    items = List.copyOf(items);
    notes = List.copyOf(notes);
  }

  /// What becomes of the labels of a file.
  public enum Labels {
    /// Where the file's stereotypes and anti-stereotypes of a domain are exchanged, which
    /// [ExchangedLabels] finds out, they are put right.
    PUT_RIGHT,
    /// They stay as they are.
    AS_THEY_ARE
  }

  /// Reads a file; exchanged labels are put right.
  ///
  /// @throws FathomException naming the file and the item or field that is not understood
  public static StereoSet read(Path file) {
    return read(file, Labels.PUT_RIGHT);
  }

  /// Reads a file in StereoSet's own layout (items under `data.intrasentence`, each with
  /// `sentences`), or in that of EditBias (an array of items, each with its sentences by label
  /// under `data`).
  ///
  /// Items that are there twice with the same words count once.
  ///
  /// @throws FathomException naming the file and the item or field that is not understood, or if an
  ///   id occurs twice with other words
  public static StereoSet read(Path file, Labels labels) {
    return new StereoSetFile(file).read(labels);
  }

  /// The domains of the items, in alphabetical order.
  public List<String> domains() {
    return List.copyOf(new TreeSet<>(items.stream().map(StereoSetItem::domain).toList()));
  }

  /// The items for which something holds, such as those of some terms.
  public StereoSet where(Predicate<StereoSetItem> holds) {
    return new StereoSet(items.stream().filter(holds).toList(), notes);
  }

  /// The items of some domains.
  ///
  /// @throws IllegalArgumentException if there are none of one of them
  public StereoSet of(Collection<String> domains) {
    List<String> there = domains();
    for (String domain : domains) {
      if (!there.contains(domain)) {
        throw new IllegalArgumentException(
            "There is no domain %s in this file: choose from %s."
                .formatted(domain, String.join(", ", there)));
      }
    }
    return where(item -> domains.contains(item.domain()));
  }
}
