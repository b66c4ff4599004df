package dev.fathom.align.probe;

import dev.fathom.evaluate.Share;

/// How well a probe tells classes apart that it has not learnt from.
///
/// @param accuracy share of examples on the right side of p = 0.5
/// @param balanced the mean of that share over the two classes, which guessing one class leaves at
///   0.5
/// @param auc whether positives score higher than negatives
public record Quality(Share accuracy, double balanced, Auc auc) {
  /// Of log-odds of examples.
  public static Quality of(double[] logOdds, boolean[] positive) {
    Auc auc = Auc.of(logOdds, positive); // refuses what is no number
    int positives = LogisticFit.count(positive);
    int right = 0;
    int rightPositives = 0;
    for (int i = 0; i < positive.length; i++) {
      if (logOdds[i] > 0 == positive[i]) {
        right++;
        rightPositives += positive[i] ? 1 : 0;
      }
    }
    int negatives = positive.length - positives;
    double balanced =
        (rightPositives / (double) positives + (right - rightPositives) / (double) negatives) / 2;
    return new Quality(new Share(right, positive.length), balanced, auc);
  }
}
