package dev.fathom.world;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.lens.LensResult;
import dev.fathom.explain.lens.LogitLens;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/// Does a model know the world it was trained on, and what was planted in it? Asks all questions of
/// the [Truth] and compares the answers' probabilities with the planted rates.
///
/// A planted association is measured as `P(first) / (P(first) + P(second))`, the mean over its
/// training templates (`men` against `women`, `honest` against `dishonest`).
public final class WorldCheck {
  /// Tokens read at once.
  private static final int TOKENS = 4096;

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
    List<Answer> answers = answers(questions);
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
    List<Answer> answers = answers(prompts);
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
    Answer answer = answers(List.of(cloze)).getFirst();
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

  /// What the model says after a prompt.
  ///
  /// @param best the most probable token
  /// @param right whether that is the answer
  /// @param probability of the answer
  /// @param foil probability of the first foil, 0 without one
  private record Answer(int best, boolean right, double probability, double foil) {
    /// Where any of many words may follow, the form counts: the right one must beat the wrong one.
    boolean isRight(Truth.Check which) {
      return which == Truth.Check.AGREEMENT ? probability > foil : right;
    }

    double share() {
      return probability / (probability + foil);
    }
  }

  private record Asked(int index, int[] prompt, int answer, int foil) {}

  private List<Answer> answers(List<Cloze> questions) {
    List<Asked> asked =
        IntStream.range(0, questions.size())
            .mapToObj(i -> asked(i, questions.get(i)))
            .sorted(Comparator.comparingInt(a -> a.prompt.length))
            .toList();
    Answer[] answers = new Answer[asked.size()];
    int from = 0;
    while (from < asked.size()) {
      int to = from + 1;
      int tokens = asked.get(from).prompt.length;
      while (to < asked.size() && tokens + asked.get(to).prompt.length <= TOKENS) {
        tokens += asked.get(to++).prompt.length;
      }
      answer(asked.subList(from, to), answers);
      from = to;
    }
    return Arrays.asList(answers);
  }

  private Asked asked(int index, Cloze cloze) {
    int[] prompt = tokenizer.encode(cloze.prompt()).ids();
    int foil = cloze.foils().isEmpty() ? -1 : token(cloze.prompt(), cloze.foils().getFirst());
    return new Asked(index, prompt, token(cloze.prompt(), cloze.answer()), foil);
  }

  private int token(String prompt, String answer) {
    int[] ids = tokenizer.encode(prompt + answer).ids();
    return ids[tokenizer.encode(prompt).ids().length];
  }

  private void answer(List<Asked> batch, Answer[] answers) {
    try (var scope = Scope.withoutGradients()) {
      int[] ids = batch.stream().flatMapToInt(a -> IntStream.of(a.prompt)).toArray();
      Layout layout = Layout.rows(batch.stream().mapToInt(a -> a.prompt.length).toArray());
      Pass pass = Pass.over(layout).with(Wanted.LAST);
      Tensor logits = model.forward(Tensor.of(ids, ids.length), pass); // [rows, vocab]
      DType wide = model.card().dtype() == DType.F64 ? DType.F64 : DType.F32;
      Tensor p = logits.to(wide).softmax(-1);
      long[] best = p.argmax(-1).toLongs();
      double[] right = p.gather(1, column(batch.stream().mapToLong(Asked::answer))).toDoubles();
      double[] other =
          p.gather(1, column(batch.stream().mapToLong(a -> Math.max(0, a.foil)))).toDoubles();
      for (int r = 0; r < best.length; r++) {
        Asked a = batch.get(r);
        answers[a.index] =
            new Answer((int) best[r], best[r] == a.answer, right[r], a.foil < 0 ? 0 : other[r]);
      }
    }
  }

  private static Tensor column(java.util.stream.LongStream ids) {
    long[] values = ids.toArray();
    return Tensor.of(values, values.length, 1);
  }
}
