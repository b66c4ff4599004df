package dev.fathom.align.baseline;

import dev.fathom.align.AttributeWords.Counterfactual;
import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.model.Kind;
import dev.fathom.model.Site;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/// Takes the direction out of what the head reads along which texts differ from the same texts about
/// another group:
///
///     h ← h − (h·v) v,    v = first principal component of  x_g / |x_g| − mean over g
///
/// x_g are means of the final-normed states of a text and of its counterfactuals, one for each
/// group. It is applied to the state at every position before the head: a low-rank step of the
/// head's map.
///
/// After Liang et al. 2020 (*Towards debiasing sentence representations*) as bias-bench does it: one
/// component, pairs for gender, triples for race and religion. Different here: texts are the
/// fitting's sentences with attribute words instead of Wikipedia's; more components are an option,
/// as in the paper.
///
/// It misleads where counterfactuals are not English (*her* answers to both *his* and *him*): the
/// direction is then also one of odd texts. Like every projection at the end it leaves what the
/// model has made of the attribute before.
///
/// @param components directions, 1 in bias-bench
/// @param most texts that are read, with their counterfactuals
public record SentenceDebias(int components, int most) implements Method {
  private static final int LEAST_TEXTS = 2;

  /// Less along a direction is rounding: texts have vectors of length 1.
  private static final double LEAST_SQUARE = 1e-10;

  public SentenceDebias {
    if (components < 1 || most < LEAST_TEXTS) {
      throw new IllegalArgumentException(
          "there must be at least 1 component and %d texts, found %d and %d"
              .formatted(LEAST_TEXTS, components, most));
    }
  }

  /// So many components, at most 1000 texts.
  public static SentenceDebias of(int components) {
    return new SentenceDebias(components, 1000);
  }

  /// 1 to 5, 8, 12 and 20 components.
  public static List<SentenceDebias> grid() {
    return IntStream.of(1, 2, 3, 4, 5, 8, 12, 20).mapToObj(SentenceDebias::of).toList();
  }

  @Override
  public String name() {
    return "sentence-debias";
  }

  @Override
  public SequencedMap<String, String> settings() {
    return Settings.of("components", components, "most texts", most);
  }

  @Override
  public Remedy fit(Fitting fitting) {
    HeadProjection.require(fitting.model(), "SentenceDebias");
    List<List<String>> sets = sets(fitting);
    try (var scope = Scope.withoutGradients()) {
      Tensor x =
          States.of(
              fitting, sets.stream().flatMap(List::stream).toList(), Site.of(Kind.FINAL_NORM));
      Parts parts = parts(x, fitting.words().groups());
      double[] squares = parts.squares;
      int rank =
          (int) Arrays.stream(squares).limit(components).filter(v -> v > LEAST_SQUARE).count();
      double all = Arrays.stream(squares).sum();
      double own = Arrays.stream(squares).limit(rank).sum();
      Tensor basis = parts.directions.narrow(0, 0, rank).contiguous();
      var found =
          Settings.of(
              "texts",
              sets.size(),
              "share of variance",
              String.format(Locale.ROOT, "%.3f", all == 0 ? 0 : own / all));
      return new Remedy.OfWeights(
          fitting.edit(this, HeadProjection.changes(fitting.model(), basis), found));
    }
  }

  /// Texts, each with its counterfactuals behind it.
  private List<List<String>> sets(Fitting fitting) {
    var sets = new ArrayList<List<String>>();
    for (String text : Sentences.of(fitting)) {
      List<Counterfactual> others = fitting.words().counterfactuals(text);
      if (others.size() == fitting.words().groups() - 1) {
        var set = new ArrayList<String>(List.of(text));
        others.forEach(other -> set.add(other.other()));
        sets.add(set);
      }
    }
    if (sets.size() < LEAST_TEXTS) {
      throw new IllegalArgumentException(
          "SentenceDebias needs at least %d texts with words of %s, found %d: give more items or neutral text."
              .formatted(LEAST_TEXTS, fitting.domain(), sets.size()));
    }
    return Sentences.drawn(sets, most, new SplittableRandom(fitting.seed()));
  }

  /// Directions, orthonormal rows, and the sums of squares along them, largest first.
  @SuppressWarnings("ArrayRecordComponent")
  record Parts(Tensor directions, double[] squares) {}

  /// The principal components of what is left of vectors of length 1 when each set's mean is taken
  /// off. The mean of all is zero then.
  ///
  /// @param x F64 `[sets · each, width]`
  /// @param each vectors of a set
  static Parts parts(Tensor x, int each) {
    Tensor unit = x.div(x.norm(1, true));
    Tensor sets = unit.view(unit.size(0) / each, each, unit.size(1));
    Tensor left = sets.sub(sets.mean(1, true)).view(unit.shape());
    Tensor.Svd svd = left.transpose(0, 1).matmul(left).svd(false); // its values are squares
    return new Parts(svd.vt(), svd.s().toDoubles());
  }
}
