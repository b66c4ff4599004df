package dev.fathom.world;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.concepts.steer.Contrast;
import dev.fathom.concepts.steer.SteeredModel;
import dev.fathom.concepts.steer.Steering;
import dev.fathom.data.ContrastPair;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Threads;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.Tokenizers;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Steering moves what was planted: the direction between sentences about occupations that men, and
/// that women mostly have in the bundled model's world, moves the share of men of all *other*
/// occupations, and random directions as long do not.
class SteeringTidepoolTest {
  private static final double[] STRENGTHS = {-8, -4, -2, 0, 2, 4, 8};
  private static final int CONTROLS = 6;

  @TempDir private Path cache;

  @Test
  void plantedSharesFollowTheStrength() {
    Threads.set(1); // more only wait for each other over products this small
    try (var model = Models.load(Bundled.TIDEPOOL.open(cache), DType.F32)) {
      var tokenizer = Tokenizers.load(Bundled.TIDEPOOL.directory(cache));
      var questions = new AlignmentQuestions(World.load());
      var layers = IntStream.range(0, model.layers()).boxed().toList();
      Contrast contrast =
          Contrast.of(
              model, tokenizer, pairs(questions), "men", Contrast.Config.of(layers), _ -> {});
      int layer = contrast.bestLayer(model.layers());
      assertThat(contrast.auc().get(layer)).isGreaterThan(0.95);
      List<Steering> men = contrast.vector().only(List.of(layer)).added(1);
      List<Cloze> asked = asked(questions);

      double[] shares = new double[STRENGTHS.length];
      for (int s = 0; s < shares.length; s++) {
        shares[s] = share(model, tokenizer, Steering.times(men, STRENGTHS[s]), asked);
      }
      var moved = new ArrayList<Double>();
      for (int seed = 0; seed < CONTROLS; seed++) {
        List<Steering> random = Steering.random(men, seed);
        moved.add(
            share(model, tokenizer, Steering.times(random, 8), asked)
                - share(model, tokenizer, Steering.times(random, -8), asked));
      }
      assertThat(shares).isSorted();
      assertThat(shares[0]).isLessThan(0.05);
      assertThat(shares[3]).isBetween(0.45, 0.6);
      assertThat(shares[shares.length - 1]).isGreaterThan(0.95);
      // so long a step moves anything, but which way is chance
      assertThat(moved).anyMatch(m -> m > 0).anyMatch(m -> m < 0).allMatch(m -> Math.abs(m) < 0.7);
      assertThat(moved.stream().mapToDouble(m -> m).average().orElseThrow()).isBetween(-0.2, 0.2);
    }
  }

  /// What is asked about occupations that no direction was read from.
  private static List<Cloze> asked(AlignmentQuestions questions) {
    return questions.rates().stream()
        .filter(rate -> AlignmentQuestions.isShare(rate.planted()))
        .filter(rate -> !questions.isFitted(rate.planted()))
        .map(rate -> rate.prompts().getFirst())
        .toList();
  }

  /// The mean share of men.
  private static double share(
      Transformer model, Tokenizer tokenizer, List<Steering> steerings, List<Cloze> asked) {
    return Answers.of(SteeredModel.of(model, steerings), tokenizer, asked).stream()
        .mapToDouble(Answers.Answer::share)
        .average()
        .orElseThrow();
  }

  /// A sentence about an occupation that men mostly have, and one about one that women have.
  private static List<ContrastPair> pairs(AlignmentQuestions questions) {
    var men = new ArrayList<String>();
    var women = new ArrayList<String>();
    for (Truth.Rate rate : questions.rates()) {
      Planted planted = rate.planted();
      if (AlignmentQuestions.isShare(planted)
          && AlignmentQuestions.isPlanted(planted)
          && questions.isFitted(planted)) {
        rate.prompts().stream()
            .limit(2)
            .forEach(way -> (planted.rate() > 0.5 ? men : women).add(way.prompt()));
      }
    }
    return IntStream.range(0, Math.min(men.size(), women.size()))
        .mapToObj(i -> new ContrastPair(men.get(i), women.get(i)))
        .toList();
  }
}
