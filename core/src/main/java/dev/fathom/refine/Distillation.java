package dev.fathom.refine;

/// How the earlier routes of a [Mod] learn from the last one: `λ · mean over label tokens of
/// Σ_{i<k−1} D(P_i, P_n)`, where P_i is what route i alone says and P_n what the last says.
///
/// @param weight λ; 0 for none
/// @param divergence D
/// @param detachTeacher whether P_n is only a target and learns nothing from it
/// @param share of the label tokens it is measured on, drawn anew in each step and counted
///   accordingly, so that its expectation is the same; heads on all of them are most of its cost
public record Distillation(
    double weight, Divergence divergence, boolean detachTeacher, double share) {
  /// What is to become small.
  public enum Divergence {
    /// `KL(P_i ‖ P_n)`, the student first, as in the thesis.
    STUDENT_FIRST,
    /// `KL(P_n ‖ P_i)`.
    TEACHER_FIRST,
    /// `½ KL(P_i ‖ M) + ½ KL(P_n ‖ M)` with `M = ½ P_i + ½ P_n`.
    JENSEN_SHANNON
  }

  public Distillation {
    if (!(weight >= 0) || !Double.isFinite(weight) || !(share > 0 && share <= 1)) {
      throw new IllegalArgumentException(
          "distillation has a weight of at least 0 and a share above 0 up to 1, found %s and %s"
              .formatted(weight, share));
    }
  }

  /// λ = 1e-4 on all label tokens, the student first, the teacher detached: the thesis.
  public static Distillation standard() {
    return new Distillation(1e-4, Divergence.STUDENT_FIRST, true, 1);
  }

  /// None.
  public static Distillation none() {
    return standard().withWeight(0);
  }

  public Distillation withWeight(double weight) {
    return new Distillation(weight, divergence, detachTeacher, share);
  }

  public Distillation withShare(double share) {
    return new Distillation(weight, divergence, detachTeacher, share);
  }

  public Distillation with(Divergence divergence) {
    return new Distillation(weight, divergence, detachTeacher, share);
  }

  public Distillation withDetachTeacher(boolean detachTeacher) {
    return new Distillation(weight, divergence, detachTeacher, share);
  }
}
