package dev.fathom.align.baseline;

import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.model.Linear;
import dev.fathom.model.Linears;
import dev.fathom.model.Linears.Role;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.IntStream;

/// Learns what bias changes and goes the other way, but only along those singular directions along
/// which it changes more than harmless text does.
///
/// For each map W = U diag(S) Vᵀ that learns, with ΔW_t learnt from biased text and ΔW_a from text
/// that says the same in both ways:
///
///     S_t = Uᵀ ΔW_t V;   S_a = Uᵀ ΔW_a V;   S̃ = S_t where |S_t − S_a| > ξ max |S_t − S_a|, else 0
///     W ← W − λ U S̃ Vᵀ
///
/// With ξ below 0 that is plain negation of what was learnt, `W − λ ΔW_t`; from 1 on nothing
/// changes.
///
/// After Gao et al. 2024 (*Ethos: rectifying language models in orthogonal parameter space*). The
/// filter's rule and the parts of the two texts are from general knowledge of the paper, whose text
/// and code were not at hand, so results are not to be taken for theirs. Here biased text are the
/// stereotypes of the fitting's items, the other their stereotypes and anti-stereotypes; low-rank
/// steps beside queries and values learn both ([Tuning]), 100 steps each at most.
///
/// It misleads where there is little biased text: what was learnt is these sentences, and negating it
/// makes these sentences unlikely. Whole matrices change, so its file is as large as they are.
///
/// @param tuning how both texts are learnt
/// @param threshold ξ
/// @param strength λ, 0 for nothing
public record Ethos(Tuning tuning, double threshold, double strength) implements Method {
  private static final Set<Role> TARGETS = EnumSet.of(Role.Q, Role.V);

  public Ethos {
    Cda.requireStrength(strength);
    if (Double.isNaN(threshold)) {
      throw new IllegalArgumentException("the threshold should be a number, found " + threshold);
    }
  }

  /// Two runs of at most 100 steps and 5 epochs.
  public static Ethos of(double threshold, double strength) {
    return new Ethos(standard(), threshold, strength);
  }

  private static Tuning standard() {
    return Tuning.standard().withSteps(100).withEpochs(5);
  }

  /// ξ of 0.01, 0.03, 0.1 and 0.3, each with λ of a half and 1; all share two runs.
  public static List<Ethos> grid() {
    return grid(standard());
  }

  /// The same of two other runs.
  public static List<Ethos> grid(Tuning tuning) {
    var grid = new ArrayList<Ethos>();
    for (double threshold : new double[] {0.01, 0.03, 0.1, 0.3}) {
      grid.add(new Ethos(tuning, threshold, 0.5));
      grid.add(new Ethos(tuning, threshold, 1));
    }
    return grid;
  }

  @Override
  public String name() {
    return "ethos";
  }

  @Override
  public SequencedMap<String, String> settings() {
    return Settings.of(
        "steps",
        tuning.steps(),
        "epochs",
        tuning.epochs(),
        "rate",
        tuning.rate(),
        "rank",
        tuning.rank(),
        "threshold",
        threshold,
        "strength",
        strength);
  }

  @Override
  public Remedy fit(Fitting fitting) {
    Transformer model = fitting.model();
    List<String> stereotypes =
        fitting.items().stream().map(item -> item.stereotype().text()).toList();
    Edit task = tuning.run(fitting, stereotypes, TARGETS);
    Edit auxiliary = tuning.run(fitting, fitting.sentences(), TARGETS);
    List<Linear> maps = task.changes().stream().map(change -> map(model, change)).toList();
    var changes = new ArrayList<Change>();
    long kept = 0;
    long all = 0;
    try (var decompositions = Decompositions.of(model, maps, fitting.cache())) {
      for (int i = 0; i < maps.size(); i++) {
        try (var scope = Scope.withoutGradients()) {
          Filtered filtered =
              filtered(
                  decompositions.at(i),
                  (Change.LowRank) task.changes().get(i),
                  (Change.LowRank) auxiliary.changes().get(i));
          kept += filtered.kept;
          all += filtered.all;
          if (strength != 0 && filtered.kept > 0) {
            changes.add(changed(maps.get(i), filtered.step));
          }
        }
      }
    }
    var found = Settings.of("share kept", String.format(Locale.ROOT, "%.4f", (double) kept / all));
    return new Remedy.OfWeights(fitting.edit(this, changes, found));
  }

  private static Linear map(Transformer model, Change change) {
    var step = (Change.LowRank) change;
    return Linears.of(model).stream()
        .filter(linear ->
            linear.origin().tensor().equals(step.tensor()) && linear.origin().from() == step.from())
        .findFirst()
        .orElseThrow();
  }

  /// What is left of a step.
  ///
  /// @param step `U S̃ Vᵀ [out, in]`
  /// @param kept entries of S̃ that were kept
  record Filtered(Tensor step, long kept, long all) {}

  /// In the types of the bases.
  Filtered filtered(Decompositions.Bases bases, Change.LowRank task, Change.LowRank auxiliary) {
    Tensor own = seen(bases, task);
    Tensor gap = own.sub(seen(bases, auxiliary)).abs();
    double limit = threshold < 0 ? -1 : threshold * gap.max().item();
    Tensor mask = gap.gt(Tensor.full(limit, gap.dtype(), 1)).to(gap.dtype());
    long kept = Math.round(mask.to(DType.F64).sum().item());
    Tensor step = bases.u().matmul(own.mul(mask)).matmul(bases.vt());
    return new Filtered(step, kept, mask.elements());
  }

  /// `Uᵀ ΔW V` of a low-rank ΔW.
  private static Tensor seen(Decompositions.Bases bases, Change.LowRank step) {
    DType dtype = bases.u().dtype();
    Tensor left = bases.u().transpose(0, 1).matmul(step.b().tensor(dtype)); // [out, r]
    Tensor right = step.a().tensor(dtype).matmul(bases.vt().transpose(0, 1)); // [r, in]
    return left.matmul(right).mul(step.factor());
  }

  private Change changed(Linear map, Tensor step) {
    Tensor next = map.weight().values().wide().sub(step.mul(strength));
    List<Integer> outputs = IntStream.range(0, Math.toIntExact(map.out())).boxed().toList();
    return Change.Rows.outputs(map, outputs, next);
  }
}
