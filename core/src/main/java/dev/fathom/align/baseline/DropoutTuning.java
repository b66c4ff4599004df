package dev.fathom.align.baseline;

import dev.fathom.align.AttributeWords.Counterfactual;
import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Edit;
import java.util.List;
import java.util.SequencedMap;

/// Learns on under dropout, which breaks up associations that hold only together: the texts that
/// [Cda] learns, without their counterfactuals.
///
/// After Webster et al. 2020 (*Measuring and reducing gendered correlations*) and bias-bench.
/// Different here: they raise the dropout of attention and hidden states while all weights learn
/// for a further 100,000 steps (2000 in bias-bench, a dropout of 0.15); here low-rank steps learn
/// ([Tuning]), and what they read drops out.
///
/// It misleads easily: texts of the fitting are learnt in any case, so a change may come from them
/// and not from dropout.
///
/// @param tuning how it learns, the dropout included
/// @param strength factor on what was learnt, 1 for all of it
public record DropoutTuning(Tuning tuning, double strength) implements Method {
  private static final double DROPOUT = 0.3;

  public DropoutTuning {
    Cda.requireStrength(strength);
  }

  /// All of what is learnt in [Tuning#standard()] with a dropout of 0.3.
  public static DropoutTuning standard() {
    return new DropoutTuning(Tuning.standard().withDropout(DROPOUT), 1);
  }

  /// A quarter, a half, three quarters, all and one and a half of what one run learns.
  public static List<DropoutTuning> grid() {
    return grid(standard().tuning);
  }

  /// The same of another run.
  public static List<DropoutTuning> grid(Tuning tuning) {
    return Cda.grid(tuning).stream().map(cda -> new DropoutTuning(tuning, cda.strength())).toList();
  }

  @Override
  public String name() {
    return "dropout";
  }

  @Override
  public SequencedMap<String, String> settings() {
    return new Cda(tuning, strength).settings();
  }

  @Override
  public Remedy fit(Fitting fitting) {
    List<String> texts = Cda.pairs(fitting, name()).stream().map(Counterfactual::text).toList();
    Edit learnt = tuning.run(fitting, texts, Cda.TARGETS);
    return new Remedy.OfWeights(
        fitting.edit(this, Tuning.times(learnt, strength), Settings.of("sentences", texts.size())));
  }
}
