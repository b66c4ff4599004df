package dev.fathom.refine;

import dev.fathom.model.Head;
import dev.fathom.model.Linear;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.train.Packed.Chunk;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// The loss of a late-layer mixture over the streams of its layers, and its gradient:
///
///     L = −ln softmax(ℓ)_y + λ Σ_{i<k−1} D(P_i, P_n)
///
/// Gates and norms are small and left to the library's graph. What is as wide as the vocabulary is
/// worked out by hand, a chunk of tokens at a time: with `p = softmax(ℓ)` and `y` one-hot,
///
///     ∂L/∂m = s (p − y) W,   m = Σ G_i u_i,   u_i = N_i(H_i)
///     ∂KL(P_i ‖ P_n)/∂logits_i = P_i ⊙ (ln P_i − ln P_n − KL_i)
///
/// where W is the head's matrix and s its scale. A chunk without distillation makes one row of
/// logits a token, one with it k, from which the mixture's follow as their weighted sum. Heads that
/// are not affine (soft-capped) take the library's graph and k rows a token.
final class LateLoss {
  private final Head head;
  private final Mod mod;
  private final Distillation distillation;

  LateLoss(Head head, Mod mod, Distillation distillation) {
    this.head = head;
    this.mod = mod;
    this.distillation = distillation;
  }

  /// What a chunk gives.
  ///
  /// @param task summed cross-entropy of the mixture
  /// @param distill summed divergence of the earlier routes, 0 where it was not asked for
  /// @param routes summed cross-entropy of each route alone; empty where it was not asked for
  /// @param gate `[n, k]`, in the caller's scope
  /// @param gradients of the rows the mixture reads, the router's first; empty without `scale`
  record Part(
      double task, double distill, List<Double> routes, Tensor gate, List<Tensor> gradients) {}

  /// What is asked of a chunk.
  ///
  /// @param task the loss is to count this much in the gradient; 0 for no gradient
  /// @param distill so much for the divergence, λ included
  /// @param routes whether every route speaks for itself: what distillation needs
  /// @param streams whether the streams' gradients are wanted
  record Ask(double task, double distill, boolean routes, boolean streams) {}

  /// @param rows the router's row and those of the routes, each `[targets, dModel]`, cut off
  /// @param targets the tokens to be predicted
  Part of(List<Tensor> rows, long[] targets, Chunk chunk, Ask ask) {
    boolean learns = ask.task > 0;
    try (var scope = learns ? Scope.withGradients() : Scope.withoutGradients()) {
      var streams = new ArrayList<Tensor>();
      for (Tensor row : rows) {
        Tensor part = chunk.of(row).detach();
        streams.add(ask.streams ? part.requireGradient() : part);
      }
      Tensor gate = mod.gate(streams.getFirst()); // [n, k]
      var reads = new ArrayList<Tensor>();
      for (int i = 0; i < mod.config().late(); i++) {
        reads.add(mod.read(i, streams.get(i + 1)));
      }
      Tensor target = chunk.of(targets);
      Heads heads =
          head.isAffine() ? byHand(gate, reads, target, ask) : byGraph(gate, reads, target, ask);
      if (learns && heads.objective != null && heads.objective.requiresGradient()) {
        heads.objective.backward();
      }
      var gradients = new ArrayList<Tensor>();
      if (learns && ask.streams) {
        for (Tensor stream : streams) {
          Tensor gradient = stream.gradient();
          gradients.add(
              scope.escape(
                  gradient == null ? Tensor.zeros(stream.dtype(), stream.shape()) : gradient));
        }
      }
      return new Part(
          heads.task, heads.distill, heads.routes, scope.escape(gate.detach()), gradients);
    }
  }

  /// @param objective has the gradient of what was asked, by way of gates and norms; null without
  private record Heads(
      double task, double distill, List<Double> routes, @Nullable Tensor objective) {}

  // ---------------------------------------------------------------- by hand

  private Heads byHand(Tensor gate, List<Tensor> reads, Tensor target, Ask ask) {
    Tensor mix = Mod.mixed(gate, reads); // [n, dModel]
    int k = reads.size();
    double task;
    double distill = 0;
    var routes = new ArrayList<Double>();
    Tensor ofMix = null;
    @Nullable Tensor[] ofReads = new @Nullable Tensor[k];
    try (var scope = Scope.withoutGradients()) {
      var logs = new ArrayList<Tensor>(); // ln P_i, [n, vocab]
      Tensor logits;
      if (ask.routes && k > 1) {
        logits = spoken(gate.detach(), reads, logs);
        for (Tensor log : logs) {
          routes.add(-log.gather(1, target.unsqueeze(1)).sum().item());
        }
      } else {
        logits = logits(mix);
      }
      Tensor log = logits.logSoftmax(-1);
      task = -log.gather(1, target.unsqueeze(1)).sum().item();
      if (ask.routes && k == 1) {
        routes.add(task);
      }
      if (ask.task > 0) {
        ofMix = scope.escape(back(minusOne(log.expInPlace(), target), ask.task));
      }
      for (int i = 0; ask.routes && i < k - 1; i++) {
        Divergence found = divergence(logs.get(i), logs.getLast());
        distill += found.sum;
        if (ask.task > 0 && ask.distill > 0) {
          add(ofReads, i, scope.escape(back(found.student, ask.distill)));
          if (!distillation.detachTeacher()) {
            add(ofReads, k - 1, scope.escape(back(found.teacher(), ask.distill)));
          }
        }
      }
    }
    return new Heads(task, distill, routes, objective(mix, ofMix, reads, ofReads));
  }

  /// Lets every route speak for itself, adds `ln P_i` to `logs`, and returns the mixture's logits.
  private Tensor spoken(Tensor gate, List<Tensor> reads, List<Tensor> logs) {
    Tensor sum = null;
    for (int i = 0; i < reads.size(); i++) {
      Tensor own = logits(reads.get(i));
      Tensor weighted = own.mul(gate.narrow(1, i, 1));
      sum = sum == null ? weighted : sum.addInPlace(weighted);
      logs.add(own.logSoftmax(-1));
      Scope.current().release(own);
    }
    return Objects.requireNonNull(sum);
  }

  private static void add(@Nullable Tensor[] sums, int i, Tensor gradient) {
    Tensor before = sums[i];
    sums[i] = before == null ? gradient : before.addInPlace(gradient);
  }

  /// A number whose gradient with respect to what the head reads is the given one.
  private static @Nullable Tensor objective(
      Tensor mix, @Nullable Tensor ofMix, List<Tensor> reads, @Nullable Tensor[] ofReads) {
    if (ofMix == null) {
      return null;
    }
    Tensor sum = mix.mul(ofMix).sum();
    for (int i = 0; i < ofReads.length; i++) {
      Tensor own = ofReads[i];
      if (own != null) {
        sum = sum.add(reads.get(i).mul(own).sum());
      }
    }
    return sum;
  }

  private Tensor logits(Tensor read) {
    Linear out = head.out();
    return head.shaped(out.of(read.detach().to(out.weight().values().dtype()))).wide();
  }

  /// `p − y` in place.
  private static Tensor minusOne(Tensor p, Tensor target) {
    Tensor ones = Tensor.full(-1, p.dtype(), target.size(0), 1);
    return p.scatterAddInPlace(1, target.unsqueeze(1), ones);
  }

  /// From a gradient with respect to logits to that of what the head reads, `factor` times.
  private Tensor back(Tensor ofLogits, double factor) {
    return head.back(ofLogits, ofLogits).wide().mulInPlace(factor); // affine: logits are not needed
  }

  /// @param sum over tokens
  /// @param student gradient with respect to the student's logits
  private record Divergence(double sum, Tensor student, Supplier<Tensor> other) {
    Tensor teacher() {
      return other.get();
    }
  }

  private Divergence divergence(Tensor student, Tensor teacher) {
    return switch (distillation.divergence()) {
      case STUDENT_FIRST -> kl(student, teacher);
      case TEACHER_FIRST -> {
        Divergence turned = kl(teacher, student);
        yield new Divergence(turned.sum, turned.teacher(), () -> turned.student);
      }
      case JENSEN_SHANNON -> {
        Tensor middle = student.exp().add(teacher.exp()).mulInPlace(0.5).log();
        Divergence mine = kl(student, middle);
        Divergence its = kl(teacher, middle);
        yield new Divergence(
            (mine.sum + its.sum) / 2, mine.student.mul(0.5), () -> its.student.mul(0.5));
      }
    };
  }

  /// `KL(P ‖ Q)` of two rows of log-probabilities: gradients are `P ⊙ (ln P − ln Q − KL)` and `Q −
  /// P`.
  private static Divergence kl(Tensor logP, Tensor logQ) {
    Tensor p = logP.exp();
    Tensor ratio = logP.sub(logQ); // [n, vocab]
    Tensor each = p.mul(ratio).sum(1, true); // [n, 1]
    double sum = each.sum().item();
    Tensor gradient = ratio.subInPlace(each).mulInPlace(p);
    return new Divergence(sum, gradient, () -> logQ.exp().sub(p));
  }

  // ---------------------------------------------------------------- by the library's graph

  private Heads byGraph(Tensor gate, List<Tensor> reads, Tensor target, Ask ask) {
    Linear out = head.out();
    DType dtype = out.weight().values().dtype();
    Tensor mixed = null;
    var logs = new ArrayList<Tensor>();
    for (int i = 0; i < reads.size(); i++) {
      Tensor own = head.shaped(out.of(reads.get(i).to(dtype))).wide(); // [n, vocab]
      Tensor weighted = reads.size() == 1 ? own : own.mul(gate.narrow(1, i, 1));
      mixed = mixed == null ? weighted : mixed.add(weighted);
      if (ask.routes) {
        logs.add(own.logSoftmax(-1));
      }
    }
    Tensor task = Objects.requireNonNull(mixed).crossEntropySum(target);
    var routes = new ArrayList<Double>();
    Tensor objective = task.mul(ask.task);
    double distill = 0;
    for (int i = 0; i < logs.size(); i++) {
      routes.add(-logs.get(i).gather(1, target.unsqueeze(1)).sum().item());
      if (i < logs.size() - 1) {
        Tensor last = distillation.detachTeacher() ? logs.getLast().detach() : logs.getLast();
        Tensor own = divergenceOf(logs.get(i), last);
        distill += own.item();
        objective = objective.add(own.mul(ask.distill));
      }
    }
    return new Heads(task.item(), distill, routes, ask.task > 0 ? objective : null);
  }

  /// The summed divergence with its graph: also the oracle of the gradients by hand.
  private Tensor divergenceOf(Tensor student, Tensor teacher) {
    return switch (distillation.divergence()) {
      case STUDENT_FIRST -> student.exp().mul(student.sub(teacher)).sum();
      case TEACHER_FIRST -> teacher.exp().mul(teacher.sub(student)).sum();
      case JENSEN_SHANNON -> {
        Tensor middle = student.exp().add(teacher.exp()).mul(0.5).log();
        yield student
            .exp()
            .mul(student.sub(middle))
            .sum()
            .add(teacher.exp().mul(teacher.sub(middle)).sum())
            .mul(0.5);
      }
    };
  }
}
