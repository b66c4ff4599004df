package dev.fathom.align.study;

import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.evaluate.bias.BiasScores;
import dev.fathom.evaluate.bias.ScoredItem;
import dev.fathom.evaluate.bias.StereoSetEvaluation;
import dev.fathom.evaluate.bias.StereoSetItem;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/// Tries methods in one domain: tunes each on the items it is fitted on, measures it on others.
final class Trying {
  /// How much more perplexity a setting may cost to be chosen.
  private static final double MOST_PERPLEXITY = 1.05;

  /// Items that settings are chosen by, at most.
  private static final int MOST_CHOOSING = 64;

  /// Tokens of neutral text that settings are chosen by, at most.
  private static final int TOKENS_CHOOSING = 1024;

  private final Fitting fitting;
  private final int fold;
  private final List<StereoSetItem> test;
  private final List<int[]> seen; // neutral text that is fitted on, to choose by
  private final NeutralText unseen; // to measure on
  private final List<StereoSetItem> choosing; // items to choose by
  private @Nullable Double basePerplexity; // of what settings are chosen by, once asked for

  Trying(AlignmentStudy.Domain domain, AlignmentStudy.HeldOut heldOut) {
    this.fitting = domain.fitting();
    this.fold = domain.fold();
    this.test = domain.test();
    this.seen = fitting.rows(fitting.neutral(), Math.min(heldOut.tokens(), TOKENS_CHOOSING));
    List<int[]> measured = fitting.rows(heldOut.texts(), heldOut.tokens());
    if (seen.isEmpty() || measured.isEmpty()) {
      throw new IllegalArgumentException(
          ("There is no neutral text of at least 2 tokens to %s: give longer texts, or more.")
              .formatted(seen.isEmpty() ? "choose settings by" : "measure on"));
    }
    this.unseen = new NeutralText(fitting.model(), measured);
    this.choosing = some(fitting);
  }

  /// Items to choose settings by, drawn for the seed.
  private static List<StereoSetItem> some(Fitting fitting) {
    var items = new ArrayList<>(fitting.items());
    Collections.shuffle(items, new Random(fitting.seed()));
    return items.stream().limit(MOST_CHOOSING).toList();
  }

  /// The model as it is.
  Outcome base() {
    var base =
        new Remedy.Treated(
            fitting.model(),
            TokenScorer.of(fitting.model()),
            Optional.of(fitting.model()),
            () -> {});
    return outcome(Entrant.BASE, new LinkedHashMap<>(), base, 0, 0);
  }

  /// An outcome and the remedy that brought it.
  record Made(Outcome outcome, Remedy remedy) {}

  /// Fits an entrant with each of its settings and measures the best: that of the greatest ICAT on
  /// some of the items it was fitted on, among those that keep the perplexity of neutral text
  /// within 5 %; where none does, that of the least perplexity.
  ///
  /// @param base of the model as it is: what a remedy that changes nothing brings
  Made run(Entrant entrant, Outcome base) {
    long began = System.nanoTime();
    Candidate best = best(entrant);
    double seconds = (System.nanoTime() - began) / 1e9;
    long changed = changed(best.remedy);
    if (isNothing(best.remedy)) {
      return new Made(base.of(entrant.name(), best.method.settings(), seconds), best.remedy);
    }
    try (var treated = best.remedy.applied(fitting.model())) {
      return new Made(
          outcome(entrant.name(), best.method.settings(), treated, changed, seconds), best.remedy);
    }
  }

  private static boolean isNothing(Remedy remedy) {
    return remedy instanceof Remedy.OfWeights(Edit edit) && edit.changes().isEmpty();
  }

  /// A setting that was fitted.
  ///
  /// @param icat on the items it was fitted on; of no meaning unless it is affordable
  private record Candidate(
      Method method, Remedy remedy, double perplexity, boolean affordable, double icat) {
    boolean beats(@Nullable Candidate other) {
      if (other == null) {
        return true;
      }
      if (affordable != other.affordable) {
        return affordable;
      }
      return affordable ? icat > other.icat : perplexity < other.perplexity;
    }
  }

  private Candidate best(Entrant entrant) {
    if (entrant.settings().size() == 1) {
      Method only = entrant.settings().getFirst();
      return new Candidate(only, fitted(entrant, only), 0, true, 0);
    }
    double most = MOST_PERPLEXITY * basePerplexity();
    Candidate best = null;
    for (Method method : entrant.settings()) {
      Remedy remedy = fitted(entrant, method);
      if (isNothing(remedy) && best != null && isNothing(best.remedy)) {
        continue;
      }
      try (var treated = remedy.applied(fitting.model())) {
        double perplexity = treated.scorer().perplexity(seen);
        if (Double.isNaN(perplexity)) {
          continue; // it computes no numbers
        }
        boolean affordable = perplexity <= most;
        double icat = affordable ? icat(treated) : 0;
        var candidate = new Candidate(method, remedy, perplexity, affordable, icat);
        best = candidate.beats(best) ? candidate : best;
      }
    }
    if (best == null) {
      throw new IllegalArgumentException(
          "No setting of %s leaves a model of %s that computes numbers."
              .formatted(entrant.name(), fitting.domain()));
    }
    return best;
  }

  /// The unedited model's, on the text that settings are chosen by.
  private double basePerplexity() {
    Double known = basePerplexity;
    if (known == null) {
      known = TokenScorer.of(fitting.model()).perplexity(seen);
      basePerplexity = known;
    }
    return known;
  }

  private Remedy fitted(Entrant entrant, Method method) {
    try {
      return method.fit(fitting);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "The method %s cannot be fitted for %s: %s"
              .formatted(entrant.name(), fitting.domain(), e.getMessage()),
          e);
    }
  }

  private double icat(Remedy.Treated treated) {
    List<ScoredItem> items = StereoSetEvaluation.scores(fitting.scorer(treated.scorer()), choosing);
    return BiasScores.overall(items).icat();
  }

  private Outcome outcome(
      String name,
      SequencedMap<String, String> settings,
      Remedy.Treated treated,
      long changed,
      double seconds) {
    NeutralText.Found text = unseen.of(treated);
    return new Outcome(
        name,
        fitting.domain(),
        fitting.seed(),
        fold,
        settings,
        StereoSetEvaluation.scores(fitting.scorer(treated.scorer()), test),
        text.perplexity(),
        text.divergence(),
        changed,
        seconds);
  }

  /// How many numbers of the model's weights a remedy may change.
  private static long changed(Remedy remedy) {
    return switch (remedy) {
      case Remedy.OfWeights(Edit edit) -> edit.changes().stream().mapToLong(Trying::changed).sum();
      case Remedy.AtRunTime _ -> 0;
    };
  }

  private static long changed(Change change) {
    return switch (change) {
      case Change.Rows rows -> rows.values().size();
      case Change.Bias bias -> bias.values().size();
      case Change.LowRank step -> step.a().shape().getLast() * step.b().shape().getFirst();
    };
  }
}
