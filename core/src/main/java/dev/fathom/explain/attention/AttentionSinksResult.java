package dev.fathom.explain.attention;

import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;

/// What [AttentionSinks] measured.
///
/// @param first tokens that count as sinks
/// @param uniform the share they would get were attention spread evenly
/// @param mass share of attention on them, `[layer, head]`
/// @param keys share of attention on every key, heads averaged, `[layer, key]`
public record AttentionSinksResult(
    Provenance provenance, int first, double uniform, Grid mass, Grid keys) implements Result {
  @Override
  public String method() {
    return "attention-sinks";
  }

  @Override
  public List<View> views() {
    return List.of(
        View.HeatMap.of(
                "Attention on the first %d tokens".formatted(first),
                String.format(
                    Locale.ROOT,
                    "Which heads park their attention there? Evenly spread it would be %.2f.",
                    uniform),
                mass,
                Scale.probability())
            .bottomUp(),
        View.HeatMap.of(
                "Attention on each token",
                "Which tokens draw attention, heads and queries averaged?",
                keys,
                Scale.sequential("attention"))
            .withUnscaledSink()
            .bottomUp(),
        HeadScoresResult.ranking(
            "Heads that park most", "Share of attention on the first tokens", mass, "attention"));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("sink_mass", mass);
    arrays.put("sink_keys", keys);
    return arrays;
  }
}
