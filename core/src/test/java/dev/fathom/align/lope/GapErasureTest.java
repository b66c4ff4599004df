package dev.fathom.align.lope;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.align.AttributeWords;
import dev.fathom.align.Fitting;
import dev.fathom.align.Fittings;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Edit;
import dev.fathom.edit.Edits;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.evaluate.bias.StereoSetItem.Sentence;
import dev.fathom.model.Site;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The formula holds at every output of the edited model, since each was measured with those before
/// it edited.
class GapErasureTest {
  private static final int WIDTH = Toys.WIDTH;

  /// Terms that are followed by a group's word.
  private static List<StereoSetItem> items(AttributeWords words) {
    List<String> terms = List.of("pilot", "nurse", "baker", "miner", "clerk", "poet", "tutor");
    var items = new ArrayList<StereoSetItem>();
    for (int i = 0; i < 4 * terms.size(); i++) {
      String term = terms.get(i % terms.size());
      List<String> set = words.sets().get(i % words.sets().size());
      String context = "The %s in town %d is BLANK today".formatted(term, i);
      int group = i % set.size();
      items.add(
          new StereoSetItem(
              "item" + i,
              words.domain(),
              term,
              context,
              said(context, set.get(group)),
              said(context, set.get((group + 1) % set.size())),
              said(context, "purple")));
    }
    return items;
  }

  private static Sentence said(String context, String word) {
    return new Sentence(word, context.replace("BLANK", word));
  }

  private static Fitting fitting(
      Transformer model, AttributeWords words, SentenceScorer.Context context) {
    Fitting all = Fittings.of(model, words, context, Optional.empty());
    return new Fitting(
        model,
        all.tokenizer(),
        words.domain(),
        items(words),
        words,
        all.neutral(),
        context,
        all.start(),
        all.seed(),
        all.cache());
  }

  private static Edit edit(Remedy remedy) {
    return ((Remedy.OfWeights) remedy).edit();
  }

  /// The largest covariance of what a site shows with the preferences.
  private static double covariance(Fitting fitting, Transformer model, Site site) {
    GapCases cases = GapCases.of(fitting);
    List<int[]> rows =
        Stream.concat(
                cases.prompts().stream().map(GapCases.Prompted::ids),
                fitting.rows(fitting.neutral(), 4096).stream())
            .toList();
    var y = new ArrayList<double[]>();
    var z = new ArrayList<double[]>();
    for (int r = 0; r < rows.size(); r++) {
      double[][] at = Toys.at(model, site, rows.get(r));
      for (int p = 0; p < at.length; p++) {
        y.add(at[p]);
        z.add(p == 0 ? cases.none() : cases.gaps(r, p == at.length - 1));
      }
    }
    double largest = 0;
    for (int k = 0; k < z.getFirst().length; k++) {
      int column = k;
      double mean = z.stream().mapToDouble(row -> row[column]).average().orElseThrow();
      double[] sums = new double[WIDTH];
      for (int t = 0; t < y.size(); t++) {
        for (int i = 0; i < WIDTH; i++) {
          sums[i] += (z.get(t)[k] - mean) * y.get(t)[i] / y.size();
        }
      }
      largest = Math.max(largest, Arrays.stream(sums).map(Math::abs).max().orElseThrow());
    }
    return largest;
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "gpt2", "gpt_neox", "gemma2"})
  void noOutputGoesWithThePreferenceAnyMore(String family) {
    try (var model = Fittings.load(family, DType.F32)) {
      Fitting fitting = fitting(model, Fittings.GENDER, SentenceScorer.Context.BOS);
      Edit edit = edit(GapErasure.of(2).fit(fitting));
      Edit random = edit(GapErasure.of(2).atRandom().fit(fitting));
      try (var edited = Edits.apply(model, List.of(edit));
          var control = Edits.apply(model, List.of(random))) {
        for (Site site : PairErasure.Outputs.BOTH.sites(model, 0)) {
          double before = covariance(fitting, model, site);
          assertThat(before).as("%s", site).isGreaterThan(1e-5);
          assertThat(covariance(fitting, edited, site)).as("%s", site).isLessThan(1e-3 * before);
          assertThat(covariance(fitting, control, site))
              .as("%s", site)
              .isGreaterThan(0.05 * before);
        }
      }
    }
  }

  @Test
  void moreGroupsHaveMoreDirections() {
    try (var model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = fitting(model, Fittings.RELIGION, SentenceScorer.Context.OFFICIAL);
      Edit edit = edit(GapErasure.of(4).with(PairErasure.Outputs.ATTENTION).fit(fitting));
      assertThat(edit.changes()).hasSize(2 * model.layers());
      try (var edited = Edits.apply(model, List.of(edit))) {
        Site last = PairErasure.Outputs.ATTENTION.sites(model, 0).getLast();
        assertThat(covariance(fitting, edited, last))
            .isLessThan(1e-3 * covariance(fitting, model, last));
      }
    }
  }

  @Test
  void promptsEndBeforeTheWordThatNamesAGroup() {
    try (var model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = fitting(model, Fittings.GENDER, SentenceScorer.Context.BOS);
      GapCases cases = GapCases.of(fitting);
      assertThat(cases.prompts())
          .hasSize(28)
          .allSatisfy(prompt -> {
            assertThat(prompt.ids()).hasSize(7); // <s> The pilot in town 0 is
            assertThat(prompt.ids()[0]).isEqualTo(fitting.start().id());
            assertThat(prompt.one()).isNotEqualTo(prompt.other());
          });
    }
  }

  @Test
  void whatCannotBeDoneIsRefused() {
    try (var model = Fittings.load("llama", DType.F32)) {
      Fitting other = Fittings.of(model, Fittings.GENDER); // a group's word is the term there
      assertThatThrownBy(() -> GapErasure.of(2).fit(other))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContainingAll("gender", "goes on", "pairs");
      Fitting own = fitting(model, Fittings.GENDER, SentenceScorer.Context.BOS);
      assertThat(edit(GapErasure.of(2).withStrength(0).fit(own)).changes()).isEmpty();
    }
    assertThatThrownBy(() -> GapErasure.of(0)).hasMessageContaining("at least 1");
    assertThatThrownBy(() -> GapErasure.of(1).withFrom(1)).hasMessageContaining("below 1");
    assertThatThrownBy(() -> GapErasure.of(1).withStrength(Double.NaN)).hasMessageContaining("NaN");
  }
}
