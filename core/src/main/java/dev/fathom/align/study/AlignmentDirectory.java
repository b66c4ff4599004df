package dev.fathom.align.study;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.JsonFiles;
import dev.fathom.edit.Edit;
import dev.fathom.edit.EditFile;
import dev.fathom.evaluate.Provenances;
import dev.fathom.model.Transformer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import tools.jackson.databind.node.ObjectNode;

/// What [AlignmentStudy] left in its folder: outcomes and edits of a model.
///
/// A study that was killed has outcomes of some methods in some parts. Only what can be compared is
/// read: the methods of the part that has most of them, in the parts of the first seed that have
/// all of these, and further seeds that have them, too.
final class AlignmentDirectory {
  private final Path folder;
  private final Transformer model;
  private final SequencedMap<Part, SequencedMap<String, Kept>> parts = new LinkedHashMap<>();
  private final int found;

  /// One domain and fold with one seed.
  private record Part(long seed, String domain, int fold) {
    static final Comparator<Part> ORDER =
        Comparator.comparingLong(Part::seed)
            .thenComparing(Part::domain)
            .thenComparingInt(Part::fold);

    boolean alike(Part other) {
      return domain.equals(other.domain) && fold == other.fold;
    }
  }

  private record Kept(Outcome outcome, Path file) {}

  /// @throws FathomException if there is no such folder, something in it cannot be read, or it is
  ///   of another model
  AlignmentDirectory(Path folder, Transformer model) {
    this.folder = folder;
    this.model = model;
    var all = new TreeMap<Part, SequencedMap<String, Kept>>(Part.ORDER);
    List<Path> files = files();
    for (Path file : files) {
      Outcome outcome = read(file);
      all.computeIfAbsent(
              new Part(outcome.seed(), outcome.domain(), outcome.fold()),
              _ -> new LinkedHashMap<>())
          .put(outcome.entrant(), new Kept(outcome, file));
    }
    this.found = files.size();
    complete(all);
  }

  private List<Path> files() {
    if (!Files.isDirectory(folder)) {
      throw new FathomException(folder + ": there is no such folder of alignments");
    }
    try (Stream<Path> entries =
        Files.find(folder, 4, (path, _) -> path.endsWith(AlignmentStudy.OUTCOME))) {
      return entries.sorted().toList();
    } catch (IOException e) {
      throw new FathomException(folder + ": cannot be read (" + e.getMessage() + ")", e);
    }
  }

  private Outcome read(Path file) {
    ObjectNode json = JsonFiles.read(file, AlignmentStudy.LARGEST_OUTCOME);
    String own = json.path(AlignmentStudy.MODEL).asString("");
    Path edit = file.resolveSibling(AlignmentStudy.EDIT);
    if (own.isEmpty() && Files.exists(edit)) { // outcomes did not always name their model
      own = EditFile.read(edit).card().baseSha256();
    }
    if (!own.isEmpty() && !own.equals(model.card().sha256().get())) {
      throw new FathomException(
          "%s is of another model than %s: name the one that was aligned"
              .formatted(file, model.card().name()));
    }
    return Outcome.read(json, file);
  }

  private void complete(SequencedMap<Part, SequencedMap<String, Kept>> all) {
    if (all.isEmpty()) {
      return;
    }
    long first = all.firstEntry().getKey().seed;
    Set<String> entrants = Set.of();
    for (var entry : all.entrySet()) {
      boolean more = entry.getValue().size() > entrants.size();
      entrants = more ? Set.copyOf(entry.getValue().keySet()) : entrants;
    }
    Set<String> wanted = entrants;
    var done = new LinkedHashMap<>(all);
    done.values().removeIf(own -> !own.keySet().containsAll(wanted));
    List<Part> needed = done.keySet().stream().filter(part -> part.seed == first).toList();
    Set<Long> seeds = new LinkedHashSet<>();
    done.keySet().forEach(part -> seeds.add(part.seed));
    seeds.removeIf(seed ->
        needed.stream()
            .anyMatch(part ->
                done.keySet().stream().noneMatch(own -> own.seed == seed && own.alike(part))));
    done.forEach((part, own) -> {
      if (seeds.contains(part.seed) && needed.stream().anyMatch(part::alike)) {
        parts.put(part, ordered(own));
      }
    });
  }

  /// In the order of tables.
  private static SequencedMap<String, Kept> ordered(SequencedMap<String, Kept> own) {
    var names = new LinkedHashSet<>(List.of(Entrant.BASE));
    names.addAll(Roster.all().keySet());
    names.addAll(own.keySet());
    var ordered = new LinkedHashMap<String, Kept>();
    for (String name : names) {
      Kept kept = own.get(name);
      if (kept != null) {
        ordered.put(name, kept);
      }
    }
    return ordered;
  }

  /// Outcomes that are not read, as what they are to be compared with is missing.
  int leftOut() {
    return found - parts.values().stream().mapToInt(own -> own.size()).sum();
  }

  /// Table 5.4; empty without a method beside the base.
  Optional<AlignmentTable> table() {
    var outcomes = new ArrayList<Outcome>();
    parts.values().forEach(own -> own.values().forEach(kept -> outcomes.add(kept.outcome)));
    boolean methods = outcomes.stream().anyMatch(one -> !one.entrant().equals(Entrant.BASE));
    boolean base = outcomes.stream().anyMatch(one -> one.entrant().equals(Entrant.BASE));
    return methods && base
        ? Optional.of(
            AlignmentTable.of(
                Provenances.of(
                    model,
                    outcomes.stream().mapToDouble(Outcome::seconds).sum(),
                    "outcomes",
                    Integer.toString(outcomes.size())),
                outcomes))
        : Optional.empty();
  }

  /// The edits of each method that has any, one for each domain: those of the first seed and fold.
  SequencedMap<String, List<Edit>> edits() {
    var edits = new LinkedHashMap<String, List<Edit>>();
    Set<String> domains = new LinkedHashSet<>();
    parts.forEach((part, own) -> {
      if (domains.add(part.domain)) {
        own.forEach((name, kept) -> {
          Path file = kept.file.resolveSibling(AlignmentStudy.EDIT);
          if (Files.exists(file)) {
            edits.computeIfAbsent(name, _ -> new ArrayList<>()).add(EditFile.read(file));
          }
        });
      }
    });
    return edits;
  }
}
