package dev.fathom.world;

import dev.fathom.text.Tokenizer;
import dev.fathom.train.Row;
import dev.fathom.train.TrainingSet;
import java.util.Arrays;
import java.util.List;

/// The rounds of a [Corpus] as epochs of rows: each text alone, from the start token to the end
/// token.
final class WorldRows implements TrainingSet {
  private final Corpus corpus;
  private final Tokenizer tokenizer;
  private final String fingerprint;

  /// @param fingerprint what the corpus is made from, such as its world and seed
  WorldRows(Corpus corpus, Tokenizer tokenizer, String fingerprint) {
    this.corpus = corpus;
    this.tokenizer = tokenizer;
    this.fingerprint = fingerprint + ", first round " + TrainingSet.digest(epoch(0));
  }

  @Override
  public List<Row> epoch(int number) {
    return corpus.round(number).stream().map(text -> Row.of(whole(text))).toList();
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
