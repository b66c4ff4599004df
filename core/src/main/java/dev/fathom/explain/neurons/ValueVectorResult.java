package dev.fathom.explain.neurons;

import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/// What neurons of one layer write, in words.
///
/// @param neurons their indices, `[neuron]`
/// @param norms lengths of their value vectors, `[neuron]`
/// @param promotedIds tokens whose logits they raise most, `[neuron, rank]`, best first
/// @param promoted by how much at activation 1, `[neuron, rank]`
/// @param suppressedIds tokens whose logits they lower most, `[neuron, rank]`, worst first
/// @param suppressed by how much, `[neuron, rank]`
/// @param promotedTokens the same tokens as text
/// @param suppressedTokens the same tokens as text
public record ValueVectorResult(
    Provenance provenance,
    int layer,
    Grid neurons,
    Grid norms,
    Grid promotedIds,
    Grid promoted,
    Grid suppressedIds,
    Grid suppressed,
    List<List<String>> promotedTokens,
    List<List<String>> suppressedTokens)
    implements Result {
  /// Neurons that the table shows; the arrays hold all.
  private static final int SHOWN = 40;

  public ValueVectorResult {
    promotedTokens = promotedTokens.stream().map(List::copyOf).toList();
    suppressedTokens = suppressedTokens.stream().map(List::copyOf).toList();
  }

  @Override
  public String method() {
    return "value-vectors";
  }

  @Override
  public List<View> views() {
    int n = neurons.size();
    List<Integer> order =
        IntStream.range(0, n)
            .boxed()
            .sorted(
                n <= SHOWN
                    ? Comparator.naturalOrder()
                    : Comparator.comparingDouble(i -> -promoted.at(i, 0)))
            .limit(SHOWN)
            .toList();
    var rows = new ArrayList<List<View.Cell>>();
    for (int i : order) {
      rows.add(
          List.of(
              View.Cell.of(layer + "." + neurons.integerAt(i)),
              View.Cell.of(norms.at(i)),
              View.Cell.of(promoted.at(i, 0)),
              View.Cell.of(String.join(" ", quoted(promotedTokens.get(i)))),
              View.Cell.of(String.join(" ", quoted(suppressedTokens.get(i))))));
    }
    return List.of(
        new View.Table(
            n <= SHOWN
                ? "Neurons of layer " + layer
                : "The %d of %d neurons of layer %d that promote a token most"
                    .formatted(SHOWN, n, layer),
            "Which tokens does each neuron promote, and which does it suppress, where its activation is"
                + " positive?",
            List.of("neuron", "‖v‖", "most (logits)", "promotes", "suppresses"),
            rows));
  }

  static List<String> quoted(List<String> tokens) {
    return tokens.stream().map(token -> "'" + token + "'").toList();
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("neuron_index", neurons);
    arrays.put("value_norm", norms);
    arrays.put("promoted_id", promotedIds);
    arrays.put("promoted_logit", promoted);
    arrays.put("suppressed_id", suppressedIds);
    arrays.put("suppressed_logit", suppressed);
    return arrays;
  }
}
