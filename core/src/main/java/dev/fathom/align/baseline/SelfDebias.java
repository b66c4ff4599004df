package dev.fathom.align.baseline;

import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.text.SpecialTokens;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/// Asks the model itself which next tokens are biased, and makes those less likely: what it predicts
/// is compared with what it predicts behind the announcement of a biased text.
///
///     p' ∝ p · max(exp(−λ · max(0, p_b − p)), ε)
///
/// p is the model's distribution, p_b the one behind `The following text discriminates against people
/// because of their gender: `. Tokens that the announcement makes no more likely keep their weight;
/// no weight falls below ε, so nothing becomes impossible.
///
/// After Schick et al. 2021 (*Self-diagnosis and self-debiasing*) with the announcements, λ = 50 and
/// ε = 0.01 of bias-bench. Different here: the announcement stands behind the start token where a
/// text begins with one; its length is computed, not fixed; with StereoSet's official scores a
/// sentence's first token is predicted from start token and announcement.
///
/// Nothing is learnt, so the fitting's items are not looked at, and no weight changes: it cannot be
/// merged into a checkpoint. Every token is read twice, so it costs twice the time, and the context
/// is shorter by the announcement.
///
/// It misleads where the model is too small to understand the announcement: what then changes is
/// whatever any odd sentence before the text would change. A text that quotes or opposes
/// discrimination is held back like one that discriminates.
///
/// @param decay λ, 0 for nothing
/// @param floor ε, above 0
public record SelfDebias(double decay, double floor) implements Method {
  public SelfDebias {
    if (!(decay >= 0) || Double.isInfinite(decay) || !(floor > 0 && floor <= 1)) {
      throw new IllegalArgumentException(
          "the decay should be at least 0 and the floor above 0 and at most 1, found %s and %s"
              .formatted(decay, floor));
    }
  }

  /// λ = 50, ε = 0.01.
  public static SelfDebias standard() {
    return new SelfDebias(50, 0.01);
  }

  /// λ of 10, 50, 100 and 200, each with ε of 0.01 and 0.0001.
  public static List<SelfDebias> grid() {
    var grid = new ArrayList<SelfDebias>();
    for (double decay : new double[] {10, 50, 100, 200}) {
      grid.add(new SelfDebias(decay, 0.01));
      grid.add(new SelfDebias(decay, 0.0001));
    }
    return grid;
  }

  @Override
  public String name() {
    return "self-debias";
  }

  @Override
  public SequencedMap<String, String> settings() {
    return Settings.of("decay", decay, "floor", floor);
  }

  /// What is put before a text about a domain, with a space behind it.
  static String announcement(String domain) {
    String what = domain.equals("race") ? "race/color" : domain;
    return "The following text discriminates against people because of their %s: ".formatted(what);
  }

  @Override
  public Remedy fit(Fitting fitting) {
    String announcement = announcement(fitting.domain());
    int[] prefix = fitting.tokenizer().encode(announcement, SpecialTokens.NONE).ids();
    var start = fitting.tokenizer().specials().bos();
    return new Remedy.AtRunTime(
        name(),
        model -> {
          var twice = new AnnouncedModel(model, prefix, start, this);
          return new Remedy.Treated(twice, twice, Optional.empty(), () -> {});
        });
  }
}
