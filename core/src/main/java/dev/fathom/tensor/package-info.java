/// Tensors, the memory they live in, and the kernels that read them. The only package that knows
/// libtorch: everything above it sees [Tensor], never a native pointer.
///
/// Start with [Scope] (every tensor belongs to the innermost open scope of its thread) and
/// [Tensor]:
///
/// ```java
/// try (var scope = Scope.open()) {
///   Tensor x = Tensor.of(new float[] {1, 2, 3, 4}, 2, 2);
///   float[] p = x.logSoftmax(-1).toFloats();
/// } // x and every temporary are freed here
/// ```
///
/// Shapes are written `[tokens, dModel]`, outermost axis first. Negative dimensions count from the
/// end. Nothing is global but the thread count of the kernels ([Threads]). Several processes add up
/// their tensors by a [ProcessGroup].
///
/// Threads: scopes and tensors belong to the thread that made them; [Weight]s may be read by
/// several.
@org.jspecify.annotations.NullMarked
package dev.fathom.tensor;
