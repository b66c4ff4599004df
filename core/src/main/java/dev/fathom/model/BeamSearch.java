package dev.fathom.model;

import dev.fathom.model.Generation.Stop;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Follows the `beams` most likely continuations at once and returns the best that ended, by its
/// log probability over its length to the length penalty. Ends when none that is still open can get
/// better at its present length (transformers with `early_stopping=False`).
///
/// Like there, the repetition penalty works on log probabilities, which are never positive.
final class BeamSearch {
  private final LanguageModel model;
  private final Tap tap;
  private final Decoding decoding;
  private final Function<int[], @Nullable Stop> ending;

  /// A continuation and its log probability.
  private record Beam(int[] tokens, double logProbability) {}

  /// A beam with one more token.
  private record Candidate(int parent, int id, double logProbability) {}

  private record Finished(int[] tokens, double score) {}

  /// @param ending why a continuation ends with its last token; null if it goes on
  BeamSearch(
      LanguageModel model, Tap tap, Decoding decoding, Function<int[], @Nullable Stop> ending) {
    this.model = model;
    this.tap = tap;
    this.decoding = decoding;
    this.ending = ending;
  }

  /// The tokens of the best continuation.
  int[] run(int[] prompt) {
    List<Beam> open = List.of(new Beam(new int[0], 0));
    List<Finished> finished = List.of();
    try (var session = model.session(1, tap)) {
      List<int[]> next = List.of(prompt);
      while (true) {
        List<Candidate> candidates = candidates(session, next, open, prompt);
        var going = new ArrayList<Candidate>();
        var beams = new ArrayList<Beam>();
        var ended = new ArrayList<Finished>();
        for (int rank = 0; rank < candidates.size() && beams.size() < decoding.beams(); rank++) {
          Candidate candidate = candidates.get(rank);
          int[] tokens = extended(open.get(candidate.parent).tokens, candidate.id);
          if (ending.apply(tokens) == null) {
            going.add(candidate);
            beams.add(new Beam(tokens, candidate.logProbability));
          } else if (rank < decoding.beams()) {
            ended.add(new Finished(tokens, score(candidate.logProbability, tokens.length)));
          }
        }
        finished = best(finished, ended);
        if (beams.isEmpty() || cannotImprove(beams.getFirst(), finished)) {
          return finished.getFirst().tokens;
        }
        session.select(going.stream().mapToInt(Candidate::parent).toArray());
        next = going.stream().map(candidate -> new int[] {candidate.id}).toList();
        open = beams;
      }
    }
  }

  private static int[] extended(int[] tokens, int id) {
    int[] longer = Arrays.copyOf(tokens, tokens.length + 1);
    longer[tokens.length] = id;
    return longer;
  }

  private double score(double logProbability, int length) {
    return logProbability / Math.pow(length, decoding.lengthPenalty());
  }

  private List<Finished> best(List<Finished> before, List<Finished> more) {
    return Stream.concat(before.stream(), more.stream())
        .sorted(Comparator.comparingDouble(Finished::score).reversed())
        .limit(decoding.beams())
        .toList();
  }

  private boolean cannotImprove(Beam likeliest, List<Finished> finished) {
    return finished.size() == decoding.beams()
        && score(likeliest.logProbability, likeliest.tokens.length) <= finished.getLast().score;
  }

  /// The most likely next steps, best first: enough that `beams` are left when all stop tokens are
  /// among them.
  private List<Candidate> candidates(
      LanguageModel.Session session, List<int[]> next, List<Beam> open, int[] prompt) {
    int enough = Math.max(2, 1 + decoding.stopIds().size()) * decoding.beams();
    Comparator<Candidate> worstFirst =
        Comparator.comparingDouble(Candidate::logProbability)
            .thenComparing(
                Comparator.comparingInt(Candidate::parent)
                    .thenComparingInt(Candidate::id)
                    .reversed());
    var likeliest = new PriorityQueue<>(worstFirst);
    float[] all;
    try (var scope = Scope.withoutGradients()) {
      all = session.append(next).to(DType.F32).logSoftmax(-1).toFloats();
    }
    int columns = all.length / open.size();
    for (int b = 0; b < open.size(); b++) {
      float[] own = Arrays.copyOfRange(all, b * columns, (b + 1) * columns);
      decoding.sampling().penalize(own, seen(prompt, open.get(b)));
      for (int id = 0; id < columns; id++) {
        double total = open.get(b).logProbability + own[id];
        if (likeliest.size() < enough || total > likeliest.element().logProbability) {
          likeliest.add(new Candidate(b, id, total));
          if (likeliest.size() > enough) {
            likeliest.remove();
          }
        }
      }
    }
    return likeliest.stream().sorted(worstFirst.reversed()).toList();
  }

  private static Set<Integer> seen(int[] prompt, Beam beam) {
    var seen = new HashSet<Integer>();
    Arrays.stream(prompt).forEach(seen::add);
    Arrays.stream(beam.tokens).forEach(seen::add);
    return seen;
  }
}
