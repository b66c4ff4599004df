package dev.fathom.arch;

import dev.fathom.checkpoint.Checkpoint;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorLedger;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.model.Linear;
import dev.fathom.model.Norm;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Memory;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Hands a family its tensors as parts, in the element type the model computes in.
final class Weights implements AutoCloseable {
  private final Source source;
  private final TensorLedger ledger;
  private final DType dtype;
  private final List<Tensor> owned = new ArrayList<>();
  private final List<Weight> matrices = new ArrayList<>();
  private final Map<String, Tensor> known = new HashMap<>();
  private final Map<Tensor, MemorySegment> mappings = new IdentityHashMap<>();
  private long parameters;

  /// Where the tensors are.
  sealed interface Source {
    /// On disk: mapped where the file already has the wanted type, else converted.
    record Stored(Checkpoint checkpoint) implements Source {}

    /// Nowhere: tensors of the right shape that take no memory, to check names and shapes.
    record Planned() implements Source {}

    /// In memory, by name: used as they are, converted inside the graph if they have another type.
    record Given(Map<String, Tensor> tensors) implements Source {}
  }

  Weights(Source source, TensorLedger ledger, DType dtype) {
    this.source = source;
    this.ledger = ledger;
    this.dtype = dtype;
  }

  TensorLedger ledger() {
    return ledger;
  }

  /// Numbers in all tensors taken so far.
  long parameters() {
    return parameters;
  }

  /// Rows of a matrix whose height only the file knows; 1 when there is no such tensor.
  long rowsOf(String name) {
    return ledger.shape(name).filter(shape -> !shape.isEmpty()).map(List::getFirst).orElse(1L);
  }

  boolean has(String name) {
    return ledger.has(name);
  }

  /// A tensor of this shape, which may be asked for again (tied weights).
  Tensor tensor(String name, long... shape) {
    Tensor seen = known.get(name);
    if (seen != null) {
      return seen;
    }
    Tensor tensor = read(ledger.take(name, shape), shape);
    known.put(name, tensor);
    return tensor;
  }

  Optional<Tensor> optional(String name, long... shape) {
    return ledger.has(name) ? Optional.of(tensor(name, shape)) : Optional.empty();
  }

  private Tensor read(TensorInfo info, long[] shape) {
    parameters += info.shape().stream().reduce(1L, Math::multiplyExact);
    try (var scope = Scope.open()) {
      if (info.bytes() == 0 || info.shape().size() != shape.length) {
        return standIn(shape);
      }
      return switch (source) {
        case Source.Stored(Checkpoint checkpoint) -> stored(checkpoint, info, shape);
        case Source.Planned() -> standIn(shape);
        case Source.Given(Map<String, Tensor> tensors) -> {
          Tensor given = Objects.requireNonNull(tensors.get(info.name()), info.name());
          yield own(given.dtype() == dtype ? given : given.to(dtype));
        }
      };
    }
  }

  private Tensor standIn(long[] shape) {
    return own(Tensor.zeros(dtype, 1).reshape(ones(shape.length)).expand(shape));
  }

  private Tensor stored(Checkpoint checkpoint, TensorInfo info, long[] shape) {
    if (mappable(checkpoint, info)) {
      MemorySegment pages = checkpoint.read(info.name());
      Tensor mapped = own(Tensor.borrow(pages, dtype, shape));
      mappings.put(mapped, pages);
      return mapped;
    }
    return own(copy(checkpoint, info, dtype));
  }

  /// A tensor read into memory of its own.
  static Tensor copy(Checkpoint checkpoint, TensorInfo info, DType dtype) {
    long[] shape = info.shape().stream().mapToLong(Long::longValue).toArray();
    try (var arena = Arena.ofShared()) {
      MemorySegment bytes = checkpoint.read(info.name(), arena);
      Tensor stored = Tensor.borrow(bytes, dtypeOf(info.type()), shape);
      Tensor converted = stored.dtype() == dtype ? stored.copy() : stored.to(dtype);
      if (bytes.isMapped()) {
        bytes.unload(); // read once, not needed in physical memory again
      }
      return converted;
    }
  }

  private boolean mappable(Checkpoint checkpoint, TensorInfo info) {
    return dtypeOf(info.type()) == dtype
        && (checkpoint.mapped(info.name()) || !"safetensors".equals(checkpoint.format()));
  }

  private static long[] ones(int dims) {
    long[] ones = new long[dims];
    java.util.Arrays.fill(ones, 1);
    return ones;
  }

  private static DType dtypeOf(TensorType type) {
    return switch (type) {
      case F64 -> DType.F64;
      case F16 -> DType.F16;
      case BF16 -> DType.BF16;
      case I64 -> DType.I64;
      case I32 -> DType.I32;
      case I16 -> DType.I16;
      case I8 -> DType.I8;
      case U8 -> DType.U8;
      case BOOL -> DType.BOOL;
      default -> DType.F32; // quantised tensors are delivered as F32
    };
  }

  private Tensor own(Tensor tensor) {
    Tensor kept = tensor.keep();
    owned.add(kept);
    return kept;
  }

  /// `prefix.weight [out, in]` and, with `bias`, `prefix.bias [out]`.
  Linear linear(String prefix, long out, long in, boolean bias) {
    String name = prefix + ".weight";
    return new Linear(
        matrix(tensor(name, out, in)),
        bias ? tensor(prefix + ".bias", out) : null,
        new Linear.Origin(name, 0, out, false));
  }

  /// Rows `from` to `to` of a fused map `prefix.weight [total, in]`.
  Linear rows(String prefix, long total, long from, long to, long in, boolean bias) {
    String name = prefix + ".weight";
    return new Linear(
        matrix(view(tensor(name, total, in), from, to)),
        bias ? view(tensor(prefix + ".bias", total), from, to) : null,
        new Linear.Origin(name, from, to, false));
  }

  /// Outputs `from` to `to` of GPT-2's Conv1D `prefix.weight [in, total]`, which is stored
  /// transposed.
  Linear conv1d(String prefix, long in, long total, long from, long to) {
    String name = prefix + ".weight";
    Tensor whole = tensor(name, in, total);
    Tensor transposed;
    try (var scope = Scope.open()) {
      transposed = own(whole.transpose(0, 1).narrow(0, from, to - from));
    }
    return new Linear(
        matrix(transposed),
        view(tensor(prefix + ".bias", total), from, to),
        new Linear.Origin(name, from, to, true));
  }

  /// The map to the vocabulary that shares the embedding's table.
  ///
  /// @param stored the table's name
  /// @param name what its weight is called where it is a tensor of its own
  Linear tied(Tensor table, String stored, String name, @Nullable Tensor bias) {
    return new Linear(
        matrix(table), bias, new Linear.Origin(name, 0, table.size(0), false, stored));
  }

  private Weight matrix(Tensor values) {
    MemorySegment pages = mappings.get(values);
    Weight weight = pages == null ? Weight.of(values) : Weight.mapped(values, pages);
    matrices.add(weight);
    return weight;
  }

  private Tensor view(Tensor whole, long from, long to) {
    if (from == 0 && to == whole.size(0)) {
      return whole;
    }
    try (var scope = Scope.open()) {
      return own(whole.narrow(0, from, to - from));
    }
  }

  Norm.LayerNorm layerNorm(String prefix, long d, double eps) {
    return new Norm.LayerNorm(tensor(prefix + ".weight", d), tensor(prefix + ".bias", d), eps);
  }

  Norm.RmsNorm rmsNorm(String prefix, long d, double eps) {
    return new Norm.RmsNorm(tensor(prefix + ".weight", d), eps);
  }

  /// Gemma's: the stored weight is the gain less one.
  Norm.RmsNorm rmsNormPlusOne(String prefix, long d, double eps) {
    Tensor stored = tensor(prefix + ".weight", d);
    try (var scope = Scope.open()) {
      Tensor wide = dtype == DType.F64 ? stored : stored.to(DType.F32);
      return new Norm.RmsNorm(own(wide.add(1).to(dtype)), eps);
    }
  }

  /// A part of the model's own that is computed, not stored.
  Tensor constant(Tensor value) {
    return own(value);
  }

  @Override
  public void close() {
    matrices.forEach(Weight::unpack);
    owned.forEach(Tensor::free);
    owned.clear();
    if (source instanceof Source.Stored(Checkpoint checkpoint)) {
      checkpoint.close();
      Memory.trim();
    }
  }
}
