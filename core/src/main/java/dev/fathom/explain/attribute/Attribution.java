package dev.fathom.explain.attribute;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Names;
import dev.fathom.explain.Question;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// How much does each token of the prompt speak for the answer? Several methods side by side,
/// because none of them is the truth: see [AttributionMethod] for the formulas, [Faithfulness] for
/// a test.
///
/// It misleads where it is read as the model's reasoning. Every method compares the prompt with
/// something else (a zero vector, a mean embedding, a shorter text) that the model was not trained
/// on, and tokens that say the same share or hide each other's score.
public final class Attribution {
  private Attribution() {}

  /// The scores of one prompt's tokens; `tokenizer` names tokens and knows special ones.
  ///
  /// @throws IllegalArgumentException if the metric has no gradient and a method needs one, or the
  ///   tokenizer lacks the token that is to stand in for others
  public static AttributionResult run(
      Transformer model,
      Tokenizer tokenizer,
      Question question,
      List<? extends AttributionMethod> methods) {
    return run(model, tokenizer, question, methods, Optional.empty());
  }

  /// The same with another prompt, whose tokens stand in where [Filler#OTHER] says so.
  ///
  /// @throws IllegalArgumentException also if the prompts have different lengths
  public static AttributionResult run(
      Transformer model,
      Tokenizer tokenizer,
      Question question,
      List<? extends AttributionMethod> methods,
      Optional<Prompt> other) {
    if (methods.isEmpty()) {
      throw new IllegalArgumentException("There is no method to attribute with.");
    }
    long start = System.nanoTime();
    try (var scope = Scope.withoutGradients()) {
      var names = new Names(model, tokenizer);
      var work = new Work(model, tokenizer, question, names, other.orElse(null));
      List<TokenAttribution> done = new ArrayList<>();
      for (AttributionMethod method : methods) {
        done.add(work.of(method));
      }
      return new AttributionResult(
          Provenances.of(
              model,
              question.prompt(),
              names.tokens(question.prompt()),
              (System.nanoTime() - start) / 1e9,
              "target",
              names.output(question.target()),
              "foil",
              question.foil().isPresent() ? names.output(question.foil().getAsInt()) : "none",
              "metric",
              question.metric().text(),
              "methods",
              methods.stream().map(Object::toString).collect(Collectors.joining("; "))),
          question.metric(),
          question.prompt().startToken(),
          done,
          Optional.empty());
    }
  }

  /// What the methods share.
  private static final class Work {
    private final Transformer model;
    private final Tokenizer tokenizer;
    private final Question question;
    private final @Nullable Prompt other;
    private final Axis axis;
    private final Map<Filler, MaskedPrompt> masked = new EnumMap<>(Filler.class);
    private @Nullable GradientAttribution gradients;

    Work(
        Transformer model,
        Tokenizer tokenizer,
        Question question,
        Names names,
        @Nullable Prompt other) {
      this.other = other;
      this.model = model;
      this.tokenizer = tokenizer;
      this.question = question;
      this.axis =
          Axis.of(
              "position", names.tokens(question.prompt()).subList(0, question.ids(model).length));
    }

    private GradientAttribution gradients() {
      GradientAttribution known = gradients;
      if (known == null) {
        known = new GradientAttribution(model, tokenizer, question, other);
        gradients = known;
      }
      return known;
    }

    private MaskedPrompt masked(Filler filler) {
      return masked.computeIfAbsent(
          filler, f -> new MaskedPrompt(model, tokenizer, question, f, other));
    }

    TokenAttribution of(AttributionMethod method) {
      return switch (method) {
        case AttributionMethod.GradientTimesInput _ ->
            gradient(method, gradients().timesInput(), List.of());
        case AttributionMethod.Saliency _ ->
            gradient(
                method,
                gradients().saliency(),
                List.of("Saliency has no sign: it says how much a token matters, not which way."));
        case AttributionMethod.SmoothGrad smooth ->
            gradient(
                method,
                gradients().smooth(smooth),
                List.of(
                    "SmoothGrad: the mean over %d noisy copies, noise %.2g of the embeddings' own spread."
                        .formatted(smooth.samples(), smooth.noise())));
        case AttributionMethod.IntegratedGradients ig -> integrated(ig);
        case AttributionMethod.Occlusion occlusion -> {
          MaskedPrompt prompt = masked(occlusion.filler());
          yield perturbed(
              method,
              occlusion.filler(),
              prompt.perToken(prompt.occlusion()),
              null,
              OptionalDouble.empty(),
              List.of());
        }
        case AttributionMethod.Lime lime -> {
          MaskedPrompt prompt = masked(lime.filler());
          var fit = LocalSurrogate.of(prompt, lime);
          yield perturbed(
              method,
              lime.filler(),
              prompt.perToken(fit.values()),
              prompt.perToken(fit.errors()),
              OptionalDouble.empty(),
              List.of(
                  "LIME: a linear model of %d masks with R² %.2f%s"
                      .formatted(
                          lime.samples(),
                          fit.fit(),
                          fit.fit() < 0.5
                              ? "; it describes less than half of what happens."
                              : ".")));
        }
        case AttributionMethod.Shap shap -> {
          MaskedPrompt prompt = masked(shap.filler());
          yield shapley(method, shap.filler(), Shapley.kernel(prompt, shap.samples(), shap.seed()));
        }
        case AttributionMethod.ShapOrders shap -> {
          MaskedPrompt prompt = masked(shap.filler());
          yield shapley(method, shap.filler(), Shapley.orders(prompt, shap.orders(), shap.seed()));
        }
      };
    }

    private TokenAttribution integrated(AttributionMethod.IntegratedGradients method) {
      GradientAttribution.Scores scores = gradients().integrated(method);
      double sum = 0;
      for (double value : scores.values()) {
        sum += value;
      }
      double off = Math.abs(sum - scores.expected()) / Math.abs(scores.expected());
      boolean converged = sum == scores.expected() || off <= TokenAttribution.CONVERGED;
      String verdict =
          "Integrated gradients from %s, %d %s steps: the scores sum to %.4g and should sum to %.4g, off by %s %%: %s."
              .formatted(
                  method.baseline().title(),
                  method.steps(),
                  method.path().text(),
                  sum,
                  scores.expected(),
                  sum == scores.expected()
                      ? "0"
                      : off < 0.1 ? "%.2g".formatted(100 * off) : "%.0f".formatted(100 * off),
                  converged
                      ? "converged"
                      : "not converged, so read nothing into single scores. " + advice(method));
      return gradient(method, scores, List.of(verdict));
    }

    private static String advice(AttributionMethod.IntegratedGradients method) {
      boolean zero = method.baseline() == Filler.ZERO;
      return zero
          ? "Start at the mean embedding or another token, or take more steps"
          : "Take more steps, or another baseline";
    }

    private TokenAttribution gradient(
        AttributionMethod method, GradientAttribution.Scores scores, List<String> notes) {
      boolean norm = method instanceof AttributionMethod.Saliency;
      double[] errors = scores.errors();
      return new TokenAttribution(
          method.text(),
          method.array(),
          method.title(),
          grid(scores.values()),
          errors == null ? Optional.empty() : Optional.of(grid(errors)),
          question.metric().unit() + (norm ? " per unit of embedding" : ""),
          Double.isNaN(scores.expected())
              ? OptionalDouble.empty()
              : OptionalDouble.of(scores.expected()),
          notes);
    }

    private TokenAttribution shapley(
        AttributionMethod method, Filler filler, Shapley.Values found) {
      MaskedPrompt prompt = masked(filler);
      double[] errors = found.errors();
      return perturbed(
          method,
          filler,
          prompt.perToken(found.values()),
          errors == null ? null : prompt.perToken(errors),
          OptionalDouble.of(found.all() - found.none()),
          List.of(
              errors == null
                  ? "%s: exact, over all %d subsets of the tokens."
                      .formatted(capital(method.title()), 1 << prompt.players())
                  : "%s: estimated; the scores sum to what they should, each has a standard error."
                      .formatted(capital(method.title()))));
    }

    private TokenAttribution perturbed(
        AttributionMethod method,
        Filler filler,
        double[] scores,
        double @Nullable [] errors,
        OptionalDouble expected,
        List<String> notes) {
      var all = new ArrayList<>(notes);
      all.add(
          "%s: %s stands in for a token that is taken away."
              .formatted(capital(method.title()), filler.title()));
      return new TokenAttribution(
          method.text(),
          method.array(),
          method.title(),
          grid(scores),
          errors == null ? Optional.empty() : Optional.of(grid(errors)),
          question.metric().unit(),
          expected,
          all);
    }

    private static String capital(String title) {
      return Character.toUpperCase(title.charAt(0)) + title.substring(1);
    }

    private Grid grid(double[] values) {
      float[] floats = new float[values.length];
      for (int i = 0; i < floats.length; i++) {
        floats[i] = (float) values[i];
      }
      return Grid.vector(axis, floats);
    }
  }
}
