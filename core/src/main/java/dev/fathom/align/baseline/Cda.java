package dev.fathom.align.baseline;

import dev.fathom.align.AttributeWords.Counterfactual;
import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Edit;
import dev.fathom.model.Linears.Role;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.SplittableRandom;

/// Counterfactual data augmentation: the model learns texts that name a group together with the
/// same texts about another group, so that either is as usual.
///
/// Both sides are learnt: of each sentence with attribute words the sentence and its
/// counterfactual, of more than two groups one that is drawn for the sentence. Sentences without
/// such words are left out.
///
/// After Zmigrod et al. 2019 and Webster et al. 2020 as bias-bench does it (`run_clm.py`,
/// two-sided). Different here: low-rank steps learn ([Tuning]) instead of all weights, at most 200
/// steps of 8 × 128 tokens instead of 2000; texts are the fitting's sentences instead of
/// Wikipedia's; words are found whatever their case and keep their initial; [#strength()] says how
/// much of what was learnt is kept.
///
/// It misleads where the fitting has few sentences with such words: then it learns these by heart.
/// It retrains the model on balanced text, which the edits it is compared with do not see, and is
/// an upper bound rather than a rival where that text is much like the test.
///
/// @param tuning how it learns
/// @param strength factor on what was learnt, 1 for all of it
public record Cda(Tuning tuning, double strength) implements Method {
  /// Maps that learn: all of a block but the output of attention.
  static final Set<Role> TARGETS = EnumSet.of(Role.Q, Role.K, Role.V, Role.UP, Role.DOWN);

  public Cda {
    requireStrength(strength);
  }

  static void requireStrength(double strength) {
    if (!Double.isFinite(strength)) {
      throw new IllegalArgumentException("the strength should be a number, found " + strength);
    }
  }

  /// All of what is learnt in [Tuning#standard()].
  public static Cda standard() {
    return new Cda(Tuning.standard(), 1);
  }

  /// A quarter, a half, three quarters, all and one and a half of what one run learns.
  public static List<Cda> grid() {
    return grid(Tuning.standard());
  }

  /// The same of another run.
  public static List<Cda> grid(Tuning tuning) {
    return List.of(0.25, 0.5, 0.75, 1.0, 1.5).stream()
        .map(strength -> new Cda(tuning, strength))
        .toList();
  }

  @Override
  public String name() {
    return "cda";
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
        "dropout",
        tuning.dropout(),
        "strength",
        strength);
  }

  @Override
  public Remedy fit(Fitting fitting) {
    List<Counterfactual> pairs = pairs(fitting, name());
    var texts = new ArrayList<String>();
    for (Counterfactual pair : pairs) {
      texts.add(pair.text());
      texts.add(pair.other());
    }
    Edit learnt = tuning.run(fitting, texts, TARGETS);
    return new Remedy.OfWeights(
        fitting.edit(this, Tuning.times(learnt, strength), Settings.of("sentences", pairs.size())));
  }

  /// The sentences with attribute words, each with a counterfactual.
  static List<Counterfactual> pairs(Fitting fitting, String method) {
    var random = new SplittableRandom(fitting.seed());
    List<Counterfactual> pairs =
        Sentences.of(fitting).stream()
            .map(text -> fitting.words().counterfactual(text, random))
            .flatMap(Optional::stream)
            .toList();
    if (pairs.isEmpty()) {
      throw new IllegalArgumentException(
          "%s learns sentences with words of %s, and there is none: give more items or neutral text."
              .formatted(method, fitting.domain()));
    }
    return pairs;
  }
}
