package dev.fathom.tensor;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.StringViewOptional;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/// An n-dimensional array in native memory, freed with the [Scope] it was made in. Operations
/// return new tensors (or views, where the name says so in libtorch) and never change their inputs;
/// the few that write in place end in `InPlace`.
///
/// Only the operations Fathom uses are here. Names are libtorch's in camel case; semantics are
/// libtorch's: broadcasting, negative dimensions, type promotion.
public final class Tensor {
  static {
    Libtorch.prepare();
  }

  private final org.bytedeco.pytorch.Tensor pointer;

  Tensor(org.bytedeco.pytorch.Tensor pointer) {
    this.pointer = pointer;
  }

  org.bytedeco.pytorch.Tensor pointer() {
    return pointer;
  }

  private static Tensor wrap(org.bytedeco.pytorch.Tensor pointer) {
    return new Tensor(pointer);
  }

  // ---------------------------------------------------------------- making

  public static Tensor of(float[] values, long... shape) {
    requireCount(values.length, shape);
    try (var source = new FloatPointer(values)) {
      return copyOf(source, shape, DType.F32);
    }
  }

  public static Tensor of(double[] values, long... shape) {
    requireCount(values.length, shape);
    try (var source = new DoublePointer(values)) {
      return copyOf(source, shape, DType.F64);
    }
  }

  public static Tensor of(long[] values, long... shape) {
    requireCount(values.length, shape);
    try (var source = new LongPointer(values)) {
      return copyOf(source, shape, DType.I64);
    }
  }

  public static Tensor of(int[] values, long... shape) {
    return of(Arrays.stream(values).asLongStream().toArray(), shape);
  }

  /// A matrix of rows of the same length, F64 `[rows, length]`; at least one.
  public static Tensor ofRows(List<double[]> rows) {
    int length = rows.getFirst().length;
    return of(rows.stream().flatMapToDouble(Arrays::stream).toArray(), rows.size(), length);
  }

  /// Ones on the diagonal, F64 `[n, n]`.
  public static Tensor identity(long n) {
    Tensor places = range(0, n);
    return places.unsqueeze(1).eq(places.unsqueeze(0)).to(DType.F64);
  }

  private static Tensor copyOf(Pointer source, long[] shape, DType dtype) {
    try (var options = options(dtype);
        var borrowed = torch.from_blob(source, shape, options)) {
      return wrap(borrowed.clone());
    }
  }

  /// A tensor over memory that someone else owns, without a copy. The memory must outlive every
  /// tensor that reads it, and is read-only if it is a mapped file: clone before writing.
  public static Tensor borrow(MemorySegment memory, DType dtype, long... shape) {
    long bytes = count(shape) * dtype.bytes();
    if (memory.byteSize() < bytes) {
      throw new IllegalArgumentException(
          "shape %s of %s needs %d bytes, the memory has %d"
              .formatted(Arrays.toString(shape), dtype, bytes, memory.byteSize()));
    }
    if (bytes == 0) {
      return zeros(dtype, shape);
    }
    try (var options = options(dtype)) {
      return wrap(torch.from_blob(new Address(memory.address()), shape, options));
    }
  }

  private static final class Address extends Pointer {
    Address(long address) {
      this.address = address;
    }
  }

  public static Tensor zeros(DType dtype, long... shape) {
    try (var options = options(dtype)) {
      return wrap(torch.zeros(shape, options));
    }
  }

  /// Memory with whatever happens to be in it: to be filled by the caller.
  public static Tensor empty(DType dtype, long... shape) {
    try (var options = options(dtype)) {
      return wrap(torch.empty(shape, options, new MemoryFormatOptional()));
    }
  }

  public static Tensor full(double value, DType dtype, long... shape) {
    try (var options = options(dtype)) {
      return wrap(torch.full(shape, new Scalar(value), options));
    }
  }

  /// Ones and zeros drawn at random, the same for a seed: F32, 1 with probability `p`.
  public static Tensor bernoulli(double p, long seed, long... shape) {
    try (var generator = torch.createCPUGenerator(seed);
        var optional = new GeneratorOptional(generator)) {
      Tensor drawn = empty(DType.F32, shape);
      drawn.pointer.bernoulli_(p, optional);
      return drawn;
    }
  }

  /// `start, start + 1, …, end - 1` as I64.
  public static Tensor range(long start, long end) {
    try (var options = options(DType.I64)) {
      return wrap(torch.arange(new Scalar(start), new Scalar(end), options));
    }
  }

  public static Tensor cat(List<Tensor> parts, long dim) {
    return parts.size() == 1 ? parts.getFirst() : wrap(torch.cat(vector(parts), dim));
  }

  public static Tensor stack(List<Tensor> parts, long dim) {
    return wrap(torch.stack(vector(parts), dim));
  }

  private static TensorVector vector(List<Tensor> parts) {
    return new TensorVector(
        parts.stream().map(t -> t.pointer).toArray(org.bytedeco.pytorch.Tensor[]::new));
  }

  /// A number of this tensor's own kind, so that whole numbers stay whole.
  private Scalar scalar(double value) {
    return dtype().isFloating() ? new Scalar(value) : new Scalar((long) value);
  }

  private static TensorOptions options(DType dtype) {
    return new TensorOptions(dtype.scalarType);
  }

  private static void requireCount(int values, long[] shape) {
    if (count(shape) != values) {
      throw new IllegalArgumentException(
          "shape %s does not hold %d values".formatted(Arrays.toString(shape), values));
    }
  }

  private static long count(long[] shape) {
    return Arrays.stream(shape).reduce(1, Math::multiplyExact);
  }

  // ---------------------------------------------------------------- asking

  public DType dtype() {
    return DType.of(pointer.scalar_type());
  }

  public long[] shape() {
    long[] shape = new long[(int) pointer.dim()];
    for (int i = 0; i < shape.length; i++) {
      shape[i] = pointer.size(i);
    }
    return shape;
  }

  public int dim() {
    return (int) pointer.dim();
  }

  public long size(long dim) {
    return pointer.size(dim);
  }

  public long elements() {
    return pointer.numel();
  }

  /// Bytes of the elements (not of the storage behind a view).
  public long bytes() {
    return elements() * dtype().bytes();
  }

  public boolean isContiguous() {
    return pointer.is_contiguous();
  }

  /// The address of the first element: equal for two tensors that share it.
  public long address() {
    return pointer.data_ptr().address();
  }

  // ---------------------------------------------------------------- owning

  /// A second handle on the same memory that belongs to no scope: whoever asks for it must [#free]
  /// it.
  public Tensor keep() {
    var handle = new org.bytedeco.pytorch.Tensor(pointer);
    handle.retainReference();
    var scope = PointerScope.getInnerScope();
    if (scope != null) {
      scope.detach(handle);
    }
    return wrap(handle);
  }

  /// Frees a handle made by [#keep] (not one that belongs to a scope).
  public void free() {
    pointer.releaseReference();
  }

  // ---------------------------------------------------------------- out of native memory

  /// All elements in row-major order, converted to float.
  public float[] toFloats() {
    try (var inner = new PointerScope()) {
      float[] values = new float[Math.toIntExact(elements())];
      if (values.length > 0) {
        var plain = pointer.detach().to(DType.F32.scalarType).contiguous();
        new FloatPointer(plain.data_ptr()).get(values);
      }
      return values;
    }
  }

  public double[] toDoubles() {
    try (var inner = new PointerScope()) {
      double[] values = new double[Math.toIntExact(elements())];
      if (values.length > 0) {
        var plain = pointer.detach().to(DType.F64.scalarType).contiguous();
        new DoublePointer(plain.data_ptr()).get(values);
      }
      return values;
    }
  }

  /// The rows of this matrix, each with its own numbers.
  public List<double[]> toRows() {
    int width = Math.toIntExact(size(1));
    double[] all = toDoubles();
    var rows = new ArrayList<double[]>();
    for (int from = 0; from < all.length; from += width) {
      rows.add(Arrays.copyOfRange(all, from, from + width));
    }
    return rows;
  }

  public long[] toLongs() {
    try (var inner = new PointerScope()) {
      long[] values = new long[Math.toIntExact(elements())];
      if (values.length > 0) {
        var plain = pointer.detach().to(DType.I64.scalarType).contiguous();
        new LongPointer(plain.data_ptr()).get(values);
      }
      return values;
    }
  }

  /// The one element of a one-element tensor.
  public double item() {
    return pointer.item_double();
  }

  /// The bytes of a contiguous tensor, in place: valid as long as the tensor is.
  public MemorySegment memory() {
    if (!isContiguous()) {
      throw new IllegalArgumentException("only a contiguous tensor can be seen as one segment");
    }
    return MemorySegment.ofAddress(address()).reinterpret(bytes());
  }

  // ---------------------------------------------------------------- shape

  public Tensor reshape(long... shape) {
    return wrap(pointer.reshape(shape));
  }

  public Tensor view(long... shape) {
    return wrap(pointer.view(shape));
  }

  public Tensor transpose(long a, long b) {
    return wrap(pointer.transpose(a, b));
  }

  public Tensor permute(long... dims) {
    return wrap(pointer.permute(dims));
  }

  public Tensor narrow(long dim, long start, long length) {
    return wrap(pointer.narrow(dim, start, length));
  }

  public Tensor select(long dim, long index) {
    return wrap(pointer.select(dim, index));
  }

  public Tensor unsqueeze(long dim) {
    return wrap(pointer.unsqueeze(dim));
  }

  public Tensor squeeze(long dim) {
    return wrap(pointer.squeeze(dim));
  }

  public Tensor flatten(long first, long last) {
    return wrap(pointer.flatten(first, last));
  }

  public Tensor expand(long... shape) {
    return wrap(pointer.expand(shape));
  }

  public Tensor flip(long... dims) {
    return wrap(pointer.flip(dims));
  }

  public Tensor contiguous() {
    return wrap(pointer.contiguous());
  }

  public Tensor copy() {
    return wrap(pointer.clone());
  }

  /// The same numbers in F32, or in F64 where they already are: what sums and results are made in.
  public Tensor wide() {
    return dtype() == DType.F64 ? this : to(DType.F32);
  }

  public Tensor to(DType dtype) {
    return wrap(pointer.to(dtype.scalarType));
  }

  public Tensor indexSelect(long dim, Tensor index) {
    return wrap(pointer.index_select(dim, index.pointer));
  }

  public Tensor indexSelect(long dim, long... index) {
    return indexSelect(dim, of(index, index.length));
  }

  /// This tensor with `source` written over the given places along `dim`.
  public Tensor indexCopy(long dim, Tensor index, Tensor source) {
    return wrap(torch.index_copy(pointer, dim, index.pointer, source.pointer));
  }

  /// This tensor with `source` added at the given places along `dim`.
  public Tensor indexAdd(long dim, Tensor index, Tensor source) {
    return wrap(pointer.index_add(dim, index.pointer, source.pointer));
  }

  public Tensor gather(long dim, Tensor index) {
    return wrap(pointer.gather(dim, index.pointer));
  }

  /// Consecutive pieces of these sizes along `dim`, as views.
  public List<Tensor> split(long dim, long... sizes) {
    var parts = torch.split_with_sizes(pointer, sizes, dim);
    var pieces = new ArrayList<Tensor>();
    for (long i = 0; i < parts.size(); i++) {
      pieces.add(wrap(parts.get(i)));
    }
    return pieces;
  }

  /// Rows `ids` of this table `[rows, width]`.
  public Tensor embedding(Tensor ids) {
    return wrap(torch.embedding(pointer, ids.pointer));
  }

  // ---------------------------------------------------------------- arithmetic

  public Tensor add(Tensor other) {
    return wrap(pointer.add(other.pointer));
  }

  public Tensor add(double value) {
    return wrap(pointer.add(scalar(value)));
  }

  public Tensor sub(Tensor other) {
    return wrap(pointer.sub(other.pointer));
  }

  public Tensor sub(double value) {
    return wrap(pointer.sub(scalar(value)));
  }

  public Tensor mul(Tensor other) {
    return wrap(pointer.mul(other.pointer));
  }

  public Tensor mul(double value) {
    return wrap(pointer.mul(new Scalar(value)));
  }

  public Tensor div(Tensor other) {
    return wrap(pointer.div(other.pointer));
  }

  public Tensor div(double value) {
    return wrap(pointer.div(new Scalar(value)));
  }

  /// `this + a ⊙ b`.
  public Tensor addcmul(Tensor a, Tensor b) {
    return wrap(pointer.addcmul(a.pointer, b.pointer));
  }

  public Tensor neg() {
    return wrap(pointer.neg());
  }

  public Tensor abs() {
    return wrap(pointer.abs());
  }

  public Tensor square() {
    return wrap(pointer.square());
  }

  public Tensor sqrt() {
    return wrap(pointer.sqrt());
  }

  public Tensor rsqrt() {
    return wrap(pointer.rsqrt());
  }

  public Tensor exp() {
    return wrap(pointer.exp());
  }

  public Tensor log() {
    return wrap(pointer.log());
  }

  public Tensor sin() {
    return wrap(pointer.sin());
  }

  public Tensor cos() {
    return wrap(pointer.cos());
  }

  public Tensor tanh() {
    return wrap(pointer.tanh());
  }

  /// `1 − erf(x)`, the complementary error function.
  public Tensor erfc() {
    return wrap(pointer.erfc());
  }

  public Tensor sigmoid() {
    return wrap(pointer.sigmoid());
  }

  public Tensor relu() {
    return wrap(pointer.relu());
  }

  public Tensor silu() {
    return wrap(torch.silu(pointer));
  }

  /// `x Φ(x)`, with the error function.
  public Tensor gelu() {
    return wrap(torch.gelu(pointer));
  }

  /// `½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
  public Tensor geluTanh() {
    return wrap(torch.gelu(pointer, "tanh"));
  }

  public Tensor matmul(Tensor other) {
    return wrap(pointer.matmul(other.pointer));
  }

  /// `this Wᵀ + bias` for a matrix `[out, in]` that is used once; [Weight] is faster for others.
  public Tensor linear(Tensor matrix, @Nullable Tensor bias) {
    return wrap(torch.linear(pointer, matrix.pointer, optional(bias)));
  }

  /// The lower triangular L of this symmetric positive definite matrix, `L Lᵀ`.
  public Tensor cholesky() {
    return wrap(torch.linalg_cholesky(pointer));
  }

  /// `(L Lᵀ)⁻¹` of this lower triangular L.
  public Tensor choleskyInverse() {
    return wrap(torch.cholesky_inverse(pointer));
  }

  /// Eigenvalues of a symmetric matrix, ascending, and its eigenvectors, the columns.
  public record Eigen(Tensor values, Tensor vectors) {}

  /// The eigenvalues and eigenvectors of this symmetric matrix, of which the lower half is read.
  public Eigen eigen() {
    var pair = torch.linalg_eigh(pointer);
    return new Eigen(wrap(pair.get0()), wrap(pair.get1()));
  }

  /// Singular values and vectors of this matrix `[m, n]`, `U diag(S) Vᵀ`.
  ///
  /// @param full whether U is `[m, m]` and Vᵀ `[n, n]`, or both only as wide as there are values
  public Svd svd(boolean full) {
    try (var driver = new StringViewOptional()) {
      var all = torch.linalg_svd(pointer, full, driver);
      return new Svd(wrap(all.get0()), wrap(all.get1()), wrap(all.get2()));
    }
  }

  /// A decomposition: columns of `u` and rows of `vt` are orthonormal, `s` descends.
  public record Svd(Tensor u, Tensor s, Tensor vt) {}

  // ---------------------------------------------------------------- reductions

  public Tensor sum() {
    return wrap(pointer.sum());
  }

  public Tensor sum(long dim, boolean keep) {
    return wrap(pointer.sum(new long[] {dim}, keep, new ScalarTypeOptional()));
  }

  public Tensor mean() {
    return wrap(pointer.mean());
  }

  public Tensor mean(long dim, boolean keep) {
    return wrap(pointer.mean(new long[] {dim}, keep, new ScalarTypeOptional()));
  }

  public Tensor max() {
    return wrap(pointer.max());
  }

  public Tensor max(long dim, boolean keep) {
    return wrap(pointer.amax(new long[] {dim}, keep));
  }

  /// Index of the largest element along `dim`; the first of equals.
  public Tensor argmax(long dim) {
    return wrap(pointer.argmax(new LongOptional(dim), false));
  }

  /// The Euclidean norm along `dim`.
  public Tensor norm(long dim, boolean keep) {
    return wrap(
        torch.linalg_vector_norm(
            pointer, new Scalar(2), new long[] {dim}, keep, new ScalarTypeOptional()));
  }

  public Tensor softmax(long dim) {
    return wrap(pointer.softmax(dim));
  }

  public Tensor logSoftmax(long dim) {
    return wrap(pointer.log_softmax(dim));
  }

  public Tensor logSumExp(long dim, boolean keep) {
    return wrap(pointer.logsumexp(new long[] {dim}, keep));
  }

  /// `−Σ ln softmax(this)[row, target]` over rows, for I64 targets `[rows]`; rows with target -100
  /// do not count.
  public Tensor crossEntropySum(Tensor targets) {
    return wrap(
        torch.cross_entropy_loss(pointer, targets.pointer, new TensorOptional(), 2, -100, 0.0));
  }

  public Tensor cumsum(long dim) {
    return wrap(pointer.cumsum(dim));
  }

  /// The `k` largest along a dimension, best first.
  public TopK topK(long k, long dim) {
    var both = pointer.topk(k, dim, true, true);
    return new TopK(wrap(both.get0()), wrap(both.get1()));
  }

  /// The `k` smallest along a dimension, smallest first.
  public TopK bottomK(long k, long dim) {
    var both = pointer.topk(k, dim, false, true);
    return new TopK(wrap(both.get0()), wrap(both.get1()));
  }

  /// Values and their I64 indices.
  public record TopK(Tensor values, Tensor indices) {}

  /// All elements along `dim` in descending order, equal ones in their first order.
  public TopK sortDescending(long dim) {
    var both = pointer.sort(new BoolOptional(true), dim, true);
    return new TopK(wrap(both.get0()), wrap(both.get1()));
  }

  // ---------------------------------------------------------------- comparing

  public Tensor gt(Tensor other) {
    return wrap(pointer.gt(other.pointer));
  }

  public Tensor lt(Tensor other) {
    return wrap(pointer.lt(other.pointer));
  }

  public Tensor ge(Tensor other) {
    return wrap(pointer.ge(other.pointer));
  }

  public Tensor le(Tensor other) {
    return wrap(pointer.le(other.pointer));
  }

  public Tensor eq(Tensor other) {
    return wrap(pointer.eq(other.pointer));
  }

  public Tensor logicalOr(Tensor other) {
    return wrap(pointer.logical_or(other.pointer));
  }

  public Tensor maskedFill(Tensor mask, double value) {
    return wrap(pointer.masked_fill(mask.pointer, new Scalar(value)));
  }

  /// Same type, shape and elements (NaN differs from itself).
  public boolean sameAs(Tensor other) {
    return dtype() == other.dtype() && torch.equal(pointer, other.pointer);
  }

  // ---------------------------------------------------------------- in place

  public Tensor copyInPlace(Tensor source) {
    pointer.copy_(source.pointer);
    return this;
  }

  /// Writes `source` into the places along `dim` that `index`, of its shape, names.
  public Tensor scatterInPlace(long dim, Tensor index, Tensor source) {
    pointer.scatter_(dim, index.pointer, source.pointer);
    return this;
  }

  public Tensor addInPlace(Tensor other) {
    pointer.add_(other.pointer);
    return this;
  }

  /// `this += factor · a b` for matrices.
  public Tensor addMatmulInPlace(Tensor a, Tensor b, double factor) {
    pointer.addmm_(a.pointer, b.pointer, new Scalar(1), new Scalar(factor));
    return this;
  }

  public Tensor subInPlace(Tensor other) {
    pointer.sub_(other.pointer);
    return this;
  }

  public Tensor expInPlace() {
    pointer.exp_();
    return this;
  }

  /// `this += values` at the given places along `dim`; what has one place adds up.
  public Tensor scatterAddInPlace(long dim, Tensor index, Tensor values) {
    pointer.scatter_add_(dim, index.pointer, values.pointer);
    return this;
  }

  public Tensor mulInPlace(Tensor other) {
    pointer.mul_(other.pointer);
    return this;
  }

  public Tensor mulInPlace(double value) {
    pointer.mul_(new Scalar(value));
    return this;
  }

  /// `this += factor · a ⊙ b`.
  public Tensor addcmulInPlace(Tensor a, Tensor b, double factor) {
    pointer.addcmul_(a.pointer, b.pointer, new Scalar(factor));
    return this;
  }

  /// `this += factor · a / b`.
  public Tensor addcdivInPlace(Tensor a, Tensor b, double factor) {
    pointer.addcdiv_(a.pointer, b.pointer, new Scalar(factor));
    return this;
  }

  /// `this += weight · (end − this)`.
  public Tensor lerpInPlace(Tensor end, double weight) {
    pointer.lerp_(end.pointer, new Scalar(weight));
    return this;
  }

  public Tensor zeroInPlace() {
    pointer.zero_();
    return this;
  }

  // ---------------------------------------------------------------- gradients

  /// A tensor with the same elements, cut off from the graph.
  public Tensor detach() {
    return wrap(pointer.detach());
  }

  /// Marks this tensor as one gradients are wanted for, and returns it.
  public Tensor requireGradient() {
    pointer.requires_grad_(true);
    return this;
  }

  public boolean requiresGradient() {
    return pointer.requires_grad();
  }

  /// Adds d this / d x to the gradient of every leaf x; this must have one element.
  public void backward() {
    pointer.backward();
  }

  /// The same from a given gradient of some scalar with respect to this tensor.
  public void backward(Tensor gradient) {
    pointer.backward(gradient.pointer, new BoolOptional(), false, new TensorArrayRefOptional());
  }

  /// The same, keeping the graph for another way through it.
  public void backwardKeeping(Tensor gradient) {
    pointer.backward(gradient.pointer, new BoolOptional(true), false, new TensorArrayRefOptional());
  }

  /// The gradient gathered so far, or null when none has been.
  public @Nullable Tensor gradient() {
    var gradient = pointer.grad(); // lives inside this tensor: hand out a handle of its own
    return gradient.defined() ? wrap(new org.bytedeco.pytorch.Tensor(gradient)) : null;
  }

  /// Gathers the gradient in this tensor from now on, adding to what is in it.
  public void gatherGradientIn(Tensor gradient) {
    pointer.mutable_grad().put(gradient.pointer);
  }

  public void dropGradient() {
    pointer.mutable_grad().reset();
  }

  // ---------------------------------------------------------------- fused kernels

  /// `(x - mean) / √(var + eps) ⊙ gain + bias` over the last dimension, variance biased (Ba et al.
  /// 2016).
  public Tensor layerNorm(@Nullable Tensor gain, @Nullable Tensor bias, double eps) {
    return wrap(
        torch.layer_norm(
            pointer, new long[] {size(-1)}, optional(gain), optional(bias), eps, false));
  }

  /// `x / √(mean(x²) + eps) ⊙ gain` over the last dimension (Zhang and Sennrich 2019).
  public Tensor rmsNorm(@Nullable Tensor gain, double eps) {
    return Kernels.rmsNorm(this, gain, eps);
  }

  /// softmax(q kᵀ scale + mask) v for `[…, heads, positions, width]`, without keeping the pattern.
  /// `mask` is added to the scores; `causal` masks keys after the query (equal lengths only).
  public static Tensor attention(
      Tensor q, Tensor k, Tensor v, @Nullable Tensor mask, boolean causal, double scale) {
    return Kernels.attention(q, k, v, mask, causal, scale);
  }

  static TensorOptional optional(@Nullable Tensor tensor) {
    return tensor == null ? new TensorOptional() : new TensorOptional(tensor.pointer);
  }

  @Override
  public String toString() {
    return "Tensor" + Arrays.toString(shape()) + " " + dtype();
  }

  /// Refuses a tensor of another shape, naming what it is; -1 matches any size.
  public Tensor requireShape(String what, long... expected) {
    long[] found = shape();
    boolean same = found.length == expected.length;
    for (int i = 0; same && i < found.length; i++) {
      same = expected[i] == -1 || expected[i] == found[i];
    }
    if (!same) {
      throw new IllegalArgumentException(
          "%s should have shape %s, found %s"
              .formatted(what, Arrays.toString(expected), Arrays.toString(found)));
    }
    return Objects.requireNonNull(this);
  }
}
