package dev.fathom.concepts;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.JsonFiles;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.evaluate.Quantiles;
import dev.fathom.model.Kind;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/// Directions of concepts in a model: for each layer and concept a vector that the model's
/// activations move along when a text is about it. Made by [Compilation].
///
/// ```java
/// try (var dictionary = Dictionary.open(path); var scope = Scope.withoutGradients()) {
///   dictionary.requireModel(model);
///   double[] love = dictionary.direction(20, "love");
///   Tensor all = dictionary.directions(20); // [concepts, width]
/// }
/// ```
///
/// ## Files
///
/// A folder. `dictionary.json` has `fathom.dictionary` (the version, 1), `site`, `layers` and
/// `concepts`, each with `name`, `pairs` it was read from, `held` that it was tried on, and a
/// `group` if it has one. For each layer and the number of concepts `layer-NN-COUNT.safetensors`,
/// with a [Card] of kind `dictionary` and these tensors, F32, rows in the order of the concepts:
/// `direction` and `mean`, `[concepts, width]`, and one of `[concepts]` for each [Measure]. They
/// are mapped, not read. History: version 1 is the first.
///
/// Used by one thread or many; [#close()] unmaps the files.
public final class Dictionary implements AutoCloseable {
  /// The kind on the cards.
  public static final String KIND = "dictionary";

  static final String INDEX = "dictionary.json";
  static final String DIRECTION = "direction";
  static final String MEAN = "mean";
  static final String VERSION_KEY = "fathom.dictionary";
  static final int VERSION = 1;

  private static final long LARGEST_INDEX = 256L << 20;
  private static final int MOST_NAMED = 8;

  private final Path path;
  private final Card card;
  private final Kind site;
  private final List<Entry> entries;
  private final Map<String, Integer> places = new HashMap<>();
  private final TreeMap<Integer, SafetensorsFile> files;
  private final int width;

  /// A concept of a dictionary.
  ///
  /// @param group what it is grouped under, if anything
  /// @param pairs of texts with it and without it, which its directions were read from
  /// @param held pairs that the directions were tried on
  public record Entry(String name, Optional<String> group, int pairs, int held) {}

  /// What is known of a direction.
  public enum Measure {
    /// How often does a held-out text with the concept score higher than one without it: 1 always,
    /// 0.5 chance. NaN where nothing was held out.
    AUC,
    /// The same of directions that were read from shuffled labels, the mean of four.
    SHUFFLED,
    /// The cosine of directions that were read from either half of the texts; NaN of fewer than 4.
    STABILITY,
    /// The share of the squared length of the differences that lies along it, 0 to 1.
    EXPLAINED,
    /// The standard deviation of the texts' activations along it: a natural unit to steer by.
    SPREAD,
    /// The mean over held-out texts of one over the concept's rank among all concepts, when each is
    /// scored along its own direction in standard deviations: 1 if it is always first. NaN where
    /// nothing was held out, or concepts were added since: it was ranked among fewer.
    RANK,
    /// The share of held-out texts of which the concept is the first in that order.
    TOP1,
    /// The share of held-out texts of which it is among the first five.
    TOP5;

    /// The name of its tensor.
    String tensor() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private Dictionary(
      Path path,
      Card card,
      Kind site,
      List<Entry> entries,
      TreeMap<Integer, SafetensorsFile> files,
      int width) {
    this.path = path;
    this.card = card;
    this.site = site;
    this.entries = List.copyOf(entries);
    this.files = files;
    this.width = width;
    for (int i = 0; i < entries.size(); i++) {
      places.put(entries.get(i).name, i);
    }
  }

  /// Whether a folder has a dictionary's index.
  public static boolean isAt(Path path) {
    return Files.isRegularFile(path.resolve(INDEX));
  }

  /// Opens a folder.
  ///
  /// @throws FathomException if it is no dictionary, lacks a layer's file, or a file has another
  ///   width, another number of concepts, or another model's card than the others
  public static Dictionary open(Path path) {
    Path index = path.resolve(INDEX);
    if (!isAt(path)) {
      throw new FathomException(
          "%s: expected a folder with %s, found none: make it by fathom concepts build"
              .formatted(path, INDEX));
    }
    ObjectNode json = JsonFiles.read(index, LARGEST_INDEX);
    if (json.path(VERSION_KEY).asInt(0) != VERSION) {
      throw new FathomException(
          "%s: expected \"%s\": %d, found %s"
              .formatted(index, VERSION_KEY, VERSION, json.path(VERSION_KEY)));
    }
    Kind site = site(index, json.path("site").asString(""));
    List<Entry> entries = entries(index, json.path("concepts"));
    var files = new TreeMap<Integer, SafetensorsFile>();
    try {
      Card card = null;
      int width = 0;
      for (JsonNode layer : json.path("layers")) {
        int number = layer.asInt(-1);
        SafetensorsFile file = SafetensorsFile.open(layerFile(path, number, entries.size()));
        files.put(number, file);
        Card own = Card.fromMetadata(file.metadata(), file.path()).requireKind(KIND, file.path());
        if (card == null) {
          card = own;
          width = width(file, entries.size());
        }
        own.requireBase(card.baseName(), card.baseSha256(), file.path());
        requireShapes(file, entries.size(), width);
      }
      if (card == null) {
        throw new FathomException(index + ": it names no layers");
      }
      return new Dictionary(path, card, site, entries, files, width);
    } catch (RuntimeException | Error e) {
      files.values().forEach(SafetensorsFile::close);
      throw e;
    }
  }

  static Path layerFile(Path path, int layer, int concepts) {
    return path.resolve(String.format(Locale.ROOT, "layer-%02d-%d.safetensors", layer, concepts));
  }

  private static Kind site(Path index, String text) {
    return Arrays.stream(Kind.values())
        .filter(kind -> kind.text().equals(text) && kind.layered() && !kind.pairwise())
        .findFirst()
        .orElseThrow(() ->
            new FathomException(
                "%s: expected the \"site\" of a layer such as resid_post, found '%s'"
                    .formatted(index, text)));
  }

  private static List<Entry> entries(Path index, JsonNode concepts) {
    var entries = new ArrayList<Entry>();
    var names = new HashSet<String>();
    for (JsonNode concept : concepts) {
      String name = concept.path("name").asString("");
      if (name.isBlank() || !names.add(name)) {
        throw new FathomException(
            "%s: concept %d has %s"
                .formatted(
                    index,
                    entries.size() + 1,
                    name.isBlank() ? "no name" : "the name of another, '" + name + "'"));
      }
      entries.add(
          new Entry(
              name,
              Optional.ofNullable(concept.path("group").asString(null)),
              concept.path("pairs").asInt(0),
              concept.path("held").asInt(0)));
    }
    if (entries.isEmpty()) {
      throw new FathomException(index + ": it has no concepts");
    }
    return entries;
  }

  private static int width(SafetensorsFile file, int count) {
    TensorInfo info = file.tensors().get(DIRECTION);
    if (info == null || info.shape().size() != 2) {
      throw new FathomException(
          "%s: expected '%s' of %d rows, found %s"
              .formatted(file.path(), DIRECTION, count, info == null ? "none" : info.shape()));
    }
    return Math.toIntExact(info.shape().getLast());
  }

  /// The tensors of a layer's file.
  static List<TensorSpec> specs(int count, int width) {
    var specs = new ArrayList<TensorSpec>();
    specs.add(TensorSpec.of(DIRECTION, TensorType.F32, count, width));
    specs.add(TensorSpec.of(MEAN, TensorType.F32, count, width));
    for (Measure measure : Measure.values()) {
      specs.add(TensorSpec.of(measure.tensor(), TensorType.F32, count));
    }
    return specs;
  }

  private static void requireShapes(SafetensorsFile file, int count, int width) {
    for (TensorSpec spec : specs(count, width)) {
      TensorInfo info = file.tensors().get(spec.name());
      if (info == null || info.type() != spec.type() || !info.shape().equals(spec.shape())) {
        throw new FathomException(
            "%s: expected '%s' of %s numbers in F32, found %s"
                .formatted(
                    file.path(),
                    spec.name(),
                    spec.shape(),
                    info == null ? "none" : info.type() + " " + info.shape()));
      }
    }
  }

  /// The index of a dictionary, to be written.
  static ObjectNode index(Kind site, List<Integer> layers, List<Entry> entries) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put(VERSION_KEY, VERSION);
    json.put("site", site.text());
    ArrayNode numbers = json.putArray("layers");
    layers.forEach(numbers::add);
    ArrayNode concepts = json.putArray("concepts");
    for (Entry entry : entries) {
      ObjectNode concept = concepts.addObject().put("name", entry.name);
      entry.group.ifPresent(group -> concept.put("group", group));
      concept.put("pairs", entry.pairs).put("held", entry.held);
    }
    return json;
  }

  public Path path() {
    return path;
  }

  /// How it was made, and of which model.
  public Card card() {
    return card;
  }

  /// Where in a layer activations were read.
  public Kind site() {
    return site;
  }

  /// The layers, ascending.
  public List<Integer> layers() {
    return List.copyOf(files.keySet());
  }

  /// The concepts, in the order of rows.
  public List<Entry> entries() {
    return entries;
  }

  /// How many concepts.
  public int count() {
    return entries.size();
  }

  /// Numbers of a direction.
  public int width() {
    return width;
  }

  /// The row of a concept.
  ///
  /// @throws IllegalArgumentException if there is none of this name, with names that are like it
  public int place(String name) {
    Integer place = places.get(name);
    if (place == null) {
      String start = name.toLowerCase(Locale.ROOT).substring(0, Math.min(2, name.length()));
      String near =
          entries.stream()
              .map(Entry::name)
              .filter(other -> other.toLowerCase(Locale.ROOT).startsWith(start))
              .limit(MOST_NAMED)
              .collect(Collectors.joining(", "));
      String some =
          entries.stream().map(Entry::name).limit(MOST_NAMED).collect(Collectors.joining(", "));
      throw new IllegalArgumentException(
          "%s: there is no concept '%s' among its %d, such as %s"
              .formatted(path, name, entries.size(), near.isEmpty() ? some : near));
    }
    return place;
  }

  /// All directions of a layer, F32 `[concepts, width]`, of length 1 (zeros where texts with and
  /// without a concept gave the same activations), in the current scope. The file's own memory: not
  /// to be written to.
  public Tensor directions(int layer) {
    return tensor(layer, DIRECTION, count(), width);
  }

  /// The means of the activations that directions were read from, with and without the concept
  /// alike, F32 `[concepts, width]`, in the current scope.
  public Tensor means(int layer) {
    return tensor(layer, MEAN, count(), width);
  }

  /// The mean of all these activations, F64 `[width]`, in the current scope.
  public Tensor mean(int layer) {
    double[] weights = entries.stream().mapToDouble(Entry::pairs).toArray();
    double all = Arrays.stream(weights).sum();
    try (var scope = Scope.withoutGradients()) {
      Tensor shares = Tensor.of(weights, 1, weights.length).div(all);
      return scope.escape(shares.matmul(means(layer).to(DType.F64)).squeeze(0));
    }
  }

  /// One direction.
  public double[] direction(int layer, String name) {
    try (var scope = Scope.withoutGradients()) {
      return directions(layer).select(0, place(name)).toDoubles();
    }
  }

  /// What is known of all directions of a layer, in the order of concepts.
  public double[] measured(int layer, Measure measure) {
    try (var scope = Scope.withoutGradients()) {
      return tensor(layer, measure.tensor(), count()).toDoubles();
    }
  }

  /// A tensor of a layer as it is, `[concepts]` or `[concepts, width]`.
  Tensor tensor(int layer, String name) {
    boolean wide = name.equals(DIRECTION) || name.equals(MEAN);
    return wide ? tensor(layer, name, count(), width) : tensor(layer, name, count());
  }

  private Tensor tensor(int layer, String name, long... shape) {
    SafetensorsFile file = files.get(layer);
    if (file == null) {
      throw new IllegalArgumentException(
          "%s: layer %d was not read, only %s".formatted(path, layer, files.keySet()));
    }
    return Tensor.borrow(file.bytes(name), DType.F32, shape);
  }

  /// The layer whose directions tell held-out texts best: of the highest median [Measure#AUC], the
  /// lowest of those; the middle one where nothing was held out.
  public int bestLayer() {
    int best = layers().get(files.size() / 2);
    double most = Double.NEGATIVE_INFINITY;
    for (int layer : layers()) {
      double median = Quantiles.median(measured(layer, Measure.AUC));
      if (median > most) {
        most = median;
        best = layer;
      }
    }
    return best;
  }

  /// The members of each group, as rows, in the order of first mention.
  public Map<String, List<Integer>> groups() {
    var groups = new LinkedHashMap<String, List<Integer>>();
    for (int i = 0; i < count(); i++) {
      int place = i;
      entries
          .get(i)
          .group
          .ifPresent(group -> groups.computeIfAbsent(group, _ -> new ArrayList<>()).add(place));
    }
    return groups;
  }

  /// Refuses a model it was not made of.
  ///
  /// @throws FathomException if the model's weights are others
  public void requireModel(Transformer model) {
    card.requireBase(model.card().name(), model.card().sha256().get(), path);
  }

  /// The files of the layers.
  List<Path> files() {
    return files.values().stream().map(SafetensorsFile::path).toList();
  }

  @Override
  public void close() {
    files.values().forEach(SafetensorsFile::close);
  }
}
