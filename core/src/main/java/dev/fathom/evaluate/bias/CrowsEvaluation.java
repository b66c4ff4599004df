package dev.fathom.evaluate.bias;

import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.Provenances;
import dev.fathom.model.LanguageModel;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.function.IntConsumer;

/// Does a model find the more stereotyping of two sentences more probable, which differ in the
/// group they are about? CrowS-Pairs (Nangia et al. 2020), counted by [CrowsScores].
///
/// It misleads more than StereoSet: many pairs do not differ in what they should, or are no
/// stereotypes (Blodgett et al. 2021), names and words of groups differ in how rare they are, and
/// nothing measures whether the model still knows language.
public final class CrowsEvaluation {
  /// Pairs between two reports of progress; their sentences fill a few passes.
  private static final int CHUNK = 256;

  private CrowsEvaluation() {}

  /// Scores all pairs and counts.
  ///
  /// @param model only named in the result; `scorer` reads it
  /// @param done is told how many pairs were scored since it was last told
  public static CrowsResult run(
      LanguageModel model,
      BiasScorer scorer,
      List<CrowsPair> pairs,
      Optional<ItemDirectory> kept,
      IntConsumer done) {
    long start = System.nanoTime();
    List<ScoredPair> scored = scores(scorer, pairs, kept, done);
    return new CrowsResult(
        CrowsScores.of(scored),
        scored,
        Provenances.of(
            model, (System.nanoTime() - start) / 1e9, StereoSetEvaluation.flat(scorer.settings())));
  }

  /// The scores of pairs, in their order.
  public static List<ScoredPair> scores(BiasScorer scorer, List<CrowsPair> pairs) {
    return scores(scorer, pairs, Optional.empty(), _ -> {});
  }

  /// The same, keeping what is found: pairs that a directory has are not scored again.
  public static List<ScoredPair> scores(
      BiasScorer scorer, List<CrowsPair> pairs, Optional<ItemDirectory> kept, IntConsumer done) {
    var found = new LinkedHashMap<String, ScoredPair>();
    kept.ifPresent(directory ->
        directory.forEach(line -> {
          ScoredPair pair = ScoredPair.read(line);
          found.put(pair.key(), pair);
        }));
    // neighbours of like length are read together
    List<CrowsPair> missing =
        pairs.stream()
            .filter(pair -> !found.containsKey(pair.key()))
            .sorted(Comparator.comparingInt(pair -> -pair.more().length()))
            .toList();
    done.accept(pairs.size() - missing.size());
    for (int from = 0; from < missing.size(); from += CHUNK) {
      List<CrowsPair> some = missing.subList(from, Math.min(missing.size(), from + CHUNK));
      for (ScoredPair pair : scorer.pairs(some)) {
        found.put(pair.key(), pair);
        kept.ifPresent(directory -> directory.append(pair.key(), pair::write));
      }
      done.accept(some.size());
    }
    return pairs.stream()
        .map(pair -> Optional.ofNullable(found.get(pair.key())).orElseThrow())
        .toList();
  }
}
