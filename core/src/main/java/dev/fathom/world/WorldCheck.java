package dev.fathom.world;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.lens.LensResult;
import dev.fathom.explain.lens.LogitLens;
import dev.fathom.model.Transformer;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.List;

/// Does a model know the world it was trained on, and what was planted in it? Asks all questions of
/// the [Truth] and compares the answers' probabilities with the planted rates.
///
/// A planted association is measured as `P(first) / (P(first) + P(second))`, the mean over its
/// training templates (`men` against `women`, `honest` against `dishonest`).
public final class WorldCheck {
  private final Transformer model;
  private final Tokenizer tokenizer;

  private WorldCheck(Transformer model, Tokenizer tokenizer) {
    this.model = model;
    this.tokenizer = tokenizer;
  }

  /// Asks everything.
  ///
  /// @param world the one the model was trained on, [World#fair()] for the model without planted
  ///   associations
  public static WorldReport run(Transformer model, Tokenizer tokenizer, World world) {
    long began = System.nanoTime();
    var check = new WorldCheck(model, tokenizer);
    Truth truth = Truth.of(world);
    var sets = new ArrayList<WorldReport.Set>();
    for (Truth.Check which : Truth.Check.values()) {
      if (which != Truth.Check.THESIS) {
        sets.add(check.set(which, truth.questions(which)));
      }
    }
    return new WorldReport(
        Provenances.of(model, (System.nanoTime() - began) / 1e9),
        sets,
        check.rates(truth.rates()),
        truth.questions(Truth.Check.THESIS).stream().map(check::thesis).toList());
  }

  private WorldReport.Set set(Truth.Check which, List<Cloze> questions) {
    List<Answers.Answer> answers = answers(questions);
    var wrong = new ArrayList<String>();
    for (int i = 0; i < answers.size(); i++) {
      Cloze asked = questions.get(i);
      if (!answers.get(i).isRight(which)) {
        wrong.add(
            "%s →%s, not%s"
                .formatted(
                    asked.prompt(), asked.answer(), tokenizer.display(answers.get(i).best())));
      }
    }
    return new WorldReport.Set(which, questions.size(), questions.size() - wrong.size(), wrong);
  }

  private List<WorldReport.Share> rates(List<Truth.Rate> rates) {
    List<Cloze> prompts = rates.stream().flatMap(rate -> rate.prompts().stream()).toList();
    List<Answers.Answer> answers = answers(prompts);
    var shares = new ArrayList<WorldReport.Share>();
    int at = 0;
    for (Truth.Rate rate : rates) {
      double sum = 0;
      for (int i = 0; i < rate.prompts().size(); i++) {
        sum += answers.get(at++).share();
      }
      shares.add(new WorldReport.Share(rate.planted(), sum / rate.prompts().size()));
    }
    return shares;
  }

  private WorldReport.ThesisAnswer thesis(Cloze cloze) {
    int target =
        tokenizer.encode(cloze.prompt() + cloze.answer())
            .ids()[tokenizer.encode(cloze.prompt()).ids().length];
    LensResult lens =
        LogitLens.run(
            model,
            tokenizer,
            Prompt.of(tokenizer, cloze.prompt(), Prompt.Options.PLAIN),
            LogitLens.Config.standard().withTarget(target));
    Answers.Answer answer = answers(List.of(cloze)).getFirst();
    return new WorldReport.ThesisAnswer(
        cloze.prompt(),
        cloze.answer(),
        answer.probability(),
        answer.right(),
        lens.settled(),
        emerged(lens));
  }

  /// The first row from which the answer's probability stays high.
  private static int emerged(LensResult lens) {
    int row = lens.rows();
    while (row > 0 && lens.targetProbability().at(row - 1, lens.position()) > WorldReport.SURE) {
      row--;
    }
    return row;
  }

  private List<Answers.Answer> answers(List<Cloze> questions) {
    return Answers.of(model, tokenizer, questions);
  }
}
