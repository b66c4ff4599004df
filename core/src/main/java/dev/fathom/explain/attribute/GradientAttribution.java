package dev.fathom.explain.attribute;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Question;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/// The gradient methods of [AttributionMethod] on one prompt; the gradient at the prompt itself is
/// taken once for all of them.
///
/// A gradient says what an infinitely small change would do. Where the metric is saturated it is
/// near 0 although the token decides; and the stream of a pre-norm model hardly changes with its
/// scale, so that gradient × input, which asks about exactly that, is small there.
final class GradientAttribution {
  private final Transformer model;
  private final Tokenizer tokenizer;
  private final Question question;
  private final @Nullable Prompt other;
  private final EmbeddingGradients gradients;
  private @Nullable Tensor atPrompt; // [tokens, dModel]
  private final Scope home = Scope.current();

  GradientAttribution(Transformer model, Tokenizer tokenizer, Question question) {
    this(model, tokenizer, question, null);
  }

  /// @param other the prompt of [Filler#OTHER]
  GradientAttribution(
      Transformer model, Tokenizer tokenizer, Question question, @Nullable Prompt other) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.question = question;
    this.other = other;
    this.gradients = new EmbeddingGradients(model, question);
  }

  /// Scores, their errors if there are some, and what they should sum to if there is such a thing.
  record Scores(double[] values, double @Nullable [] errors, double expected) {
    static Scores of(double[] values) {
      return new Scores(values, null, Double.NaN);
    }
  }

  double clean() {
    return gradients.clean();
  }

  private Tensor atPrompt() {
    Tensor known = atPrompt;
    if (known == null) {
      try (var scope = Scope.open()) {
        known = home.keep(gradients.at(gradients.embeddings().unsqueeze(0)).select(0, 0));
      }
      atPrompt = known;
    }
    return known;
  }

  Scores timesInput() {
    try (var scope = Scope.withoutGradients()) {
      return Scores.of(perToken(gradients.embeddings(), atPrompt()));
    }
  }

  Scores saliency() {
    try (var scope = Scope.withoutGradients()) {
      return Scores.of(atPrompt().norm(-1, false).toDoubles());
    }
  }

  Scores smooth(AttributionMethod.SmoothGrad method) {
    Tensor e = gradients.embeddings();
    int tokens = gradients.tokens();
    double[] sum = new double[tokens];
    double[] squares = new double[tokens];
    double deviation;
    try (var scope = Scope.withoutGradients()) {
      deviation = Math.sqrt(e.sub(e.mean()).square().mean().item()) * method.noise();
    }
    var random = new Random(method.seed());
    for (int done = 0; done < method.samples(); ) {
      int count = Math.min(gradients.atOnce(), method.samples() - done);
      try (var scope = Scope.withoutGradients()) {
        double[] noise = new double[Math.toIntExact(count * e.elements())];
        for (int i = 0; i < noise.length; i++) {
          noise[i] = deviation * random.nextGaussian();
        }
        Tensor points =
            Tensor.of(noise, count, tokens, model.dModel()).to(e.dtype()).add(e.unsqueeze(0));
        double[] scores = perToken(e.unsqueeze(0), gradients.at(points));
        for (int i = 0; i < scores.length; i++) {
          sum[i % tokens] += scores[i];
          squares[i % tokens] += scores[i] * scores[i];
        }
      }
      done += count;
    }
    double n = method.samples();
    double[] errors = new double[tokens];
    for (int t = 0; t < tokens; t++) {
      sum[t] /= n;
      errors[t] = Math.sqrt(Math.max(0, squares[t] / n - sum[t] * sum[t]) / (n - 1));
    }
    return new Scores(sum, errors, Double.NaN);
  }

  Scores integrated(AttributionMethod.IntegratedGradients method) {
    try (var scope = Scope.withoutGradients()) {
      Tensor e = gradients.embeddings();
      Tensor base = baseline(method.baseline(), e);
      Tensor way = e.sub(base);
      Quadrature rule = Quadrature.of(method.path(), method.steps());
      DType wide = e.wide().dtype();
      Tensor mean = Tensor.zeros(wide, e.shape());
      for (int done = 0; done < method.steps(); ) {
        int count = Math.min(gradients.atOnce(), method.steps() - done);
        try (var inner = Scope.withoutGradients()) {
          double[] at = new double[count];
          double[] weights = new double[count];
          System.arraycopy(rule.at(), done, at, 0, count);
          System.arraycopy(rule.weights(), done, weights, 0, count);
          Tensor alpha = Tensor.of(at, count, 1, 1).to(e.dtype());
          Tensor gradient = gradients.at(base.unsqueeze(0).add(way.unsqueeze(0).mul(alpha)));
          mean.addInPlace(
              gradient.to(wide).mul(Tensor.of(weights, count, 1, 1).to(wide)).sum(0, false));
        }
        done += count;
      }
      double expected = gradients.clean() - gradients.value(base.contiguous());
      return new Scores(perToken(way, mean), null, expected);
    }
  }

  /// Where the path starts, `[tokens, dModel]`.
  private Tensor baseline(Filler filler, Tensor own) {
    if (filler != Filler.OTHER) {
      return filler.vector(model, tokenizer).unsqueeze(0).expand(own.shape());
    }
    int[] ids = MaskedPrompt.ids(question, other, question.ids(model));
    return model
        .embedding()
        .table()
        .embedding(Tensor.of(ids, ids.length))
        .mul(model.embedding().scale());
  }

  /// Products summed in 32 bits or more.
  private static double[] perToken(Tensor x, Tensor gradient) {
    return x.wide().mul(gradient.wide()).sum(-1, false).toDoubles();
  }
}
