package dev.fathom.train;

import dev.fathom.FathomException;
import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Checkpoint;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.checkpoint.WeightWriter;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;

/// The numbers that training changes, by the names they have in a checkpoint: one flat F32 (or F64)
/// array, of which each named tensor is a part. Matrices come first, then vectors and scalars,
/// which weight decay leaves alone.
///
/// The memory is this object's own; [#close()] frees it.
public final class Parameters implements AutoCloseable {
  private final SequencedMap<String, List<Long>> shapes;
  private final Tensor flat;
  private final long matrices;

  private Parameters(SequencedMap<String, List<Long>> shapes, DType dtype) {
    this.shapes = Collections.unmodifiableSequencedMap(matricesFirst(shapes));
    this.matrices = count(shapes, true);
    try (var scope = Scope.open()) {
      this.flat = Tensor.zeros(dtype, matrices + count(shapes, false)).keep();
    }
  }

  /// Zeros of these shapes.
  ///
  /// @param dtype F32, or F64 for oracles
  public static Parameters zeros(SequencedMap<String, List<Long>> shapes, DType dtype) {
    if (dtype != DType.F32 && dtype != DType.F64) {
      throw new IllegalArgumentException("parameters are trained in F32 or F64, not " + dtype);
    }
    if (shapes.isEmpty()) {
      throw new IllegalArgumentException("there is nothing to train: no parameter is named");
    }
    return new Parameters(shapes, dtype);
  }

  /// The weights of a checkpoint, to train on from there.
  public static Parameters of(Checkpoint checkpoint, DType dtype) {
    var parameters = zeros(Models.shapes(checkpoint), dtype);
    try (var scope = Scope.withoutGradients()) {
      parameters
          .tensors()
          .forEach((name, part) -> {
            try (var inner = Scope.open()) {
              part.copyInPlace(Models.read(checkpoint, name, dtype));
            }
          });
    }
    return parameters;
  }

  private static SequencedMap<String, List<Long>> matricesFirst(Map<String, List<Long>> shapes) {
    var ordered = new LinkedHashMap<String, List<Long>>();
    for (boolean matrix : new boolean[] {true, false}) {
      shapes.forEach((name, shape) -> {
        if (isMatrix(shape) == matrix) {
          ordered.put(name, List.copyOf(shape));
        }
      });
    }
    return ordered;
  }

  private static boolean isMatrix(List<Long> shape) {
    return shape.size() > 1;
  }

  private static long count(Map<String, List<Long>> shapes, boolean matrices) {
    return shapes.values().stream()
        .filter(shape -> isMatrix(shape) == matrices)
        .mapToLong(Parameters::elements)
        .sum();
  }

  private static long elements(List<Long> shape) {
    return shape.stream().reduce(1L, Math::multiplyExact);
  }

  /// Names and shapes, in the order of the flat array.
  public SequencedMap<String, List<Long>> shapes() {
    return shapes;
  }

  /// What tells them from parameters of other names or shapes.
  String fingerprint() {
    return "%d in %s, %08x".formatted(elements(), dtype(), shapes.toString().hashCode());
  }

  /// How many numbers there are.
  public long elements() {
    return flat.elements();
  }

  /// How many of the first are entries of matrices.
  long matrixElements() {
    return matrices;
  }

  public DType dtype() {
    return flat.dtype();
  }

  /// All of them, `[elements]`: in place, not a copy.
  public Tensor flat() {
    return flat;
  }

  /// The named tensors, over this object's memory, in the innermost scope.
  public SequencedMap<String, Tensor> tensors() {
    return parts(flat);
  }

  /// Parts of a flat array of the same arrangement, by name.
  SequencedMap<String, Tensor> parts(Tensor array) {
    var parts = new LinkedHashMap<String, Tensor>();
    long at = 0;
    for (var entry : shapes.entrySet()) {
      long n = elements(entry.getValue());
      long[] shape = entry.getValue().stream().mapToLong(Long::longValue).toArray();
      parts.put(entry.getKey(), array.narrow(0, at, n).view(shape));
      at += n;
    }
    return parts;
  }

  /// The same tensors as leaves of a graph: their gradients are added up in the parts of `gradient
  /// [elements]`.
  public SequencedMap<String, Tensor> leaves(Tensor gradient) {
    var leaves = new LinkedHashMap<String, Tensor>();
    SequencedMap<String, Tensor> gradients = parts(gradient);
    parts(flat)
        .forEach((name, part) -> {
          Tensor leaf = part.detach().requireGradient();
          leaf.gatherGradientIn(Objects.requireNonNull(gradients.get(name)));
          leaves.put(name, leaf);
        });
    return leaves;
  }

  /// Fills a flat array of this arrangement from the tensors `prefix + name` of a file.
  void read(SafetensorsFile file, String prefix, Tensor array) {
    parts(array)
        .forEach((name, part) -> {
          TensorInfo info = file.tensors().get(prefix + name);
          if (info == null || !info.shape().equals(shapes.get(name))) {
            throw new FathomException(
                "%s: expected a tensor '%s' of shape %s, found %s"
                    .formatted(
                        file.path(),
                        prefix + name,
                        shapes.get(name),
                        info == null ? "none" : info.shape()));
          }
          part.copyInPlace(Tensor.borrow(file.bytes(prefix + name), dtype(), part.shape()));
        });
  }

  /// What a file declares that holds every parameter as `prefix + name`, unrounded.
  List<TensorSpec> specs(String prefix) {
    return specs(prefix, dtype() == DType.F64 ? TensorType.F64 : TensorType.F32);
  }

  private List<TensorSpec> specs(String prefix, TensorType type) {
    var specs = new ArrayList<TensorSpec>();
    shapes.forEach((name, shape) -> specs.add(new TensorSpec(prefix + name, type, shape)));
    return specs;
  }

  /// Appends the parts of a flat array of this arrangement.
  void write(WeightWriter writer, String prefix, Tensor array) {
    parts(array).forEach((name, part) -> writer.append(prefix + name, part.memory()));
  }

  /// Writes the values as a checkpoint's weights.
  ///
  /// @param type F32 or BF16 (rounded to nearest, ties to even)
  public void export(Path file, TensorType type) {
    DType dtype =
        switch (type) {
          case F32 -> DType.F32;
          case BF16 -> DType.BF16;
          default ->
              throw new IllegalArgumentException(
                  "weights are exported as F32 or BF16, not " + type);
        };
    try (var scope = Scope.withoutGradients();
        var writer = SafetensorsWriter.create(file, specs("", type), Map.of("format", "pt"))) {
      tensors().forEach((name, part) -> writer.append(name, part.to(dtype).contiguous().memory()));
      writer.commit();
    }
  }

  @Override
  public void close() {
    flat.free();
  }
}
