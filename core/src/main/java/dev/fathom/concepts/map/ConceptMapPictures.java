package dev.fathom.concepts.map;

import static dev.fathom.concepts.map.ConceptMapResult.format;
import static dev.fathom.concepts.map.ConceptMapResult.named;

import dev.fathom.concepts.map.ConceptMapResult.Side;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// The pictures of a map of concepts: one of each model, and a window around a concept.
record ConceptMapPictures(ConceptMapResult result) {
  private static final int ZOOM = 20;
  private static final int LEAST_ZOOM = 5;
  private static final int MOST_NAMED = 80;
  private static final String LINK = "map";

  /// The map of each model.
  List<View> maps() {
    View.Frame frame = frame();
    Set<String> named =
        result.names().size() <= MOST_NAMED
            ? Set.copyOf(result.names())
            : !result.config().queries().isEmpty()
                ? Set.copyOf(result.config().queries())
                : result.config().around().map(Set::of).orElse(Set.of());
    var views = new ArrayList<View>();
    for (int s = 0; s < result.sides().size(); s++) {
      View.Scatter map =
          scatter(
                  s,
                  "Concepts in " + named(result.sides().get(s)),
                  result.change().isEmpty()
                      ? "Which concepts lie near each other?"
                      : s == 0
                          ? "Which lie near each other? Point at one to see it in both."
                          : "And what is elsewhere?")
              .naming(named);
      views.add(map.within(frame));
    }
    return views;
  }

  /// All points of all maps, with some room around them.
  private View.Frame frame() {
    double[] low = {Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY};
    double[] high = {Double.NEGATIVE_INFINITY, Double.NEGATIVE_INFINITY};
    for (Side side : result.sides()) {
      for (int i = 0; i < result.names().size(); i++) {
        for (int c = 0; c < 2; c++) {
          low[c] = Math.min(low[c], side.places().at(i, c));
          high[c] = Math.max(high[c], side.places().at(i, c));
        }
      }
    }
    double x = 0.05 * (high[0] - low[0]) + 1e-6;
    double y = 0.05 * (high[1] - low[1]) + 1e-6;
    return new View.Frame(low[0] - x, high[0] + x, low[1] - y, high[1] + y);
  }

  private View.Scatter scatter(int s, String title, String question) {
    var points = new ArrayList<View.Point>();
    for (int i = 0; i < result.names().size(); i++) {
      points.add(
          new View.Point(
              result.sides().get(s).places().at(i, 0),
              result.sides().get(s).places().at(i, 1),
              result.names().get(i),
              result.groups().get(i),
              details(s, i)));
    }
    String axis = result.config().projection() == Projection.PCA ? "component" : "coordinate";
    View.Scatter scatter =
        View.Scatter.of(title, question, "first " + axis, "second " + axis, points);
    return result.change().isEmpty() ? scatter : scatter.linkedBy(LINK);
  }

  private List<String> details(int s, int concept) {
    var details = new ArrayList<String>();
    details.add("nearest: " + neighbours(s, concept));
    result
        .change()
        .ifPresent(own -> {
          own.cosines()
              .ifPresent(
                  cosines -> details.add(format("cosine to the other %.2f", cosines.at(concept))));
          details.add(format("neighbours kept %.0f %%", 100 * own.kept().at(concept)));
        });
    return details;
  }

  /// A concept's nearest with their cosines.
  String neighbours(int s, int concept) {
    Side side = result.sides().get(s);
    int count = Math.min(result.config().nearest(), side.neighbours().axis(1).size());
    return IntStream.range(0, count)
        .mapToObj(rank ->
            format(
                "%s %.2f",
                result.names().get((int) side.neighbours().at(concept, rank)),
                side.cosines().at(concept, rank)))
        .collect(Collectors.joining(", "));
  }

  /// A window around the concept that was asked for, in each map; none if none was.
  List<View> zooms() {
    var views = new ArrayList<View>();
    result
        .config()
        .around()
        .ifPresent(name -> {
          for (int s = 0; s < result.sides().size(); s++) {
            views.add(zoom(s, name));
          }
        });
    return views;
  }

  /// So many are named in a window: 20, or of few concepts a third, so that it is one.
  private int near() {
    return Math.clamp(
        (result.names().size() - 1) / 3, Math.min(LEAST_ZOOM, result.names().size() - 1), ZOOM);
  }

  /// Around three quarters of its nearest, which are named.
  private View zoom(int s, String name) {
    Side side = result.sides().get(s);
    int own = result.names().indexOf(name);
    int count = near();
    List<Integer> near =
        IntStream.range(0, count).mapToObj(r -> (int) side.neighbours().at(own, r)).toList();
    double x = side.places().at(own, 0);
    double y = side.places().at(own, 1);
    List<Double> far =
        near.stream()
            .map(i ->
                Math.max(
                    Math.abs(side.places().at(i, 0) - x), Math.abs(side.places().at(i, 1) - y)))
            .sorted()
            .toList();
    double half = 1.15 * far.get((3 * count - 1) / 4) + 1e-6;
    var frame = new View.Frame(x - half, x + half, y - half, y + half);
    long inside = far.stream().filter(distance -> distance <= half).count();
    Set<String> named = near.stream().map(result.names()::get).collect(Collectors.toSet());
    named.add(name);
    return scatter(
            s,
            "Around '%s' in %s".formatted(name, named(side)),
            format(
                "Where are the %d concepts nearest to it by cosine? %d of them are in this window,"
                    + " and named.",
                count, inside))
        .within(frame)
        .naming(named);
  }
}
