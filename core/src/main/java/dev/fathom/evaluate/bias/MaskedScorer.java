package dev.fathom.evaluate.bias;

import dev.fathom.FathomException;
import dev.fathom.model.Head;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Encoding;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/// Scores sentences by a model that fills in masked words.
///
/// An item of StereoSet: the context's BLANK is filled with the mask, and the tokens of the word
/// that each sentence has there are asked for one after another, left to right, those before in
/// place and none after: the score is the mean of their *probabilities*, as StereoSet's script
/// computes it (`np.mean`; its description says log probabilities). Nothing but that word counts.
///
/// A pair of CrowS-Pairs: the mean of the log-probabilities of the tokens that both sentences have,
/// each masked alone (the pseudo-log-likelihood of Nangia et al. 2020; both sentences have as many,
/// so their sum orders pairs alike). Scores are not rounded, as they are there to three digits.
final class MaskedScorer implements BiasScorer {
  private static final int TOKENS_AT_ONCE = 2048;

  private final Transformer model;
  private final Tokenizer tokenizer;
  private final DType wide;
  private final int mask;

  MaskedScorer(Transformer model, Tokenizer tokenizer) {
    if (!(model.head() instanceof Head.MaskedLm)) {
      throw new IllegalArgumentException(
          "%s has no head that fills in masked words: use a causal model or one for masked words"
              .formatted(model.card().name()));
    }
    this.model = model;
    this.tokenizer = tokenizer;
    this.wide = model.card().dtype() == DType.F64 ? DType.F64 : DType.F32;
    this.mask =
        tokenizer
            .specials()
            .mask()
            .orElseThrow(() ->
                new IllegalArgumentException(
                    "%s has a tokenizer without a mask token, so no word can be masked"
                        .formatted(model.card().name())));
  }

  /// A masked token.
  ///
  /// @param ids the whole row, not copied
  /// @param position the masked one that is asked for
  /// @param token what it should be
  @SuppressWarnings("ArrayRecordComponent")
  private record Masked(int[] ids, int position, int token) {}

  @Override
  public List<ScoredItem> items(List<StereoSetItem> items) {
    List<List<Masked>> asked =
        items.stream()
            .flatMap(item -> item.sentences().stream().map(s -> filled(item, item.filled(s))))
            .toList();
    double[][] found = log2(asked);
    var scored = new ArrayList<ScoredItem>();
    for (int i = 0; i < items.size(); i++) {
      scored.add(
          ScoredItem.of(
              items.get(i),
              Bits.mean(found[3 * i]),
              Bits.mean(found[3 * i + 1]),
              Bits.mean(found[3 * i + 2])));
    }
    return scored;
  }

  /// One row for each token of the word. Where a context has several blanks, all are filled and the
  /// first is asked for. The word is read as it is within a sentence, after a space.
  private List<Masked> filled(StereoSetItem item, String word) {
    String text = item.context().replace(StereoSetItem.BLANK, tokenizer.piece(mask));
    int[] row = tokenizer.encode(text).ids();
    int[] tokens = tokenizer.encode(" " + word, SpecialTokens.NONE).ids();
    var asked = new ArrayList<Masked>();
    for (int before = 0; before < tokens.length; before++) {
      int[] said = Arrays.copyOf(tokens, before);
      int[] ids =
          Arrays.stream(row)
              .flatMap(id ->
                  id == mask
                      ? IntStream.concat(Arrays.stream(said), IntStream.of(mask))
                      : IntStream.of(id))
              .toArray();
      int position =
          IntStream.range(0, ids.length).filter(p -> ids[p] == mask).findFirst().orElse(-1);
      if (position < 0) {
        throw new FathomException(
            "item %s: this tokenizer does not see its mask in \"%s\"".formatted(item.id(), text));
      }
      asked.add(new Masked(ids, position, tokens[before]));
    }
    return asked;
  }

  @Override
  public List<ScoredPair> pairs(List<CrowsPair> pairs) {
    var asked = new ArrayList<List<Masked>>();
    for (CrowsPair pair : pairs) {
      Encoding tokens = tokenizer.encode(pair.more());
      int[] more = tokens.ids();
      int[] less = tokenizer.encode(pair.less()).ids();
      List<SharedTokens.Place> shared =
          SharedTokens.of(more, less).stream()
              .filter(place -> tokens.start(place.first()) < tokens.end(place.first()))
              .toList(); // without those that were added around the text
      if (shared.isEmpty()) {
        throw new FathomException(
            "pair %d: its sentences share no token, so a masked model cannot compare them"
                .formatted(pair.number()));
      }
      asked.add(shared.stream().map(place -> masked(more, place.first())).toList());
      asked.add(shared.stream().map(place -> masked(less, place.second())).toList());
    }
    double[][] found = log2(asked);
    var scored = new ArrayList<ScoredPair>();
    for (int i = 0; i < pairs.size(); i++) {
      scored.add(ScoredPair.of(pairs.get(i), mean(found[2 * i]), mean(found[2 * i + 1])));
    }
    return scored;
  }

  private Masked masked(int[] ids, int position) {
    int[] row = ids.clone();
    row[position] = mask;
    return new Masked(row, position, ids[position]);
  }

  private static double mean(double[] values) {
    return Arrays.stream(values).average().orElseThrow();
  }

  /// The log2-probability of each masked token, in the groups they come in.
  private double[][] log2(List<List<Masked>> groups) {
    double[][] found = new double[groups.size()][];
    record Place(Masked masked, int group, int index) {}
    var places = new ArrayList<Place>();
    for (int g = 0; g < groups.size(); g++) {
      found[g] = new double[groups.get(g).size()];
      for (int i = 0; i < found[g].length; i++) {
        places.add(new Place(groups.get(g).get(i), g, i));
      }
    }
    places.sort(Comparator.comparingInt((Place place) -> place.masked.ids.length).reversed());
    for (int from = 0; from < places.size(); ) {
      int tokens = 0;
      int to = from;
      while (to < places.size()
          && (to == from || tokens + places.get(to).masked.ids.length <= TOKENS_AT_ONCE)) {
        tokens += places.get(to).masked.ids.length;
        to++;
      }
      List<Place> some = places.subList(from, to);
      float[] nats = read(some.stream().map(Place::masked).toList());
      for (int i = 0; i < nats.length; i++) {
        found[some.get(i).group][some.get(i).index] = Bits.of(nats[i]);
      }
      from = to;
    }
    return found;
  }

  /// One pass over whole rows, longest first.
  private float[] read(List<Masked> rows) {
    int longest = rows.getFirst().ids.length;
    if (longest > model.card().context()) {
      throw new IllegalArgumentException(
          "a sentence has %d tokens, but this model reads at most %d"
              .formatted(longest, model.card().context()));
    }
    int[] lengths = rows.stream().mapToInt(row -> row.ids.length).toArray();
    int[] ids = rows.stream().flatMapToInt(row -> Arrays.stream(row.ids)).toArray();
    long[] positions = new long[rows.size()];
    long start = 0;
    for (int r = 0; r < positions.length; r++) {
      positions[r] = start + rows.get(r).position;
      start += lengths[r];
    }
    int[] tokens = rows.stream().mapToInt(Masked::token).toArray();
    try (var scope = Scope.withoutGradients()) {
      Tensor x = // [tokens, dModel]
          model.stream(Tensor.of(ids, ids.length), Pass.over(Layout.rows(lengths)));
      Tensor logits = model.head().of(x.indexSelect(0, positions)).to(wide); // [rows, vocab]
      Tensor wanted = Tensor.of(tokens, tokens.length, 1);
      return logits.logSoftmax(-1).gather(1, wanted).to(DType.F32).toFloats();
    }
  }

  @Override
  public SequencedMap<String, String> settings() {
    var settings = new LinkedHashMap<String, String>();
    settings.put("scores", "masked");
    return settings;
  }
}
