package dev.fathom.tensor;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Optional;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/// oneDNN's linear map over a weight that was brought into its blocked layout once. The presets do
/// not bind it (an `IValue` made from a tensor crashes there), so it is reached through libtorch's
/// own C interface by the foreign-function API. Absent symbols mean no fast path, not a failure.
final class Prepacked {
  /// Null where this build of libtorch has no such interface.
  private static final @Nullable Prepacked INSTANCE = lookUp();

  private static final MemorySegment NO_ATTRIBUTE = Arena.global().allocateFrom("none");
  private static final MemorySegment REORDER =
      Arena.global().allocateFrom("mkldnn::_reorder_linear_weight");
  private static final MemorySegment NO_OVERLOAD = Arena.global().allocateFrom("");
  private static final ThreadLocal<MemorySegment> SLOTS =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(4 * JAVA_LONG.byteSize()));

  private static final String CAPABILITY = torch.get_cpu_capability().getString();

  private final MethodHandle newHandle;
  private final MethodHandle deleteHandle;
  private final MethodHandle dispatch;
  private final MethodHandle linear;

  private Prepacked(
      MethodHandle newHandle,
      MethodHandle deleteHandle,
      MethodHandle dispatch,
      MethodHandle linear) {
    this.newHandle = newHandle;
    this.deleteHandle = deleteHandle;
    this.dispatch = dispatch;
    this.linear = linear;
  }

  static Optional<Prepacked> instance() {
    return Optional.ofNullable(INSTANCE);
  }

  private static @Nullable Prepacked lookUp() {
    torch.get_num_threads(); // loads the library
    MethodHandle newHandle =
        function("aoti_torch_new_tensor_handle", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));
    MethodHandle delete =
        function("aoti_torch_delete_tensor_object", FunctionDescriptor.of(JAVA_INT, ADDRESS));
    MethodHandle dispatch =
        function(
            "aoti_torch_call_dispatcher",
            FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
    MethodHandle linear =
        function(
            "aoti_torch_cpu__linear_pointwise",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS,
                ADDRESS));
    return newHandle == null || delete == null || dispatch == null || linear == null
        ? null
        : new Prepacked(newHandle, delete, dispatch, linear);
  }

  private static @Nullable MethodHandle function(String symbol, FunctionDescriptor type) {
    Pointer address = Loader.addressof(symbol);
    return address == null || address.isNull()
        ? null
        : Linker.nativeLinker().downcallHandle(MemorySegment.ofAddress(address.address()), type);
  }

  /// The weight in blocked layout; the caller owns the handle.
  Tensor pack(Tensor weight) {
    try (var scope = Scope.open()) {
      Tensor dense = weight.contiguous();
      MemorySegment stack = SLOTS.get();
      check((int) newHandle.invokeExact(handle(dense), stack), "hand over the weight");
      stack.setAtIndex(JAVA_LONG, 1, 0); // no batch size
      check((int) dispatch.invokeExact(REORDER, NO_OVERLOAD, stack), "reorder the weight");
      return adopt(stack.getAtIndex(JAVA_LONG, 0)).keep();
    } catch (RuntimeException e) {
      throw e;
    } catch (Throwable e) {
      throw new LinkageError("calling libtorch failed", e);
    }
  }

  /// Whether this processor has kernels for a blocked layout of this type: on x86, BF16 needs
  /// AVX-512.
  boolean packs(DType dtype) {
    return switch (dtype) {
      case F32 -> true;
      case BF16 -> !"AVX2".equals(CAPABILITY) && !"DEFAULT".equals(CAPABILITY);
      default -> false;
    };
  }

  /// `x Wᵀ + bias` for any leading axes of `x`, contiguous.
  Tensor linear(Tensor x, Tensor packed, @Nullable Tensor bias) {
    MemorySegment added = bias == null ? MemorySegment.NULL : optional(handle(bias));
    MemorySegment out = SLOTS.get().asSlice(3 * JAVA_LONG.byteSize(), JAVA_LONG.byteSize());
    try {
      int failed =
          (int)
              linear.invokeExact(
                  handle(x),
                  handle(packed),
                  added,
                  NO_ATTRIBUTE,
                  MemorySegment.NULL,
                  0L,
                  MemorySegment.NULL,
                  out);
      if (failed != 0) {
        throw new IllegalStateException("libtorch could not multiply " + x + " by the weight");
      }
      return adopt(out.get(JAVA_LONG, 0));
    } catch (RuntimeException e) {
      throw e;
    } catch (Throwable e) {
      throw new LinkageError("calling libtorch failed", e);
    }
  }

  /// Optional tensors are passed as a pointer to their handle.
  private static MemorySegment optional(MemorySegment handle) {
    MemorySegment slot = SLOTS.get().asSlice(2 * JAVA_LONG.byteSize(), JAVA_LONG.byteSize());
    slot.set(JAVA_LONG, 0, handle.address());
    return slot;
  }

  private static MemorySegment handle(Tensor tensor) {
    return MemorySegment.ofAddress(tensor.pointer().address());
  }

  private static void check(int failed, String what) {
    if (failed != 0) {
      throw new IllegalStateException("libtorch could not " + what);
    }
  }

  /// A tensor of the current scope from a handle that is ours.
  private Tensor adopt(long address) throws Throwable {
    try (var borrowed = new Borrowed(address)) {
      return new Tensor(new org.bytedeco.pytorch.Tensor(new org.bytedeco.pytorch.Tensor(borrowed)));
    } finally {
      int _ = (int) deleteHandle.invokeExact(MemorySegment.ofAddress(address));
    }
  }

  private static final class Borrowed extends Pointer {
    Borrowed(long address) {
      this.address = address;
    }
  }
}
