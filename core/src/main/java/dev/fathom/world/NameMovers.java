package dev.fathom.world;

import dev.fathom.evaluate.MeanInterval;
import dev.fathom.evaluate.RankCorrelation;
import dev.fathom.explain.HeadIndex;
import dev.fathom.view.Grid;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/// Which heads say the name, as two methods find them. All maps are `[layer, head]`, means over the
/// stories, in logits of the receiver less the giver; negative heads speak for the giver.
///
/// @param stories how many
/// @param clean the difference in the unchanged run
/// @param ablated what is lost when a head's output at the last token comes from the twin
/// @param everywhere the same at all tokens
/// @param direct what is lost on the direct way from the head to the logits: path patching
/// @param looks the share of a head's attention that goes from the last token to the receiver
/// @param knockouts what is lost when the heads found are taken away together
public record NameMovers(
    int stories,
    double clean,
    Grid ablated,
    Grid everywhere,
    Grid direct,
    Grid looks,
    List<Knockout> knockouts) {
  public NameMovers {
    knockouts = List.copyOf(knockouts);
  }

  /// Heads taken away together at the last token of other stories than those they were found on.
  ///
  /// @param heads how many
  /// @param clean the difference in the unchanged run
  /// @param found what is lost without those that ablation found
  /// @param random what is lost without as many random ones
  public record Knockout(int heads, double clean, MeanInterval found, MeanInterval random) {}

  /// The heads with the largest values, the largest first.
  public static List<HeadIndex> top(Grid map, int count) {
    int across = map.axis(1).size();
    return IntStream.range(0, map.size())
        .mapToObj(i -> new HeadIndex(i / across, i % across))
        .sorted(Comparator.comparingDouble((HeadIndex h) -> -map.at(h.layer(), h.head())))
        .limit(count)
        .toList();
  }

  /// How many of the first heads by ablation are among the first by path patching.
  public int overlap(int count) {
    return overlap(ablated, count);
  }

  /// The same with heads ablated at all tokens.
  public int overlapEverywhere(int count) {
    return overlap(everywhere, count);
  }

  private int overlap(Grid by, int count) {
    List<HeadIndex> other = top(direct, count);
    return (int) top(by, count).stream().filter(other::contains).count();
  }

  /// How many random heads would be.
  public double chance(int count) {
    return (double) count * count / direct.size();
  }

  /// Spearman's rank correlation over all heads.
  public double correlation() {
    return RankCorrelation.of(ablated.values(), direct.values());
  }

  public double correlationEverywhere() {
    return RankCorrelation.of(everywhere.values(), direct.values());
  }
}
