package dev.fathom.explain.attribute;

import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Random;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/// Do the tokens that an attribution names matter? They are taken away one after another, the
/// highest score first (deletion), or put back into an empty prompt in the same order (insertion),
/// and p(target) is read after each. A good attribution loses the answer early and finds it early;
/// random orders are the control (Samek et al. 2017; Petsiuk et al. 2018).
///
/// It misleads where what stands in for a token confuses the model more than its absence would. A
/// method that itself takes tokens away has an advantage here.
public final class Faithfulness {
  private Faithfulness() {}

  /// How the control is drawn.
  ///
  /// @param filler what stands in for a token that is away; not [Filler#DROP]
  /// @param randomOrders at least 2
  public record Config(Filler filler, int randomOrders, long seed) {
    public Config {
      if (randomOrders < 2) {
        throw new IllegalArgumentException(
            "at least 2 random orders are needed, found " + randomOrders);
      }
    }

    public static Config standard() {
      return new Config(Filler.MEAN, 20, 0);
    }
  }

  /// The curves of one order of tokens.
  ///
  /// @param deletion p(target) after 0, 1, … tokens are taken away
  /// @param insertion p(target) after 0, 1, … tokens are put back
  public record Curves(Grid deletion, Grid insertion) {
    /// Area over the deletion curve (AOPC): the mean loss of p(target) over all steps; larger is
    /// more faithful.
    public double lost() {
      return deletion.at(0) - mean(deletion);
    }

    /// Area under the insertion curve: the mean p(target) over all steps; larger is more faithful.
    public double found() {
      return mean(insertion);
    }

    private static double mean(Grid curve) {
      double sum = 0;
      for (float value : curve.values()) {
        sum += value;
      }
      return sum / curve.size();
    }
  }

  /// @param methods the curves of each attribution, by the name of its array
  /// @param random those of the random orders
  public record Curve(SequencedMap<String, Curves> methods, List<Curves> random, Filler filler) {
    public Curve {
      methods = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(methods));
      random = List.copyOf(random);
    }
  }

  /// An attribution's result with its curves, all runs in one batch.
  public static AttributionResult run(
      Transformer model,
      Tokenizer tokenizer,
      Question question,
      AttributionResult result,
      Config config) {
    try (var scope = Scope.withoutGradients()) {
      var prompt =
          new MaskedPrompt(
              model, tokenizer, question.measuredBy(Metric.PROBABILITY), config.filler());
      int n = prompt.players();
      int[] positions = prompt.positions();
      var orders = new ArrayList<List<Integer>>();
      for (TokenAttribution attribution : result.attributions()) {
        orders.add(order(attribution, positions));
      }
      var random = new Random(config.seed());
      List<Integer> players = new ArrayList<>(IntStream.range(0, n).boxed().toList());
      for (int i = 0; i < config.randomOrders(); i++) {
        Collections.shuffle(players, random);
        orders.add(List.copyOf(players));
      }
      List<Curves> curves = curves(prompt, orders);
      var methods = new LinkedHashMap<String, Curves>();
      int of = result.attributions().size();
      for (int i = 0; i < of; i++) {
        methods.put(result.attributions().get(i).array(), curves.get(i));
      }
      return result.with(new Curve(methods, curves.subList(of, curves.size()), config.filler()));
    }
  }

  /// An attribution's tokens as players, the highest score first.
  private static List<Integer> order(TokenAttribution attribution, int[] positions) {
    for (int position : positions) {
      if (!Float.isFinite((float) attribution.scores().at(position))) {
        throw new IllegalArgumentException(
            "%s has no finite score for token %d (%s), so there is no order to take tokens away in: leave that method out, or compute in 32 bits."
                .formatted(attribution.title(), position, attribution.scores().at(position)));
      }
    }
    return attribution.order().stream()
        .map(token -> Arrays.binarySearch(positions, token))
        .filter(player -> player >= 0)
        .toList();
  }

  /// The curves of orders of players.
  ///
  /// @throws IllegalArgumentException if an order does not name each player once
  static List<Curves> curves(Coalition game, List<List<Integer>> orders) {
    int n = game.players();
    var sets = new ArrayList<boolean[]>();
    for (List<Integer> order : orders) {
      if (order.size() != n || order.stream().distinct().count() != n) {
        throw new IllegalArgumentException(
            "an order names each of %d players once, found %s".formatted(n, order));
      }
      boolean[] left = Coalition.all(n);
      boolean[] back = new boolean[n];
      sets.add(left.clone());
      sets.add(back.clone());
      for (int player : order) {
        left[player] = false;
        back[player] = true;
        sets.add(left.clone());
        sets.add(back.clone());
      }
    }
    double[] v = game.values(sets);
    Axis axis = Axis.index("tokens", n + 1);
    var curves = new ArrayList<Curves>();
    for (int o = 0; o < orders.size(); o++) {
      float[] deletion = new float[n + 1];
      float[] insertion = new float[n + 1];
      for (int k = 0; k <= n; k++) {
        int at = 2 * (o * (n + 1) + k);
        deletion[k] = (float) v[at];
        insertion[k] = (float) v[at + 1];
      }
      curves.add(new Curves(Grid.vector(axis, deletion), Grid.vector(axis, insertion)));
    }
    return curves;
  }
}
