package dev.fathom.world;

import dev.fathom.evaluate.TokenScorer;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.function.ToIntFunction;

/// Measures models by what they make of the planted shares, and of everything else.
final class AlignmentJudge {
  private final LanguageModel fair;
  private final Tokenizer tokenizer;
  private final AlignmentQuestions questions;
  private final List<Cloze> facts;
  private final List<int[]> texts;
  private final Map<Integer, float[]> fairly = new HashMap<>(); // by a batch's first prompt

  /// @param fair the model without planted shares
  /// @param facts questions about what is simply true
  /// @param texts of the world
  AlignmentJudge(
      LanguageModel fair,
      Tokenizer tokenizer,
      AlignmentQuestions questions,
      List<Cloze> facts,
      List<String> texts) {
    this.fair = fair;
    this.tokenizer = tokenizer;
    this.questions = questions;
    this.facts = List.copyOf(facts);
    this.texts = rows(texts);
  }

  /// Texts as the model reads them.
  List<int[]> rows(List<String> texts) {
    return texts.stream()
        .map(text -> tokenizer.encode(text).ids())
        .filter(ids -> ids.length > 1)
        .toList();
  }

  /// What a model says of the first of two answers: the mean over prompts.
  ///
  /// @param share `P(first) / (P(first) + P(second))`
  record Said(Planted planted, double share) {
    /// How far it is from even.
    double gap() {
      return Math.abs(share - 0.5);
    }
  }

  /// What a model says of some associations.
  ///
  /// @param most prompts of each
  List<Said> said(LanguageModel model, Predicate<Planted> which, int most) {
    List<Truth.Rate> rates =
        questions.rates().stream().filter(rate -> which.test(rate.planted())).toList();
    List<Answers.Answer> answers =
        Answers.of(
            model,
            tokenizer,
            rates.stream().flatMap(rate -> rate.prompts().stream().limit(most)).toList());
    var said = new ArrayList<Said>();
    int at = 0;
    for (Truth.Rate rate : rates) {
      int count = Math.min(most, rate.prompts().size());
      double sum = 0;
      for (int i = 0; i < count; i++) {
        sum += answers.get(at++).share();
      }
      said.add(new Said(rate.planted(), sum / count));
    }
    return said;
  }

  /// The mean distance from even.
  static double gap(List<Said> said) {
    return said.stream().mapToDouble(Said::gap).average().orElse(Double.NaN);
  }

  /// All that is measured of a model.
  AlignmentTrialResult.Measured of(LanguageModel model, TokenScorer scorer) {
    Followed followed = followed(model);
    List<Said> shares =
        followed.said.stream().filter(s -> AlignmentQuestions.isPlanted(s.planted())).toList();
    List<Said> held = shares.stream().filter(s -> !questions.isFitted(s.planted())).toList();
    List<Said> others =
        said(
            model,
            planted ->
                AlignmentQuestions.isPlanted(planted) && !AlignmentQuestions.isShare(planted),
            Integer.MAX_VALUE);
    return new AlignmentTrialResult.Measured(
        near(shares),
        near(held),
        gap(shares),
        gap(held),
        gap(others),
        right(model),
        scorer.perplexity(texts),
        followed.divergence,
        followed.divergenceHeld);
  }

  private static double near(List<Said> said) {
    long near = said.stream().filter(s -> s.gap() <= AlignmentTrialResult.NEAR).count();
    return (double) near / said.size();
  }

  private double right(LanguageModel model) {
    List<Answers.Answer> answers = Answers.of(model, tokenizer, facts);
    return (double) answers.stream().filter(Answers.Answer::right).count() / answers.size();
  }

  /// What follows the prompts about all occupations.
  ///
  /// @param divergence mean `KL(fair ‖ model)` of the next word, nats
  /// @param divergenceHeld the same of the half that nothing was fitted on
  private record Followed(List<Said> said, double divergence, double divergenceHeld) {}

  private Followed followed(LanguageModel model) {
    List<Truth.Rate> rates =
        questions.rates().stream()
            .filter(rate -> AlignmentQuestions.isShare(rate.planted()))
            .toList();
    List<Cloze> prompts = rates.stream().flatMap(rate -> rate.prompts().stream()).toList();
    double[] shares = new double[prompts.size()];
    double[] divergences = new double[prompts.size()];
    Answers.inBatches(
        tokenizer,
        prompts,
        (batch, ids) -> {
          try (var scope = Scope.withoutGradients()) {
            Tensor p = ofFair(batch, ids);
            Tensor q = logProbabilities(model, batch, ids);
            double[] first = at(q, batch, Answers.Asked::answer);
            double[] second = at(q, batch, Answers.Asked::foil);
            double[] each = p.exp().mul(p.sub(q)).sum(-1, false).toDoubles();
            for (int i = 0; i < each.length; i++) {
              int index = batch.get(i).index();
              shares[index] = 1 / (1 + Math.exp(second[i] - first[i]));
              divergences[index] = each[i];
            }
          }
        });
    var said = new ArrayList<Said>();
    double heldSum = 0;
    int heldCount = 0;
    int from = 0;
    for (Truth.Rate rate : rates) {
      int to = from + rate.prompts().size();
      said.add(
          new Said(rate.planted(), Arrays.stream(shares, from, to).average().orElse(Double.NaN)));
      if (!questions.isFitted(rate.planted())) {
        heldSum += Arrays.stream(divergences, from, to).sum();
        heldCount += to - from;
      }
      from = to;
    }
    return new Followed(
        said, Arrays.stream(divergences).average().orElse(Double.NaN), heldSum / heldCount);
  }

  /// The fair model's, computed once, `[prompts, vocab]`.
  private Tensor ofFair(List<Answers.Asked> batch, int[] ids) {
    int first = batch.getFirst().index();
    float[] known = fairly.get(first);
    if (known == null) {
      known = logProbabilities(fair, batch, ids).toFloats();
      fairly.put(first, known);
    }
    return Tensor.of(known, batch.size(), known.length / batch.size());
  }

  private static double[] at(
      Tensor logProbabilities, List<Answers.Asked> batch, ToIntFunction<Answers.Asked> token) {
    long[] columns = batch.stream().mapToInt(token).asLongStream().toArray();
    return logProbabilities.gather(1, Tensor.of(columns, columns.length, 1)).toDoubles();
  }

  private static Tensor logProbabilities(
      LanguageModel model, List<Answers.Asked> batch, int[] ids) {
    return model
        .logits(Tensor.of(ids, ids.length), Answers.layout(batch), Wanted.LAST)
        .wide()
        .logSoftmax(-1);
  }
}
