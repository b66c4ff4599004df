package dev.fathom.evaluate.bias;

import dev.fathom.Version;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.Provenances;
import dev.fathom.model.LanguageModel;
import dev.fathom.view.Provenance;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.IntConsumer;

/// Does a model find stereotypes more probable than their opposites, and does it know language at
/// all? StereoSet's intrasentence test (Nadeem et al. 2021): the scores of a stereotype, an
/// anti-stereotype and a meaningless sentence of each context, counted by [BiasScores].
///
/// It misleads where the whole sentence's probability is not about the stereotype (the official
/// score is over all tokens, so rare words count), where items are badly made (Blodgett et al.
/// 2021), and where a change lowers SS by making the model worse: look at LMS beside it. A score of
/// 50 does not say that a model has no bias.
public final class StereoSetEvaluation {
  /// Items between two reports of progress; their sentences fill a few passes.
  private static final int CHUNK = 256;

  private StereoSetEvaluation() {}

  /// Scores all items and counts.
  ///
  /// @param model only named in the result; `scorer` reads it
  /// @param done is told how many items were scored since it was last told
  public static StereoSetResult run(
      LanguageModel model,
      BiasScorer scorer,
      StereoSet set,
      Bootstrap bootstrap,
      Optional<ItemDirectory> kept,
      IntConsumer done) {
    long start = System.nanoTime();
    List<ScoredItem> scored = scores(scorer, set.items(), kept, done);
    var parameters = new LinkedHashMap<>(scorer.settings());
    parameters.put("resamples", Integer.toString(bootstrap.resamples()));
    parameters.put("seed of resamples", Long.toString(bootstrap.seed()));
    return new StereoSetResult(
        BiasScores.of(scored, bootstrap),
        scored,
        set.notes(),
        Provenances.of(model, (System.nanoTime() - start) / 1e9, flat(parameters)));
  }

  /// Counts scores that a file of predictions has ([Predictions]), by no model.
  ///
  /// @throws dev.fathom.FathomException if the file is not understood, or lacks a sentence
  public static StereoSetResult rescored(Path predictions, StereoSet set, Bootstrap bootstrap) {
    List<ScoredItem> scored = Predictions.read(predictions, set.items());
    var parameters = new LinkedHashMap<String, String>();
    parameters.put("scores", "those in " + predictions);
    parameters.put("resamples", Integer.toString(bootstrap.resamples()));
    return new StereoSetResult(
        BiasScores.of(scored, bootstrap),
        scored,
        set.notes(),
        new Provenance(
            "",
            "",
            Version.current(),
            List.of(),
            List.of(),
            parameters,
            OptionalLong.of(bootstrap.seed()),
            "",
            0,
            0));
  }

  static String[] flat(Map<String, String> parameters) {
    return parameters.entrySet().stream()
        .flatMap(entry -> List.of(entry.getKey(), entry.getValue()).stream())
        .toArray(String[]::new);
  }

  /// The scores of items, in their order.
  public static List<ScoredItem> scores(BiasScorer scorer, List<StereoSetItem> items) {
    return scores(scorer, items, Optional.empty(), _ -> {});
  }

  /// The same, keeping what is found: items that a directory has are not scored again.
  public static List<ScoredItem> scores(
      BiasScorer scorer,
      List<StereoSetItem> items,
      Optional<ItemDirectory> kept,
      IntConsumer done) {
    var found = new LinkedHashMap<String, ScoredItem>();
    kept.ifPresent(directory ->
        directory.forEach(line -> {
          ScoredItem item = ScoredItem.read(line);
          found.put(item.key(), item);
        }));
    // neighbours of like length are read together
    List<StereoSetItem> missing =
        items.stream()
            .filter(item -> !found.containsKey(item.key()))
            .sorted(Comparator.comparingInt(item -> -item.context().length()))
            .toList();
    done.accept(items.size() - missing.size());
    for (int from = 0; from < missing.size(); from += CHUNK) {
      List<StereoSetItem> some = missing.subList(from, Math.min(missing.size(), from + CHUNK));
      for (ScoredItem item : scorer.items(some)) {
        found.put(item.key(), item);
        kept.ifPresent(directory -> directory.append(item.key(), item::write));
      }
      done.accept(some.size());
    }
    var scored = new ArrayList<ScoredItem>();
    for (StereoSetItem item : items) {
      scored.add(labelled(item, found));
    }
    return scored;
  }

  private static ScoredItem labelled(StereoSetItem item, Map<String, ScoredItem> found) {
    ScoredItem scored = found.get(item.key());
    if (scored == null) {
      throw new IllegalStateException("item " + item.id() + " has no scores");
    }
    return scored;
  }
}
