package dev.fathom.world;

import dev.fathom.evaluate.Likelihood;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/// Measures models by what they make of the planted shares, and of everything else.
final class AlignmentJudge {
  private final LanguageModel fair;
  private final Tokenizer tokenizer;
  private final AlignmentQuestions questions;
  private final List<Cloze> facts;
  private final List<int[]> texts;

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
    List<Said> all = said(model, AlignmentQuestions::isPlanted, Integer.MAX_VALUE);
    List<Said> shares = all.stream().filter(s -> AlignmentQuestions.isShare(s.planted())).toList();
    List<Said> held = shares.stream().filter(s -> !questions.isFitted(s.planted())).toList();
    List<Said> others = all.stream().filter(s -> !AlignmentQuestions.isShare(s.planted())).toList();
    double[] divergence = divergence(model);
    return new AlignmentTrialResult.Measured(
        near(shares),
        near(held),
        gap(shares),
        gap(held),
        gap(others),
        right(model),
        perplexity(scorer, texts),
        divergence[0],
        divergence[1]);
  }

  private static double near(List<Said> said) {
    long near = said.stream().filter(s -> s.gap() <= AlignmentTrialResult.NEAR).count();
    return (double) near / said.size();
  }

  private double right(LanguageModel model) {
    List<Answers.Answer> answers = Answers.of(model, tokenizer, facts);
    return (double) answers.stream().filter(Answers.Answer::right).count() / answers.size();
  }

  /// Of rows of tokens; the first of each is not predicted.
  static double perplexity(TokenScorer scorer, List<int[]> rows) {
    double nats = 0;
    long predicted = 0;
    for (float[] row : scorer.score(rows, Likelihood.Config.standard())) {
      nats -= Likelihood.sum(row);
      predicted += row.length;
    }
    return Math.exp(nats / predicted);
  }

  /// Mean `KL(fair ‖ model)` of the word that follows a prompt about an occupation, in nats: of
  /// all, and of the half that nothing was fitted on.
  private double[] divergence(LanguageModel model) {
    var prompts = new ArrayList<Cloze>();
    var held = new ArrayList<Boolean>();
    for (Truth.Rate rate : questions.rates()) {
      if (AlignmentQuestions.isShare(rate.planted())) {
        prompts.addAll(rate.prompts());
        rate.prompts().forEach(_ -> held.add(!questions.isFitted(rate.planted())));
      }
    }
    double[] sums = new double[2];
    Answers.inBatches(
        tokenizer,
        prompts,
        (batch, ids) -> {
          try (var scope = Scope.withoutGradients()) {
            Tensor p = logProbabilities(fair, batch, ids);
            Tensor q = logProbabilities(model, batch, ids);
            double[] each = p.exp().mul(p.sub(q)).sum(-1, false).toDoubles();
            for (int i = 0; i < each.length; i++) {
              sums[0] += each[i];
              sums[1] += held.get(batch.get(i).index()) ? each[i] : 0;
            }
          }
        });
    long count = held.stream().filter(is -> is).count();
    return new double[] {sums[0] / prompts.size(), sums[1] / count};
  }

  private static Tensor logProbabilities(
      LanguageModel model, List<Answers.Asked> batch, int[] ids) {
    return model
        .logits(Tensor.of(ids, ids.length), Answers.layout(batch), Wanted.LAST)
        .wide()
        .logSoftmax(-1);
  }
}
