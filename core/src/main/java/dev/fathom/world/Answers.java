package dev.fathom.world;

import dev.fathom.model.LanguageModel;
import dev.fathom.model.Layout;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/// What a model says after prompts, many at once.
final class Answers {
  /// Tokens read at once.
  private static final int TOKENS = 4096;

  private Answers() {}

  /// What the model says after a prompt.
  ///
  /// @param best the most probable token
  /// @param right whether that is the answer
  /// @param probability of the answer
  /// @param foil probability of the first foil, 0 without one
  record Answer(int best, boolean right, double probability, double foil) {
    /// Where any of many words may follow, the form counts: the right one must beat the wrong one.
    boolean isRight(Truth.Check which) {
      return which == Truth.Check.AGREEMENT ? probability > foil : right;
    }

    double share() {
      return probability / (probability + foil);
    }
  }

  /// A question in tokens.
  ///
  /// @param index of the question
  /// @param answer its token
  /// @param foil the first foil's token, -1 without one
  record Asked(int index, int[] prompt, int answer, int foil) {
    static Asked of(int index, Cloze cloze, Tokenizer tokenizer) {
      int[] prompt = tokenizer.encode(cloze.prompt()).ids();
      int foil =
          cloze.foils().isEmpty()
              ? -1
              : token(tokenizer, prompt, cloze.prompt() + cloze.foils().getFirst());
      return new Asked(
          index, prompt, token(tokenizer, prompt, cloze.prompt() + cloze.answer()), foil);
    }

    private static int token(Tokenizer tokenizer, int[] prompt, String text) {
      return tokenizer.encode(text).ids()[prompt.length];
    }
  }

  /// The answers to questions, in their order.
  static List<Answer> of(LanguageModel model, Tokenizer tokenizer, List<Cloze> questions) {
    Answer[] answers = new Answer[questions.size()];
    inBatches(tokenizer, questions, (batch, ids) -> answer(model, batch, ids, answers));
    return Arrays.asList(answers);
  }

  /// Hands on questions in batches, the short ones first, with their tokens one after another.
  static void inBatches(
      Tokenizer tokenizer, List<Cloze> questions, BiConsumer<List<Asked>, int[]> each) {
    List<Asked> asked =
        IntStream.range(0, questions.size())
            .mapToObj(i -> Asked.of(i, questions.get(i), tokenizer))
            .sorted(Comparator.comparingInt(a -> a.prompt.length))
            .toList();
    int from = 0;
    while (from < asked.size()) {
      int to = from + 1;
      int tokens = asked.get(from).prompt.length;
      while (to < asked.size() && tokens + asked.get(to).prompt.length <= TOKENS) {
        tokens += asked.get(to++).prompt.length;
      }
      var batch = new ArrayList<>(asked.subList(from, to));
      each.accept(batch, batch.stream().flatMapToInt(a -> IntStream.of(a.prompt)).toArray());
      from = to;
    }
  }

  /// How the questions of a batch lie one after another.
  static Layout layout(List<Asked> batch) {
    return Layout.rows(batch.stream().mapToInt(a -> a.prompt.length).toArray());
  }

  private static void answer(LanguageModel model, List<Asked> batch, int[] ids, Answer[] answers) {
    try (var scope = Scope.withoutGradients()) {
      Tensor logits =
          model.logits(Tensor.of(ids, ids.length), layout(batch), Wanted.LAST); // [rows, vocab]
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

  private static Tensor column(LongStream ids) {
    long[] values = ids.toArray();
    return Tensor.of(values, values.length, 1);
  }
}
