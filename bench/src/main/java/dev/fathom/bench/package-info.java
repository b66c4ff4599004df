/// Fathom beside the tools people use today: the same work, timed on the same machine, with the
/// value of everything that is timed checked.
///
/// Start with [Compare], which times Fathom, and [Ratios], which sets several runs of both sides
/// against each other; the script `bench/compare` runs the two in turns with a Python script of
/// peers:
///
/// ```
/// bench/compare MODEL_DIR --python /path/to/python --peers peers.py
/// ```
///
/// One thread drives everything; the kernels use as many as [dev.fathom.tensor.Threads] says.
@org.jspecify.annotations.NullMarked
package dev.fathom.bench;
