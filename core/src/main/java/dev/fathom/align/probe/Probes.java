package dev.fathom.align.probe;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.model.SiteAddress;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// Probes of a model that are kept: at each slice the best one and those orthogonal to it, with
/// what they knew of held-out texts.
///
/// ```java
/// Probes.of(model, result, "reviews.csv").save(path);
/// double[] direction = Probes.load(path, model).at(slice).getFirst().direction();
/// ```
///
/// ## File
///
/// A safetensors file with a [Card] of kind `probe`. For each slice, by its name (`resid_post.3`),
/// all F64: `NAME.direction`, `[probes, width]`, of length 1 and orthogonal to each other, pointing
/// to the class that the card calls `positive`; `NAME.scale` and `NAME.intercept`, `[probes]`: `p =
/// σ(scale · direction·x + intercept)`; and `NAME.auc`, `[probes]`, on held-out texts. History:
/// version 1 is the first.
///
/// @param card how they were made, and for which model
/// @param probes of each slice: the best one, then each orthogonal to those before
/// @param aucs of each of them
public record Probes(
    Card card,
    SequencedMap<Slice, List<LogisticProbe>> probes,
    SequencedMap<Slice, List<Double>> aucs) {
  /// The kind on their card.
  public static final String KIND = "probe";

  private static final String DIRECTION = ".direction";
  private static final String SCALE = ".scale";
  private static final String INTERCEPT = ".intercept";
  private static final String AUC = ".auc";
  private static final double LENGTH = 1e-6;
  private static final ValueLayout.OfDouble DOUBLE =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  public Probes {
    probes = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(probes));
    aucs = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(aucs));
  }

  /// What was found, to be kept.
  ///
  /// @param data what it was found on, for people
  public static Probes of(Transformer model, ProbingResult result, String data) {
    var probes = new LinkedHashMap<Slice, List<LogisticProbe>>();
    var aucs = new LinkedHashMap<Slice, List<Double>>();
    for (LayerProbes layer : result.layers()) {
      probes.put(layer.slice(), layer.probes().stream().map(LogisticFit.Fitted::probe).toList());
      aucs.put(
          layer.slice(), layer.qualities().stream().map(quality -> quality.auc().value()).toList());
    }
    Card card =
        Card.of(KIND, "logistic regression", model.card().name(), model.card().sha256().get())
            .withParameters(result.provenance().parameters())
            .withData(data);
    return new Probes(card, probes, aucs);
  }

  /// The probes of a slice: the best one, then each orthogonal to those before.
  ///
  /// @throws IllegalArgumentException if it has none
  public List<LogisticProbe> at(Slice slice) {
    List<LogisticProbe> found = probes.get(slice);
    if (found == null) {
      throw new IllegalArgumentException(
          "there is no probe of %s, only of %s".formatted(slice, probes.keySet()));
    }
    return found;
  }

  /// Writes them, whole or not at all.
  ///
  /// @throws FathomException if the file cannot be written
  public void save(Path path) {
    var specs = new ArrayList<TensorSpec>();
    var contents = new LinkedHashMap<String, double[]>();
    probes.forEach((slice, own) -> {
      int width = own.getFirst().width();
      specs.add(TensorSpec.of(slice + DIRECTION, TensorType.F64, own.size(), width));
      contents.put(slice + DIRECTION, own.stream().flatMapToDouble(Probes::direction).toArray());
      add(specs, contents, slice + SCALE, own.stream().mapToDouble(LogisticProbe::scale));
      add(specs, contents, slice + INTERCEPT, own.stream().mapToDouble(LogisticProbe::intercept));
      List<Double> areas = aucs.getOrDefault(slice, List.of());
      add(specs, contents, slice + AUC, areas.stream().mapToDouble(Double::doubleValue));
    });
    try (var writer = SafetensorsWriter.create(path, specs, card.toMetadata())) {
      contents.forEach((name, values) -> writer.append(name, bytes(values)));
      writer.commit();
    }
  }

  private static DoubleStream direction(LogisticProbe probe) {
    return Arrays.stream(probe.direction());
  }

  private static void add(
      List<TensorSpec> specs, Map<String, double[]> contents, String name, DoubleStream values) {
    double[] all = values.toArray();
    specs.add(TensorSpec.of(name, TensorType.F64, all.length));
    contents.put(name, all);
  }

  private static MemorySegment bytes(double[] values) {
    MemorySegment bytes = MemorySegment.ofArray(new byte[Math.multiplyExact(8, values.length)]);
    for (int i = 0; i < values.length; i++) {
      bytes.setAtIndex(DOUBLE, i, values[i]);
    }
    return bytes;
  }

  /// Reads probes that were made for this model.
  ///
  /// @throws FathomException if the file holds none, or is of another model or width
  public static Probes load(Path path, Transformer model) {
    try (var file = SafetensorsFile.open(path)) {
      Card card =
          Card.fromMetadata(file.metadata(), path)
              .requireKind(KIND, path)
              .requireBase(model.card().name(), model.card().sha256().get(), path);
      var probes = new LinkedHashMap<Slice, List<LogisticProbe>>();
      var aucs = new LinkedHashMap<Slice, List<Double>>();
      for (String name : file.tensors().keySet()) {
        if (name.endsWith(DIRECTION)) {
          String stem = name.substring(0, name.length() - DIRECTION.length());
          Slice slice = slice(path, stem, model);
          probes.put(slice, probes(file, stem, Features.width(model, slice)));
          double[] areas = doubles(file, stem + AUC, probes.get(slice).size());
          aucs.put(slice, Arrays.stream(areas).boxed().toList());
        }
      }
      if (probes.isEmpty()) {
        throw new FathomException(path + ": there is no probe in it");
      }
      return new Probes(card, probes, aucs);
    }
  }

  /// The slice of a name such as `resid_post.3` or `z.10.h6+h7`.
  private static Slice slice(Path path, String name, Transformer model) {
    try {
      String[] parts = name.split("\\+", -1);
      List<Slice> slices = SiteAddress.parse(parts[0]).slices(model);
      if (slices.size() == 1) {
        Slice slice = slices.getFirst();
        List<Integer> units =
            Stream.concat(
                    slice.units().stream(),
                    Arrays.stream(parts)
                        .skip(1)
                        .flatMap(part ->
                            SiteAddress.parse(slice.site() + "." + part).slices(model).stream())
                        .flatMap(other -> other.units().stream()))
                .toList();
        return new Slice(slice.site(), List.of(), units, slice.positions());
      }
    } catch (IllegalArgumentException e) {
      throw new FathomException("%s: %s".formatted(path, e.getMessage()), e);
    }
    throw new FathomException("%s: '%s' is not one site".formatted(path, name));
  }

  private static List<LogisticProbe> probes(SafetensorsFile file, String name, long width) {
    TensorInfo info = file.tensors().get(name + DIRECTION);
    if (info == null
        || info.type() != TensorType.F64
        || info.shape().size() != 2
        || info.shape().getFirst() < 1
        || info.shape().getLast() != width) {
      throw new FathomException(
          "%s: expected directions of width %d at %s in F64, found %s"
              .formatted(
                  file.path(),
                  width,
                  name,
                  info == null ? "none" : info.type() + " " + info.shape()));
    }
    int count = Math.toIntExact(info.shape().getFirst());
    int each = Math.toIntExact(width);
    double[] directions = doubles(file, name + DIRECTION, count * each);
    double[] scales = doubles(file, name + SCALE, count);
    double[] intercepts = doubles(file, name + INTERCEPT, count);
    return IntStream.range(0, count)
        .mapToObj(j -> {
          double[] direction = Arrays.copyOfRange(directions, j * each, (j + 1) * each);
          double length = Math.sqrt(Arrays.stream(direction).map(v -> v * v).sum());
          if (length != 0 && Math.abs(length - 1) > LENGTH) {
            throw new FathomException(
                "%s: direction %d of %s has length %s, not 1"
                    .formatted(file.path(), j, name, length));
          }
          return LogisticProbe.of(direction, scales[j], intercepts[j]);
        })
        .toList();
  }

  private static double[] doubles(SafetensorsFile file, String name, int count) {
    TensorInfo info = file.tensors().get(name);
    if (info == null || info.type() != TensorType.F64 || info.bytes() != 8L * count) {
      throw new FathomException(
          "%s: expected %d numbers '%s' in F64, found %s"
              .formatted(
                  file.path(),
                  count,
                  name,
                  info == null ? "none" : info.type() + " " + info.shape()));
    }
    MemorySegment bytes = file.bytes(name);
    double[] values = new double[count];
    for (int i = 0; i < count; i++) {
      values[i] = bytes.getAtIndex(DOUBLE, i);
      if (!Double.isFinite(values[i])) {
        throw new FathomException("%s: '%s' is not all numbers".formatted(file.path(), name));
      }
    }
    return values;
  }
}
