package dev.fathom.align.probe;

/// Which probes act on a layer: those that read it well enough, though they may have been learnt on
/// another.
public sealed interface SpanRule {
  /// Probes whose AUC on the layer exceeds a value (thesis section 5.2.1: 0.9).
  record Threshold(double auc) implements SpanRule {
    @Override
    public String toString() {
      return "AUC > " + auc;
    }
  }

  /// Probes whose AUC on the layer exceeds a share of what the layer's own probe has there.
  record Relative(double share) implements SpanRule {
    @Override
    public String toString() {
      return "AUC > %s of the own probe's".formatted(share);
    }
  }

  /// The best share of all probes on the layer, at least one.
  record Quantile(double share) implements SpanRule {
    public Quantile {
      if (!(share > 0 && share <= 1)) {
        throw new IllegalArgumentException("a share of probes is above 0 and at most 1: " + share);
      }
    }

    @Override
    public String toString() {
      return "the best %s of all probes".formatted(share);
    }
  }

  /// The layer's own probe.
  record Own() implements SpanRule {
    @Override
    public String toString() {
      return "the own probe";
    }
  }
}
