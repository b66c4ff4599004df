package dev.fathom.align.baseline;

import dev.fathom.align.AttributeWords;
import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.align.probe.LogisticFit;
import dev.fathom.model.Kind;
import dev.fathom.model.Site;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// Iterative null-space projection: what linear classifiers read of the attribute is taken out of
/// what the head reads, until they have nothing left to read.
///
///     W_i = classifiers on X P_{i−1};   Q = orthonormal basis of the rows of W_1 … W_i;   P_i = I − QᵀQ
///
/// X are means of the final-normed states of texts; P_i is computed from all W and applied to the
/// original X (the intersection of the null spaces: Ben-Israel 2015), and at the end to the state at
/// every position before the head. That is a low-rank step of the head's map, exact even where the
/// head reads with the embedding's table.
///
/// After Ravfogel et al. 2020 (*Null it out*) as bias-bench does it: where words name two groups,
/// three classes (texts with words of the one, of the other, of none), else two (with, without); a
/// linear support vector machine each against the rest, squared hinge, no intercept, C = 1; texts in
/// lower case, cut at random behind the word. Different here: texts are the fitting's sentences
/// instead of Wikipedia's, at most [#perClass()] of a class instead of 10,000, as many of each; all
/// of them are learnt from, as nothing is decided by held-out accuracy; logistic regression is an
/// option (standardised, with an intercept).
///
/// It misleads by its name: what linear classifiers read of the last state is not what the model
/// uses further down. On the last state it usually changes little, and with many iterations it takes
/// away whatever else these directions carry.
///
/// @param iterations n, 0 for nothing; it ends before where nothing is left to read
/// @param classifier which
/// @param perClass most texts of a class
public record Inlp(int iterations, Classifier classifier, int perClass) implements Method {
  /// Directions whose part outside the others is smaller than this share are the same.
  private static final double SAME = 1e-6;

  /// A class of fewer texts cannot be told from others.
  private static final int LEAST_TEXTS = 4;

  private static final int LEAST_WORDS = 5;

  /// What reads the attribute.
  public enum Classifier {
    /// A support vector machine with a squared hinge, without intercept, C = 1.
    SVM,
    /// Logistic regression on standardised states, with an intercept, C = 1.
    LOGISTIC
  }

  public Inlp {
    if (iterations < 0 || perClass < LEAST_TEXTS) {
      throw new IllegalArgumentException(
          "there must be 0 iterations or more and at least %d texts of a class, found %d and %d"
              .formatted(LEAST_TEXTS, iterations, perClass));
    }
  }

  /// So many iterations of support vector machines, at most 1000 texts of a class.
  public static Inlp of(int iterations) {
    return new Inlp(iterations, Classifier.SVM, 1000);
  }

  public Inlp with(Classifier classifier) {
    return new Inlp(iterations, classifier, perClass);
  }

  public Inlp perClass(int texts) {
    return new Inlp(iterations, classifier, texts);
  }

  /// 1 to 40 iterations of support vector machines, 1 and 10 of logistic regression.
  public static List<Inlp> grid() {
    var grid = new ArrayList<Inlp>();
    for (int iterations : new int[] {1, 2, 5, 10, 20, 40}) {
      grid.add(of(iterations));
    }
    grid.add(of(1).with(Classifier.LOGISTIC));
    grid.add(of(10).with(Classifier.LOGISTIC));
    return grid;
  }

  @Override
  public String name() {
    return "inlp";
  }

  @Override
  public SequencedMap<String, String> settings() {
    return Settings.of("iterations", iterations, "classifier", classifier, "per class", perClass);
  }

  @Override
  public Remedy fit(Fitting fitting) {
    HeadProjection.require(fitting.model(), "INLP");
    if (iterations == 0) {
      return new Remedy.OfWeights(fitting.edit(this, List.of(), Settings.of("directions", 0)));
    }
    List<Labelled> texts = texts(fitting);
    try (var scope = Scope.withoutGradients()) {
      Tensor x =
          States.of(fitting, texts.stream().map(Labelled::text).toList(), Site.of(Kind.FINAL_NORM));
      Tensor basis = basis(x, labellings(texts));
      var found = Settings.of("directions", basis.size(0), "texts", texts.size());
      return new Remedy.OfWeights(
          fitting.edit(this, HeadProjection.changes(fitting.model(), basis), found));
    }
  }

  // ---------------------------------------------------------------- projection

  /// The directions that are taken away, orthonormal rows F64 `[r, width]`.
  ///
  /// @param x F64 `[n, width]`
  /// @param labellings a class each, or one of two classes
  Tensor basis(Tensor x, List<boolean[]> labellings) {
    Tensor basis = Tensor.zeros(DType.F64, 0, x.size(1));
    double least = 1e-9 * x.abs().max().item();
    for (int i = 0; i < iterations; i++) {
      try (var scope = Scope.open()) {
        Tensor left = off(x, basis);
        if (basis.size(0) >= x.size(1) || left.abs().max().item() <= least) {
          break;
        }
        Tensor next = joined(basis, weights(left, labellings), SAME);
        basis = scope.escape(next);
      }
    }
    return basis;
  }

  /// What classifiers read, F64 `[labellings, width]`.
  private Tensor weights(Tensor x, List<boolean[]> labellings) {
    return switch (classifier) {
      case SVM -> SquaredHinge.of(x, labellings, 1);
      case LOGISTIC ->
          Tensor.stack(
              LogisticFit.of(x, labellings, LogisticFit.Config.standard()).stream()
                  .map(fitted -> fitted.probe().direction())
                  .map(direction -> Tensor.of(direction, direction.length))
                  .toList(),
              0);
    };
  }

  /// Those that span the rows of a matrix, the longest part of it first.
  ///
  /// @param least singular values up to this count as nothing
  static Tensor spanning(Tensor rows, double least) {
    Tensor.Svd svd = rows.svd(false);
    double[] values = svd.s().toDoubles();
    int rank = 0;
    while (rank < values.length && values[rank] > least) {
      rank++;
    }
    return svd.vt().narrow(0, 0, rank).contiguous();
  }

  /// `x [n, width]` without its part in the span, which is `x (I − QᵀQ)`.
  static Tensor off(Tensor x, Tensor basis) {
    return basis.size(0) == 0 ? x : x.sub(x.matmul(basis.transpose(0, 1)).matmul(basis));
  }

  /// The directions of `basis`, and those that `rows` add to them.
  ///
  /// @param share what is shorter than this share of the longest row adds nothing
  static Tensor joined(Tensor basis, Tensor rows, double share) {
    Tensor rest = off(off(rows, basis), basis); // twice is enough (Kahan)
    Tensor more = spanning(rest, share * rows.norm(1, false).max().item());
    return basis.size(0) == 0 ? more : Tensor.cat(List.of(basis, more), 0);
  }

  // ---------------------------------------------------------------- texts

  /// A text of a class.
  record Labelled(String text, int group) {}

  /// As many texts of each class, in lower case, cut.
  private List<Labelled> texts(Fitting fitting) {
    var random = new SplittableRandom(fitting.seed());
    AttributeWords words = fitting.words();
    int classes = words.groups() == 2 ? 3 : 2; // none is the last
    List<List<Labelled>> found =
        IntStream.range(0, classes).<List<Labelled>>mapToObj(_ -> new ArrayList<>()).toList();
    for (String sentence : Sentences.of(fitting)) {
      String text = sentence.toLowerCase(Locale.ROOT);
      List<AttributeWords.Found> named = words.found(text);
      if (named.isEmpty()) {
        String cut = cut(text, LEAST_WORDS, random);
        found.getLast().add(new Labelled(cut, classes - 1));
        continue;
      }
      int group = named.getFirst().group();
      boolean mixed = named.stream().anyMatch(word -> word.group() != group);
      if (classes == 2 || !mixed) {
        int before = text.substring(0, named.getLast().to()).split("\\s+", -1).length;
        int own = classes == 2 ? 0 : group;
        found.get(own).add(new Labelled(cut(text, before, random), own));
      }
    }
    int each = found.stream().mapToInt(List::size).min().orElseThrow();
    if (each < LEAST_TEXTS) {
      throw new IllegalArgumentException(
          "INLP needs at least %d texts of each class, found %s of %s: give more items or neutral text."
              .formatted(
                  LEAST_TEXTS,
                  found.stream()
                      .map(texts -> Integer.toString(texts.size()))
                      .collect(Collectors.joining(", ")),
                  classes == 3
                      ? "texts with words of the one group, of the other, of none"
                      : "texts with words of a group, of none"));
    }
    return found.stream()
        .flatMap(texts -> Sentences.drawn(texts, Math.min(each, perClass), random).stream())
        .toList();
  }

  /// The text up to a word drawn at random, at least so many of them.
  private static String cut(String text, int least, SplittableRandom random) {
    String[] words = text.split("\\s+", -1);
    int count = least >= words.length ? words.length : random.nextInt(least, words.length + 1);
    return String.join(" ", List.of(words).subList(0, count));
  }

  /// One labelling a class; of two classes the first one's alone.
  private static List<boolean[]> labellings(List<Labelled> texts) {
    int classes = texts.getLast().group() + 1;
    var labellings = new ArrayList<boolean[]>();
    for (int k = 0; k < (classes == 2 ? 1 : classes); k++) {
      boolean[] own = new boolean[texts.size()];
      for (int i = 0; i < own.length; i++) {
        own[i] = texts.get(i).group() == k;
      }
      labellings.add(own);
    }
    return labellings;
  }
}
