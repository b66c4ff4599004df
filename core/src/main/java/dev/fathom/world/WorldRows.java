package dev.fathom.world;

import dev.fathom.text.Tokenizer;
import dev.fathom.train.Row;
import dev.fathom.train.TrainingSet;
import java.util.Arrays;
import java.util.List;

/// The rounds of a [Corpus] as epochs of rows: each text alone, from the start token to the end
/// token.
final class WorldRows implements TrainingSet {
  private static final int WHOLE = 4;

  private final Corpus corpus;
  private final int firstRound;
  private final Tokenizer tokenizer;
  private final String fingerprint;

  /// @param firstRound the round that is the first epoch
  /// @param fingerprint what the corpus is made from, such as its world and seed
  WorldRows(Corpus corpus, int firstRound, Tokenizer tokenizer, String fingerprint) {
    this.corpus = corpus;
    this.firstRound = firstRound;
    this.tokenizer = tokenizer;
    this.fingerprint = fingerprint + ", first round " + TrainingSet.digest(epoch(0));
  }

  @Override
  public List<Row> epoch(int number) {
    int round = firstRound + number;
    return corpus.examples(round).stream().map(example -> row(example, round)).toList();
  }

  /// One text in [#WHOLE] is learnt word for word; of the others only what can be known counts, the
  /// answer and what follows it, and not which of many prompts somebody chose.
  private Row row(Cloze example, int round) {
    int[] ids = whole(example.text());
    boolean whole = Chance.of("whole", example.text(), round) < 1.0 / WHOLE;
    return whole ? Row.of(ids) : new Row(ids, tokenizer.encode(example.prompt()).ids().length);
  }

  @Override
  public String fingerprint() {
    return fingerprint;
  }

  private int[] whole(String text) {
    int[] ids = tokenizer.encode(text).ids();
    int[] ended = Arrays.copyOf(ids, ids.length + 1);
    ended[ids.length] = tokenizer.specials().eos().orElseThrow();
    return ended;
  }

  /// A question, of which only the answer counts.
  static Row question(Cloze cloze, Tokenizer tokenizer) {
    int prompt = tokenizer.encode(cloze.prompt()).ids().length;
    return new Row(tokenizer.encode(cloze.prompt() + cloze.answer()).ids(), prompt);
  }
}
