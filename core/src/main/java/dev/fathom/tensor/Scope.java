package dev.fathom.tensor;

import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AutoGradMode;
import org.jspecify.annotations.Nullable;

/// The lifetime of native memory. A tensor belongs to the innermost scope that is open on its
/// thread when it is made, and is freed when that scope closes; [#escape] hands one on to the scope
/// outside. Open one per turn of a loop over prompts or layers.
///
/// A tensor made while no scope is open is never freed: always open one.
public final class Scope implements AutoCloseable {
  static {
    Libtorch.prepare();
  }

  private static final ThreadLocal<@Nullable Scope> INNERMOST = new ThreadLocal<>();

  private final PointerScope pointers;
  private final @Nullable Scope outer;
  private final @Nullable AutoGradMode gradients;

  private Scope(@Nullable Boolean gradients) {
    this.outer = INNERMOST.get();
    this.pointers = new PointerScope();
    this.gradients = gradients == null ? null : new AutoGradMode(gradients);
    INNERMOST.set(this);
  }

  /// The innermost scope that is open on this thread.
  public static Scope current() {
    Scope scope = INNERMOST.get();
    if (scope == null) {
      throw new IllegalStateException(
          "no scope is open: wrap the call in try (var scope = Scope.open())");
    }
    return scope;
  }

  /// Opens a scope that keeps the thread's gradient mode.
  public static Scope open() {
    return new Scope(null);
  }

  /// Opens a scope in which no operation records a gradient graph.
  public static Scope withoutGradients() {
    return new Scope(false);
  }

  /// Opens a scope in which operations on tensors that require gradients record a graph.
  public static Scope withGradients() {
    return new Scope(true);
  }

  /// Moves `tensor` to the enclosing scope and returns it.
  public Tensor escape(Tensor tensor) {
    var pointer = tensor.pointer();
    pointer.retainReference(); // detach frees what nobody else holds
    pointers.detach(pointer);
    if (outer != null) {
      outer.pointers.attach(pointer);
      pointer.releaseReference();
    }
    return tensor;
  }

  /// A second handle on the same memory that lives as long as this scope, whichever scope is
  /// innermost.
  public Tensor keep(Tensor tensor) {
    Tensor kept = tensor.keep();
    pointers.attach(kept.pointer());
    kept.pointer().releaseReference();
    return kept;
  }

  /// Frees a tensor of this scope before the scope closes; others who hold its memory keep it.
  public void release(Tensor tensor) {
    pointers.detach(tensor.pointer());
  }

  @Override
  public void close() {
    if (INNERMOST.get() != this) {
      throw new IllegalStateException("scopes must be closed by their own thread, innermost first");
    }
    if (gradients != null) {
      gradients.close();
    }
    pointers.close();
    INNERMOST.set(outer);
  }
}
