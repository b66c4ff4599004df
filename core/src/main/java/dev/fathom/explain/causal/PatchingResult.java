package dev.fathom.explain.causal;

import dev.fathom.explain.Metric;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;

/// The maps of a [Patching].
///
/// @param startToken whether position 0 is a start token
/// @param clean the metric of the clean run
/// @param corrupt the metric of the corrupt run
/// @param patched the metric of each patched run, `[layer, position]` or `[layer, head]`
public record PatchingResult(
    Provenance provenance,
    Metric metric,
    Patching.Direction direction,
    boolean startToken,
    double clean,
    double corrupt,
    SequencedMap<Patching.Part, Grid> patched)
    implements Result {
  public PatchingResult {
    patched = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(patched));
  }

  @Override
  public String method() {
    return "patch";
  }

  /// Each map as the share of the difference that it carries: 0 is the corrupt run, 1 the clean
  /// one.
  public Grid recovery(Patching.Part part) {
    Grid values = Objects.requireNonNull(patched.get(part), part.title());
    float[] recovered = values.values();
    for (int i = 0; i < recovered.length; i++) {
      recovered[i] = (float) ((recovered[i] - corrupt) / (clean - corrupt));
    }
    return Grid.real(values.axes(), recovered);
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    for (Patching.Part part : patched.keySet()) {
      boolean denoise = direction == Patching.Direction.DENOISE;
      var map =
          View.HeatMap.of(
                  "%s, from the %s run"
                      .formatted(capital(part.title()), denoise ? "clean" : "corrupt"),
                  denoise
                      ? "How much of the clean answer comes back when only this is put into the corrupt run?"
                      : "How much of the clean answer is left when only this is taken from the corrupt run?",
                  recovery(part),
                  Scale.diverging("recovery (0: corrupt run, 1: clean run)"))
              .bottomUp();
      views.add(startToken && !part.perHead() ? map.withUnscaled(Set.of(0)) : map);
    }
    views.add(
        View.Text.of(
            "Clean and corrupt",
            String.format(
                Locale.ROOT,
                "In the clean run %s is %.4f, in the corrupt one %.4f: recovery is a share of this difference.",
                metric.words(provenance.parameters()),
                clean,
                corrupt)));
    return views;
  }

  private static String capital(String text) {
    return Character.toUpperCase(text.charAt(0)) + text.substring(1);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    String measured = metric == Metric.LOGIT ? "target_logit" : metric.text();
    patched.forEach(
        (part, grid) -> arrays.put("patch_%s_%s".formatted(part.text(), measured), grid));
    return arrays;
  }
}
