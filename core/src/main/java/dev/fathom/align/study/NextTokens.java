package dev.fathom.align.study;

import dev.fathom.model.LanguageModel;
import dev.fathom.model.Layout;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;

/// How far two models' predictions of next tokens are apart.
final class NextTokens {
  private NextTokens() {}

  /// `KL(base ‖ changed)` of the token after each of these, summed, in nats.
  static double divergence(LanguageModel base, LanguageModel changed, int[] ids) {
    try (var scope = Scope.withoutGradients()) {
      Tensor p = logProbabilities(base, ids);
      Tensor q = logProbabilities(changed, ids);
      return p.exp().mul(p.sub(q)).sum().item();
    }
  }

  /// `[tokens, columns]`, in nats.
  private static Tensor logProbabilities(LanguageModel model, int[] ids) {
    return model
        .logits(Tensor.of(ids, ids.length), Layout.single(ids.length), Wanted.ALL)
        .wide()
        .logSoftmax(-1);
  }
}
