package dev.fathom.align.lope;

import dev.fathom.align.AttributeWords;
import dev.fathom.align.Fitting;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.model.Layout;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/// What the stereotypes and anti-stereotypes of a fitting begin with before a word that names a
/// group, and how much the model prefers the one group's word there.
///
/// @param prompts in an order drawn for the fitting's seed
/// @param groups how many there are
record GapCases(List<Prompted> prompts, int groups) {
  private static final int MOST = 500;
  private static final int TOKENS_AT_ONCE = 4096;

  GapCases {
    prompts = List.copyOf(prompts);
  }

  /// @param ids what both texts begin with, not copied
  /// @param one the group of the word with which the stereotype goes on
  /// @param other that of the anti-stereotype
  /// @param gap log-odds of the two words' first tokens, in nats
  @SuppressWarnings("ArrayRecordComponent")
  record Prompted(int[] ids, int one, int other, double gap) {}

  /// @param ids what both texts begin with
  /// @param first the stereotype's next token
  /// @param second the anti-stereotype's
  @SuppressWarnings("ArrayRecordComponent")
  private record Case(int[] ids, int first, int second, int one, int other) {}

  /// @throws IllegalArgumentException if no item goes on with the words of two groups
  static GapCases of(Fitting fitting) {
    var items = new ArrayList<>(fitting.items());
    Collections.shuffle(items, new Random(fitting.seed()));
    List<Case> cases =
        items.stream()
            .map(item -> found(fitting, item))
            .flatMap(Optional::stream)
            .limit(MOST)
            .toList();
    if (cases.isEmpty()) {
      throw new IllegalArgumentException(
          ("No item of domain %s goes on with one group's word in its stereotype and with another's"
                  + " in its anti-stereotype: give such items, or the words, or choose pairs.")
              .formatted(fitting.domain()));
    }
    var prompts = new ArrayList<Prompted>();
    int from = 0;
    while (from < cases.size()) {
      int to = from;
      for (int tokens = 0; to < cases.size() && tokens < TOKENS_AT_ONCE; to++) {
        tokens += cases.get(to).ids.length;
      }
      prompts.addAll(prompted(fitting, cases.subList(from, to)));
      from = to;
    }
    return new GapCases(prompts, fitting.words().groups());
  }

  private static Optional<Case> found(Fitting fitting, StereoSetItem item) {
    List<AttributeWords.Found> one = fitting.words().found(item.stereotype().text());
    List<AttributeWords.Found> other = fitting.words().found(item.antiStereotype().text());
    int at = 0;
    while (at < Math.min(one.size(), other.size())
        && one.get(at).group() == other.get(at).group()) {
      at++;
    }
    if (at == Math.min(one.size(), other.size())) {
      return Optional.empty();
    }
    int[] x = fitting.tokens(item.stereotype().text());
    int[] y = fitting.tokens(item.antiStereotype().text());
    int alike = Arrays.mismatch(x, y);
    boolean goesOn = alike >= 2 && alike < Math.min(x.length, y.length);
    return goesOn && alike <= fitting.model().card().context()
        ? Optional.of(
            new Case(
                Arrays.copyOf(x, alike),
                x[alike],
                y[alike],
                one.get(at).group(),
                other.get(at).group()))
        : Optional.empty();
  }

  private static List<Prompted> prompted(Fitting fitting, List<Case> cases) {
    try (var scope = Scope.withoutGradients()) {
      int[] ids = cases.stream().flatMapToInt(c -> Arrays.stream(c.ids)).toArray();
      Layout layout = Layout.rows(cases.stream().mapToInt(c -> c.ids.length).toArray());
      Tensor logits = // [cases, vocab]
          fitting.model().logits(Tensor.of(ids, ids.length), layout, Wanted.LAST).wide();
      double[] first =
          logits.gather(1, column(cases.stream().mapToLong(Case::first).toArray())).toDoubles();
      double[] second =
          logits.gather(1, column(cases.stream().mapToLong(Case::second).toArray())).toDoubles();
      var prompted = new ArrayList<Prompted>();
      for (int i = 0; i < cases.size(); i++) {
        Case c = cases.get(i);
        prompted.add(new Prompted(c.ids, c.one, c.other, first[i] - second[i]));
      }
      return prompted;
    }
  }

  private static Tensor column(long[] ids) {
    return Tensor.of(ids, ids.length, 1);
  }

  /// z at a token: a component for each group at the last token of a prompt, then one for each at
  /// those before it. All are 0 in rows after the prompts.
  double[] gaps(int row, boolean last) {
    double[] z = new double[2 * groups];
    if (row < prompts.size()) {
      Prompted prompt = prompts.get(row);
      int from = last ? 0 : groups;
      z[from + prompt.one] += prompt.gap;
      z[from + prompt.other] -= prompt.gap;
    }
    return z;
  }

  /// z where nothing is preferred.
  double[] none() {
    return new double[2 * groups];
  }

  /// By how much the stereotype's word is preferred, on average.
  double meanGap() {
    return prompts.stream().mapToDouble(Prompted::gap).average().orElse(Double.NaN);
  }
}
