package dev.fathom.explain.attribute;

import java.util.Arrays;
import java.util.Locale;

/// A way to tell how much each token of a prompt speaks for the answer. With f the question's
/// metric and e the token embeddings (positions are added after, unchanged):
///
/// ```
/// gradient × input   Σ_d e_td · ∂f/∂e_td
/// saliency           ‖∂f/∂e_t‖
/// SmoothGrad         the first, with the gradient's mean over noisy e (Smilkov et al. 2017)
/// integrated grad.   Σ_d (e − b)_td · ∫₀¹ ∂f/∂e_td(b + α (e − b)) dα  (Sundararajan et al. 2017)
/// occlusion          f(x) − f(x without t)
/// LIME               coefficients of a weighted ridge regression of f on keep-masks (Ribeiro 2016)
/// Shapley values     mean of f(S ∪ t) − f(S) over all orders in which tokens may come (Lundberg 2017)
/// ```
public sealed interface AttributionMethod {
  /// The name on the command line.
  String text();

  /// The name for people.
  String title();

  /// The name that the scores are saved under.
  String array();

  record GradientTimesInput() implements AttributionMethod {
    @Override
    public String text() {
      return "gradxinput";
    }

    @Override
    public String title() {
      return "gradient × input";
    }

    @Override
    public String array() {
      return "grad_x_input";
    }
  }

  record Saliency() implements AttributionMethod {
    @Override
    public String text() {
      return "saliency";
    }

    @Override
    public String title() {
      return "saliency";
    }

    @Override
    public String array() {
      return "grad_norm";
    }
  }

  /// @param samples noisy copies of the prompt, at least 2
  /// @param noise standard deviation of the noise, relative to that of the embeddings' numbers
  record SmoothGrad(int samples, double noise, long seed) implements AttributionMethod {
    public SmoothGrad {
      requireSamples(samples, 2);
    }

    public static SmoothGrad standard() {
      return new SmoothGrad(32, 0.15, 0);
    }

    @Override
    public String text() {
      return "smoothgrad";
    }

    @Override
    public String title() {
      return "SmoothGrad";
    }

    @Override
    public String array() {
      return "smooth_grad";
    }
  }

  /// Where on the straight line from the baseline to the prompt the gradient is taken.
  enum Path {
    /// In the middle of n equal steps.
    MIDPOINT("midpoint"),
    /// At the nodes of the Gauss–Legendre rule.
    GAUSS_LEGENDRE("gauss"),
    /// In the middle of steps that become shorter towards the baseline, `α = u⁴`. The stream of a
    /// pre-norm model hardly changes with its scale, so that with a zero baseline nearly everything
    /// happens at tiny α.
    NEAR_BASELINE("near");

    private final String text;

    Path(String text) {
      this.text = text;
    }

    public String text() {
      return text;
    }

    public static Path named(String text) {
      return Arrays.stream(values())
          .filter(path -> path.text.equals(text.toLowerCase(Locale.ROOT)))
          .findFirst()
          .orElseThrow(() ->
              new IllegalArgumentException(
                  "There is no path '%s': choose one of midpoint, gauss, near.".formatted(text)));
    }
  }

  /// @param baseline where the path starts; not [Filler#DROP]
  /// @param steps gradients taken on the way
  record IntegratedGradients(Filler baseline, Path path, int steps) implements AttributionMethod {
    public IntegratedGradients {
      requireSamples(steps, 1);
    }

    /// 64 midpoint steps from the mean embedding, as Shapley values use it: from zero, a pre-norm
    /// model needs many more.
    public static IntegratedGradients standard() {
      return new IntegratedGradients(Filler.MEAN, Path.MIDPOINT, 64);
    }

    public IntegratedGradients withSteps(int steps) {
      return new IntegratedGradients(baseline, path, steps);
    }

    @Override
    public String text() {
      return "ig";
    }

    @Override
    public String title() {
      return "integrated gradients";
    }

    @Override
    public String array() {
      return "integrated_gradients_%s_baseline_%s%d".formatted(baseline.text(), path.text(), steps);
    }
  }

  record Occlusion(Filler filler) implements AttributionMethod {
    @Override
    public String text() {
      return "occlusion";
    }

    @Override
    public String title() {
      return "occlusion";
    }

    @Override
    public String array() {
      return "occlusion_" + filler.text();
    }
  }

  /// @param filler not [Filler#DROP]
  /// @param samples random masks
  /// @param width σ of the kernel `exp(−D²/σ²)` over the cosine distance D of a mask from the whole
  ///   prompt
  /// @param ridge what is added to the diagonal of the normal equations
  record Lime(Filler filler, int samples, double width, double ridge, long seed)
      implements AttributionMethod {
    public Lime {
      requireSamples(samples, 2);
    }

    /// 500 masks, width 0.25, and the ridge of the authors' code.
    public static Lime standard() {
      return new Lime(Filler.MEAN, 500, 0.25, 1, 0);
    }

    @Override
    public String text() {
      return "lime";
    }

    @Override
    public String title() {
      return "LIME";
    }

    @Override
    public String array() {
      return "lime_" + filler.text();
    }
  }

  /// KernelSHAP: all subsets of up to [#MOST_EXACT] tokens, beyond that a regression on random
  /// ones.
  ///
  /// @param filler not [Filler#DROP]
  /// @param samples random subsets
  record Shap(Filler filler, int samples, long seed) implements AttributionMethod {
    /// Tokens up to which every subset is run.
    public static final int MOST_EXACT = 12;

    public Shap {
      requireSamples(samples, 4);
    }

    public static Shap standard() {
      return new Shap(Filler.MEAN, 2048, 0);
    }

    @Override
    public String text() {
      return "shap";
    }

    @Override
    public String title() {
      return "Shapley values (kernel)";
    }

    @Override
    public String array() {
      return "shap_" + filler.text();
    }
  }

  /// Shapley values as means over random orders, each with its reverse.
  ///
  /// @param filler not [Filler#DROP]
  /// @param orders orders drawn, half of them reverses of the others
  record ShapOrders(Filler filler, int orders, long seed) implements AttributionMethod {
    public ShapOrders {
      requireSamples(orders, 4);
    }

    public static ShapOrders standard() {
      return new ShapOrders(Filler.MEAN, 64, 0);
    }

    @Override
    public String text() {
      return "shaporders";
    }

    @Override
    public String title() {
      return "Shapley values (orders)";
    }

    @Override
    public String array() {
      return "shap_orders_" + filler.text();
    }
  }

  private static void requireSamples(int found, int least) {
    if (found < least) {
      throw new IllegalArgumentException(
          "at least %d samples or steps are needed, found %d".formatted(least, found));
    }
  }
}
