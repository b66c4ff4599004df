package dev.fathom.explain.causal;

import dev.fathom.explain.Metric;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.Stream;

/// What [TracingStatistics] found over many prompts.
///
/// @param prompts how many were asked
/// @param counted how many of them count
/// @param high the metric of the clean runs
/// @param low of the noisy ones, nothing put back
/// @param totalEffect as [TracingResult#totalEffect]
/// @param maps indirect effects, `score − low`, `[layer, token role]`
public record TracingStatisticsResult(
    Provenance provenance,
    Metric metric,
    int prompts,
    int counted,
    MeanMap.Average high,
    MeanMap.Average low,
    MeanMap.Average totalEffect,
    SequencedMap<CausalTracing.State, MeanMap> maps)
    implements Result {
  public TracingStatisticsResult {
    maps = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(maps));
  }

  @Override
  public String method() {
    return "trace-statistics";
  }

  /// What putting one state back restores.
  public MeanMap indirectEffect(CausalTracing.State state) {
    return Objects.requireNonNull(maps.get(state), state.title());
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    maps.forEach((state, map) ->
        views.add(
            map.view(
                "Putting back %s, mean over %,d prompts".formatted(state.title(), counted),
                "How much of the answer returns on average when this one state is as if there were no noise?",
                "restored " + metric.unit())));
    maps.forEach((state, map) -> views.add(curves(state, map)));
    views.add(
        View.Text.of(
            "Clean and noisy",
            "%,d of %,d prompts count%s. Clean, the %s of the target is %s; with a noisy subject %s: the noise destroys %s."
                .formatted(
                    counted,
                    prompts,
                    counted < prompts
                        ? "; for the others the model's own first choice is not the target"
                        : "",
                    metric.noun(),
                    high.words(),
                    low.words(),
                    totalEffect.words()),
            TokenRole.LEGEND));
    return views;
  }

  private View curves(CausalTracing.State state, MeanMap map) {
    View.Series[] series =
        Stream.of(TokenRole.LAST_SUBJECT, TokenRole.LAST)
            .map(map::series)
            .flatMap(Optional::stream)
            .toArray(View.Series[]::new);
    return View.Lines.over(
        "By layer: " + state.title(),
        "At which layers does putting it back help, at the subject's last token and at the last token?",
        map.mean().axis(0),
        View.Panel.of("restored %s, 95 %% interval".formatted(metric.unit()), series));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("trace_high", high.grid());
    arrays.put("trace_low", low.grid());
    arrays.put("trace_total_effect", totalEffect.grid());
    maps.forEach((state, map) -> map.putInto(arrays, "trace_%s_indirect".formatted(state.text())));
    return arrays;
  }
}
