package dev.fathom.concepts.steer;

import dev.fathom.FathomException;
import dev.fathom.align.probe.LogisticProbe;
import dev.fathom.align.probe.Probes;
import dev.fathom.checkpoint.Card;
import dev.fathom.concepts.Dictionary;
import dev.fathom.model.Kind;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/// Where to push a model's stream to steer it towards something: a direction of each of some
/// layers.
///
/// @param name what it steers towards
/// @param site where in a layer, as wide as the stream
/// @param directions by layer, ascending; at least one
/// @param card how it was read, and from which model
public record SteeringVector(
    String name, Kind site, SortedMap<Integer, Direction> directions, Card card) {
  /// The kind on its card.
  public static final String KIND = "steering";

  public SteeringVector {
    directions = Collections.unmodifiableSortedMap(new TreeMap<>(directions));
    if (directions.isEmpty()) {
      throw new IllegalArgumentException(
          "'%s' has no direction at any layer: there is nothing to steer along".formatted(name));
    }
    int width = directions.values().iterator().next().width();
    directions.forEach((layer, direction) -> {
      if (direction.width() != width) {
        throw new IllegalArgumentException(
            "the directions of one model are equally wide, but that of layer %d is %d, not %d"
                .formatted(layer, direction.width(), width));
      }
    });
  }

  /// A concept of a dictionary; its spread is the standard deviation of the texts' activations.
  ///
  /// @param layers some of the dictionary's
  /// @throws IllegalArgumentException if there is no such concept or layer, or its direction is
  ///   nothing there
  public static SteeringVector of(Dictionary dictionary, String concept, List<Integer> layers) {
    int place = dictionary.place(concept);
    var directions = new TreeMap<Integer, Direction>();
    for (int layer : layers) {
      double[] unit = dictionary.direction(layer, concept);
      double spread = dictionary.measured(layer, Dictionary.Measure.SPREAD)[place];
      double[] mean = mean(dictionary, layer, place);
      directions.put(layer, in(layer, () -> Direction.of(unit, spread, dot(unit, mean))));
    }
    Card made = dictionary.card();
    Card card =
        Card.of(KIND, made.method(), made.baseName(), made.baseSha256())
            .with("concept", concept)
            .withData("dictionary " + dictionary.path().getFileName());
    return new SteeringVector(concept, dictionary.site(), directions, card);
  }

  private static double[] mean(Dictionary dictionary, int layer, int place) {
    try (var scope = Scope.withoutGradients()) {
      return dictionary.means(layer).select(0, place).toDoubles();
    }
  }

  /// Probes that were kept, the best of each layer. A spread is the step that adds 1 to the
  /// log-odds, and the centre is where both classes are as likely.
  ///
  /// @param name what their positive class is called
  /// @param layers some of those with a probe
  /// @throws IllegalArgumentException if they read no site as wide as the stream, or several, or a
  ///   layer has none
  public static SteeringVector of(Probes probes, String name, List<Integer> layers) {
    Kind site = site(probes);
    var directions = new TreeMap<Integer, Direction>();
    for (int layer : layers) {
      LogisticProbe probe = probes.at(Slice.of(site, layer)).getFirst();
      directions.put(
          layer,
          in(
              layer,
              () ->
                  Direction.of(
                      probe.direction(), 1 / probe.scale(), -probe.intercept() / probe.scale())));
    }
    Card made = probes.card();
    Card card =
        Card.of(KIND, made.method(), made.baseName(), made.baseSha256()).withData(made.data());
    return new SteeringVector(name, site, directions, card);
  }

  /// The layers of probes of a stream, ascending.
  ///
  /// @throws IllegalArgumentException if they read something else, or several sites
  public static List<Integer> layers(Probes probes) {
    Kind site = site(probes);
    return probes.probes().keySet().stream()
        .map(Slice::site)
        .filter(own -> own.kind() == site)
        .map(Site::layer)
        .sorted()
        .toList();
  }

  private static Kind site(Probes probes) {
    List<Slice> slices = List.copyOf(probes.probes().keySet());
    List<Kind> kinds = slices.stream().map(slice -> slice.site().kind()).distinct().toList();
    boolean whole = slices.stream().allMatch(slice -> slice.units().isEmpty());
    if (kinds.size() != 1 || !whole || !kinds.getFirst().layered()) {
      throw new IllegalArgumentException(
          "steering takes probes of one site of each layer such as resid_post, found probes of %s"
              .formatted(slices));
    }
    return kinds.getFirst();
  }

  /// Names the layer in what is wrong there.
  static Direction in(int layer, Supplier<Direction> made) {
    try {
      return made.get();
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("layer %d: %s".formatted(layer, e.getMessage()), e);
    }
  }

  static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  /// The layers, ascending.
  public List<Integer> layers() {
    return List.copyOf(directions.keySet());
  }

  /// How wide the stream is.
  public int width() {
    return directions.values().iterator().next().width();
  }

  /// The direction of a layer.
  ///
  /// @throws IllegalArgumentException if it has none
  public Direction at(int layer) {
    Direction direction = directions.get(layer);
    if (direction == null) {
      throw new IllegalArgumentException(
          "'%s' has no direction at layer %d, only at %s"
              .formatted(name, layer, directions.keySet()));
    }
    return direction;
  }

  /// The same at some of its layers.
  public SteeringVector only(List<Integer> layers) {
    return new SteeringVector(
        name,
        site,
        layers.stream().collect(Collectors.toMap(l -> l, this::at, (a, _) -> a, TreeMap::new)),
        card);
  }

  /// Steps of this strength along it at each of its layers.
  public List<Steering> added(double strength) {
    return each(layer -> new Steering.Add(layer.getKey(), layer.getValue(), strength));
  }

  /// It is taken out at each of its layers.
  public List<Steering> projectedOut() {
    return each(layer -> new Steering.ProjectOut(layer.getKey(), layer.getValue(), 1));
  }

  /// It is taken out of what attention and MLPs write, at each of its layers.
  public List<Steering> unwritten() {
    return directions.entrySet().stream()
        .flatMap(layer ->
            List.of(Kind.ATTN_OUT, Kind.MLP_OUT).stream()
                .<Steering>map(kind ->
                    new Steering.ProjectOut(Site.of(kind, layer.getKey()), layer.getValue(), 1)))
        .toList();
  }

  private List<Steering> each(Function<Map.Entry<Site, Direction>, Steering> made) {
    return directions.entrySet().stream()
        .map(layer -> made.apply(Map.entry(Site.of(site, layer.getKey()), layer.getValue())))
        .toList();
  }

  /// One direction at several layers: that of the layer it is read at best, as directional ablation
  /// has it.
  public SteeringVector everywhere(int layer, List<Integer> layers) {
    Direction one = at(layer);
    var directions = new TreeMap<Integer, Direction>();
    layers.forEach(other -> directions.put(other, one));
    return new SteeringVector(name, site, directions, card);
  }

  /// The same with spreads and centres as they are in some rows of text, over all their tokens but
  /// the first: for directions of which only the way is known.
  ///
  /// @param rows token ids, at least two tokens in one of them
  /// @throws IllegalArgumentException if the model is as it is everywhere along a direction
  public SteeringVector measured(Transformer model, List<int[]> rows) {
    var measured = new TreeMap<Integer, Direction>();
    directions.forEach((layer, direction) -> {
      var along = Readout.of(model, rows, Site.of(site, layer), direction);
      double[] all = along.stream().flatMapToDouble(row -> Arrays.stream(row).skip(1)).toArray();
      measured.put(layer, in(layer, () -> Direction.along(direction.unit(), all)));
    });
    return new SteeringVector(name, site, measured, card);
  }

  /// Refuses a model that it was not read from.
  ///
  /// @param from the file it came from, for the message
  /// @throws FathomException if the model's weights are others
  public void requireModel(Transformer model, Path from) {
    card.requireBase(model.card().name(), model.card().sha256().get(), from);
  }
}
