package dev.fathom.concepts.map;

import dev.fathom.concepts.map.ConceptMap.Config;
import dev.fathom.concepts.map.ConceptMap.Mode;
import dev.fathom.evaluate.RankTest;
import dev.fathom.evaluate.bias.Estimate;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import dev.fathom.view.View.Cell;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.SequencedMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// A map of concepts and the numbers behind it. Intervals are of concepts drawn anew.
///
/// @param names of the concepts on it
/// @param groups what each belongs to, empty for nothing
/// @param sides one for each model, the base first
/// @param change from one to the other; empty of one model
/// @param left concepts that are not on it: without a direction, or in one dictionary only
public record ConceptMapResult(
    Provenance provenance,
    Config config,
    List<String> names,
    List<String> groups,
    List<Side> sides,
    Optional<Change> change,
    List<String> left)
    implements Result {
  private static final int MOST_ROWS = 100;
  private static final int MOST_CHANGED = 20;
  private static final int MOST_LEFT = 8;

  /// What is measured, with its name for people.
  public enum Property {
    MEAN_COSINE("mean cosine of pairs"),
    EFFECTIVE_RANK("effective rank"),
    ISOTROPY("share of first direction"),
    SILHOUETTE("silhouette of groups"),
    SEPARATION("scatter between / within"),
    PURITY("same group / chance"),
    KEPT("neighbours kept"),
    SIMILARITY("linear CKA"),
    COSINE("cosine base to tuned");

    private final String title;

    Property(String title) {
      this.title = title;
    }

    public String title() {
      return title;
    }
  }

  /// One model's part.
  ///
  /// @param title the model
  /// @param places `[concept, coordinate]`
  /// @param neighbours of each in the original space, nearest first, `[concept, rank]`
  /// @param cosines of these, `[concept, rank]`
  /// @param trust of the map, see [Trust]
  /// @param numbers of the original space
  /// @param purity empty without groups, and where each has one member
  public record Side(
      String title,
      int layer,
      Grid places,
      Grid neighbours,
      Grid cosines,
      double trust,
      SequencedMap<Property, Estimate> numbers,
      Optional<Purity> purity) {
    public Side {
      numbers = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(numbers));
    }
  }

  /// How many of the nearest concepts are of the same group, over how many chance would have.
  ///
  /// @param nearest neighbours looked at
  /// @param ratio 1 is chance
  /// @param shuffled the same of groups whose members were dealt anew, with the middle 95 %
  public record Purity(int nearest, Estimate ratio, Estimate shuffled) {}

  /// What is different in the second model.
  ///
  /// @param distance what is left between maps made apart, 0 to 1; empty of others
  /// @param nearest neighbours that are compared
  /// @param numbers of both together
  /// @param differences of what is measured of each, the second less the first
  /// @param kept the share of each concept's neighbours that are the same, `[concept]`
  /// @param cosines of each concept's two directions, `[concept]`; empty where widths differ
  /// @param groups smallest p first; none where there are no cosines or no groups
  public record Change(
      Mode mode,
      OptionalDouble distance,
      int nearest,
      SequencedMap<Property, Estimate> numbers,
      SequencedMap<Property, Estimate> differences,
      Grid kept,
      Optional<Grid> cosines,
      List<GroupChange> groups) {
    public Change {
      numbers = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(numbers));
      differences = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(differences));
      groups = List.copyOf(groups);
    }
  }

  /// Did a group change more than the others?
  ///
  /// @param concepts of the group
  /// @param change the mean of `1 − cos` over them
  /// @param others the mean over all others
  /// @param test of the group's against all others'
  /// @param adjusted p for as many tests as there are groups (Holm 1979)
  public record GroupChange(
      String group, int concepts, double change, double others, RankTest test, double adjusted) {
    GroupChange withAdjusted(double p) {
      return new GroupChange(group, concepts, change, others, test, p);
    }
  }

  public ConceptMapResult {
    names = List.copyOf(names);
    groups = List.copyOf(groups);
    sides = List.copyOf(sides);
    left = List.copyOf(left);
  }

  @Override
  public String method() {
    return "concepts-map";
  }

  // ---------------------------------------------------------------- words

  /// What was found, in sentences.
  public List<String> found() {
    var found = new ArrayList<String>();
    long clusters = groups.stream().filter(g -> !g.isEmpty()).distinct().count();
    found.add(
        counted(names.size(), "concept")
            + (clusters == 0 ? "" : " of " + counted(clusters, "group"))
            + (left.isEmpty() ? "." : "; not on the map: " + some(left) + "."));
    for (Side side : sides) {
      side.purity()
          .ifPresent(purity ->
              found.add(
                  format(
                      "%s: of the %s nearest to each, %.1f times as many are of its group as by"
                          + " chance (groups dealt anew: %.1f).",
                      named(side),
                      counted(purity.nearest(), "concept"),
                      purity.ratio().value(),
                      purity.shuffled().value())));
    }
    change.ifPresent(own -> found.addAll(changed(own)));
    found.add(
        format(
            "Trust in the map: %s. Distances between groups and empty room on it mean nothing; the"
                + " numbers below are of the original space.",
            sides.stream()
                .map(s -> format("%.3f", s.trust()))
                .collect(Collectors.joining(" and "))));
    return found;
  }

  private List<String> changed(Change own) {
    var found = new ArrayList<String>();
    Estimate cosine = own.differences().get(Property.MEAN_COSINE);
    if (cosine != null) {
      boolean certain = cosine.low() > 0 || cosine.high() < 0;
      found.add(
          format(
              "%s: concepts are %s than in %s (mean cosine %+.3f [%.3f, %.3f]).",
              sides.get(1).title(),
              !certain
                  ? "not clearly more or less dispersed"
                  : cosine.value() < 0 ? "more dispersed" : "less dispersed",
              sides.get(0).title(),
              cosine.value(),
              cosine.low(),
              cosine.high()));
    }
    if (!own.groups().isEmpty()) {
      GroupChange first = own.groups().getFirst();
      found.add(
          first.adjusted() < 0.05
              ? own.groups().stream()
                  .filter(group -> group.adjusted() < 0.05)
                  .map(group ->
                      format(
                          "'%s' changed %s than all others (p %s)",
                          group.group(),
                          group.test().share() > 0.5 ? "more" : "less",
                          p(group.test().p())))
                  .collect(Collectors.joining("; ", "", "."))
              : format(
                  "No group changed more or less than the others beyond chance (smallest p %s, of"
                      + " %s).",
                  p(first.test().p()), counted(own.groups().size(), "test")));
    }
    return found;
  }

  private static String p(double p) {
    return p < 0.001 ? format("%.0e", p) : format("%.3f", p);
  }

  private static String some(List<String> all) {
    String first = all.stream().limit(MOST_LEFT).collect(Collectors.joining(", "));
    return all.size() <= MOST_LEFT
        ? first
        : format("%s and %,d more", first, all.size() - MOST_LEFT);
  }

  private static String counted(long count, String what) {
    return format("%,d %s%s", count, what, count == 1 ? "" : "s");
  }

  /// The model and its layer.
  static String named(Side side) {
    return "%s, layer %d".formatted(side.title(), side.layer());
  }

  static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  // ---------------------------------------------------------------- views

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    views.add(new View.Text("What was found", "", found()));
    var pictures = new ConceptMapPictures(this);
    views.addAll(pictures.maps());
    views.addAll(pictures.zooms());
    views.add(numbers());
    change.ifPresent(own -> {
      views.add(both(own));
      if (!own.groups().isEmpty()) {
        views.add(changeOfGroups(own));
      }
      own.cosines().ifPresent(cosines -> views.add(mostChanged(own, cosines, pictures)));
    });
    views.add(nearest(pictures));
    return views;
  }

  private View numbers() {
    var columns = new ArrayList<>(List.of("of the original space"));
    sides.forEach(side -> columns.add(side.title()));
    change.ifPresent(_ -> columns.add("difference"));
    var rows = new ArrayList<List<Cell>>();
    for (Property property : sides.getFirst().numbers().keySet()) {
      var row = new ArrayList<Cell>(List.of(Cell.of(property.title())));
      sides.forEach(side -> row.add(cell(side.numbers().get(property))));
      change.ifPresent(own -> row.add(cell(own.differences().get(property))));
      rows.add(row);
    }
    return new View.Table("Dispersion", dispersionTold(), columns, rows);
  }

  private String dispersionTold() {
    var told =
        new StringBuilder(
            "How spread out are the directions, and how far apart are the groups? With 95 %"
                + " intervals over concepts.");
    sides
        .getFirst()
        .purity()
        .ifPresent(
            purity -> told.append(format(" Same group: of the %d nearest.", purity.nearest())));
    return told.toString();
  }

  private View both(Change own) {
    return new View.Table(
        "How alike both are",
        format(
            "Do both models have the same concepts near each other, and the same directions? With"
                + " 95 %% intervals over concepts. Neighbours kept: of %d, by chance %.2f.",
            own.nearest(), own.nearest() / (names.size() - 1.0)),
        List.of("of the original space", "value"),
        own.numbers().entrySet().stream()
            .map(number -> List.of(Cell.of(number.getKey().title()), cell(number.getValue())))
            .toList());
  }

  private static Cell cell(@Nullable Estimate estimate) {
    return estimate == null
        ? Cell.of("")
        : new View.Quantity(estimate.value(), estimate.low(), estimate.high());
  }

  private static View changeOfGroups(Change own) {
    return new View.Table(
        "Where the change is",
        "Did a group's directions change more than those of all other concepts? Rank test of 1 −"
            + " cosine; more often is the share of pairs in which the group's concept changed"
            + " more.",
        List.of("group", "concepts", "change", "others", "more often", "p", "p of all tests"),
        own.groups().stream()
            .map(group ->
                List.of(
                    Cell.of(group.group()),
                    Cell.of(group.concepts()),
                    Cell.of(group.change()),
                    Cell.of(group.others()),
                    Cell.of(group.test().share()),
                    Cell.of(group.test().p()),
                    Cell.of(group.adjusted())))
            .toList());
  }

  private View mostChanged(Change own, Grid cosines, ConceptMapPictures pictures) {
    List<Integer> order =
        IntStream.range(0, names.size())
            .boxed()
            .sorted(Comparator.comparingDouble(i -> cosines.at(i)))
            .limit(MOST_CHANGED)
            .toList();
    return new View.Table(
        "Most changed",
        "Which directions turned most? Cosine of the base's and the tuned model's.",
        List.of("concept", "group", "cosine", "kept", "nearest before", "nearest after"),
        order.stream()
            .map(i ->
                List.of(
                    Cell.of(names.get(i)),
                    Cell.of(groups.get(i)),
                    Cell.of(cosines.at(i)),
                    Cell.of(own.kept().at(i)),
                    Cell.of(pictures.neighbours(0, i)),
                    Cell.of(pictures.neighbours(1, i))))
            .toList());
  }

  private View nearest(ConceptMapPictures pictures) {
    var columns = new ArrayList<>(List.of("concept", "group"));
    sides.forEach(
        side -> columns.add(sides.size() == 1 ? "nearest" : "nearest in " + side.title()));
    var rows = new ArrayList<List<Cell>>();
    for (int i : listed()) {
      var row = new ArrayList<Cell>(List.of(Cell.of(names.get(i)), Cell.of(groups.get(i))));
      for (int s = 0; s < sides.size(); s++) {
        row.add(Cell.of(pictures.neighbours(s, i)));
      }
      rows.add(row);
    }
    return new View.Table(
        "Nearest concepts",
        "Which directions are most alike, by cosine in the original space?"
            + (rows.size() < names.size()
                ? format(" %d of %,d; all are among the arrays.", rows.size(), names.size())
                : ""),
        columns,
        rows);
  }

  /// The concepts in the table of neighbours: the one asked for and the queries first.
  private List<Integer> listed() {
    var first = new ArrayList<Integer>();
    config.around().ifPresent(name -> first.add(names.indexOf(name)));
    config.queries().forEach(name -> first.add(names.indexOf(name)));
    IntStream.range(0, names.size()).forEach(first::add);
    return first.stream().distinct().limit(MOST_ROWS).toList();
  }

  // ---------------------------------------------------------------- arrays

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    for (int s = 0; s < sides.size(); s++) {
      Side side = sides.get(s);
      String suffix = sides.size() == 1 ? "" : s == 0 ? "_base" : "_tuned";
      arrays.put("map" + suffix, side.places());
      arrays.put("neighbours" + suffix, side.neighbours());
      arrays.put("neighbour_cosine" + suffix, side.cosines());
      arrays.put("dispersion" + suffix, grid(side.numbers()));
    }
    change.ifPresent(own -> {
      arrays.put("change", grid(own.numbers()));
      arrays.put("dispersion_difference", grid(own.differences()));
      arrays.put("neighbours_kept", own.kept());
      own.cosines().ifPresent(cosines -> arrays.put("cosine", cosines));
      if (!own.groups().isEmpty()) {
        arrays.put("group_change", groupChange(own.groups()));
      }
    });
    return arrays;
  }

  private static Grid grid(SequencedMap<Property, Estimate> numbers) {
    float[] values = new float[3 * numbers.size()];
    int at = 0;
    for (Estimate estimate : numbers.values()) {
      values[at++] = (float) estimate.value();
      values[at++] = (float) estimate.low();
      values[at++] = (float) estimate.high();
    }
    return Grid.real(
        List.of(
            Axis.of(
                "property",
                numbers.keySet().stream().map(p -> p.name().toLowerCase(Locale.ROOT)).toList()),
            Axis.of("end", List.of("value", "low", "high"))),
        values);
  }

  private static Grid groupChange(List<GroupChange> groups) {
    float[] values = new float[5 * groups.size()];
    int at = 0;
    for (GroupChange group : groups) {
      values[at++] = (float) group.change();
      values[at++] = (float) group.others();
      values[at++] = (float) group.test().share();
      values[at++] = (float) group.test().p();
      values[at++] = (float) group.adjusted();
    }
    return Grid.real(
        List.of(
            Axis.of("group", groups.stream().map(GroupChange::group).toList()),
            Axis.of("number", List.of("change", "others", "share", "p", "adjusted"))),
        values);
  }
}
