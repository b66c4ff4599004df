package dev.fathom.align.study;

import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.evaluate.Likelihood;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.evaluate.bias.BiasScorer;
import dev.fathom.evaluate.bias.BiasScores;
import dev.fathom.evaluate.bias.ScoredItem;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.evaluate.bias.StereoSetEvaluation;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Layout;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.SequencedMap;

/// Tries methods in one domain: tunes each on the items it is fitted on, measures it on others.
final class Trying {
  /// How much more perplexity a setting may cost to be chosen.
  private static final double MOST_PERPLEXITY = 1.05;

  /// Items that settings are chosen by, at most.
  private static final int MOST_CHOOSING = 200;

  private final Fitting fitting;
  private final int fold;
  private final List<StereoSetItem> test;
  private final List<int[]> fitted; // neutral texts to choose by
  private final List<int[]> others; // neutral texts to measure on
  private final List<StereoSetItem> chosenBy;
  private final double basePerplexity;

  /// @param heldOut neutral text that was not fitted on
  /// @param tokens of neutral text that are read to choose, and to measure
  Trying(AlignmentStudy.Domain domain, List<String> heldOut, int tokens) {
    this.fitting = domain.fitting();
    this.fold = domain.fold();
    this.test = domain.test();
    this.fitted = fitting.rows(fitting.neutral(), tokens);
    this.others = fitting.rows(heldOut, tokens);
    if (fitted.isEmpty() || others.isEmpty()) {
      throw new IllegalArgumentException(
          "There is no neutral text of at least two tokens to measure on.");
    }
    this.chosenBy = some(fitting);
    this.basePerplexity = perplexity(TokenScorer.of(fitting.model()), fitted);
  }

  /// Items to choose settings by, drawn for the seed.
  private static List<StereoSetItem> some(Fitting fitting) {
    var items = new ArrayList<>(fitting.items());
    Collections.shuffle(items, new Random(fitting.seed()));
    return items.stream().limit(MOST_CHOOSING).toList();
  }

  /// The model as it is.
  Outcome base() {
    long start = System.nanoTime();
    var base =
        new Remedy.Treated(
            fitting.model(),
            TokenScorer.of(fitting.model()),
            Optional.of(fitting.model()),
            () -> {});
    return outcome(Entrant.BASE, new LinkedHashMap<>(), base, 0, start);
  }

  /// An outcome and the edit that brought it, if it is one.
  record Made(Outcome outcome, Remedy remedy) {}

  /// Fits an entrant with each of its settings and measures the best: that of the greatest ICAT on
  /// the items it was fitted on, among those that keep the perplexity of neutral text within 5 %;
  /// where none does, that of the least perplexity.
  Made run(Entrant entrant) {
    long start = System.nanoTime();
    Method chosen = entrant.settings().getFirst();
    Remedy best = null;
    double bestIcat = Double.NEGATIVE_INFINITY;
    double leastPerplexity = Double.POSITIVE_INFINITY;
    for (Method method : entrant.settings()) {
      Remedy remedy = method.fit(fitting);
      if (entrant.settings().size() == 1) {
        best = remedy;
        break;
      }
      try (var treated = remedy.applied(fitting.model())) {
        double perplexity = perplexity(treated.scorer(), fitted);
        boolean fine = perplexity <= MOST_PERPLEXITY * basePerplexity;
        double icat = fine ? icat(treated) : Double.NEGATIVE_INFINITY;
        boolean better =
            bestIcat > Double.NEGATIVE_INFINITY || fine
                ? icat > bestIcat
                : perplexity < leastPerplexity;
        if (best == null || better) {
          best = remedy;
          chosen = method;
          bestIcat = Math.max(icat, bestIcat);
          leastPerplexity = Math.min(perplexity, leastPerplexity);
        }
      }
    }
    if (best == null) {
      throw new IllegalStateException("an entrant has at least one setting");
    }
    try (var treated = best.applied(fitting.model())) {
      return new Made(
          outcome(entrant.name(), chosen.settings(), treated, changed(best), start), best);
    }
  }

  private double icat(Remedy.Treated treated) {
    List<ScoredItem> items = StereoSetEvaluation.scores(scorer(treated.scorer()), chosenBy);
    return BiasScores.overall(items).icat();
  }

  private BiasScorer scorer(TokenScorer scorer) {
    var config = SentenceScorer.Config.official(fitting.start()).with(fitting.context());
    return BiasScorer.causal(
        SentenceScorer.of(scorer, config), fitting.tokenizer(), fitting.context(), fitting.start());
  }

  private Outcome outcome(
      String name,
      SequencedMap<String, String> settings,
      Remedy.Treated treated,
      long changed,
      long start) {
    List<ScoredItem> items = StereoSetEvaluation.scores(scorer(treated.scorer()), test);
    return new Outcome(
        name,
        fitting.domain(),
        fitting.seed(),
        fold,
        settings,
        items,
        perplexity(treated.scorer(), others),
        divergence(treated.model()),
        changed,
        (System.nanoTime() - start) / 1e9);
  }

  private static double perplexity(TokenScorer scorer, List<int[]> rows) {
    double nats = 0;
    long predicted = 0;
    for (float[] row : scorer.score(rows, Likelihood.Config.standard())) {
      nats -= Likelihood.sum(row);
      predicted += row.length;
    }
    return Math.exp(nats / predicted);
  }

  /// Mean `KL(base ‖ changed)` over held-out neutral text, in nats.
  private double divergence(LanguageModel changed) {
    if (changed == fitting.model()) {
      return 0;
    }
    double sum = 0;
    int count = 0;
    for (int[] ids : others) {
      try (var scope = Scope.withoutGradients()) {
        Tensor p = log(fitting.model(), ids);
        Tensor q = log(changed, ids);
        sum += p.exp().mul(p.sub(q)).sum().item();
      }
      count += ids.length;
    }
    return sum / count;
  }

  private static Tensor log(LanguageModel model, int[] ids) {
    return model
        .logits(Tensor.of(ids, ids.length), Layout.single(ids.length), Wanted.ALL)
        .wide()
        .logSoftmax(-1);
  }

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
