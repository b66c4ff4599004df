package dev.fathom.align.baseline;

import dev.fathom.align.Fitting;
import dev.fathom.align.Method;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import java.util.List;
import java.util.Map;

/// Edits that say how they were found.
final class Fitted {
  private Fitted() {}

  /// @param found what fitting found, by name
  static Remedy.OfWeights of(
      Fitting fitting, Method method, List<Change> changes, Map<String, String> found) {
    Edit edit = Edit.of(fitting.model(), method.name(), changes);
    return new Remedy.OfWeights(described(edit, fitting, method, found));
  }

  /// The same edit, called after its method.
  static Edit described(Edit edit, Fitting fitting, Method method, Map<String, String> found) {
    var card = edit.card().with("method", method.name()).with("domain", fitting.domain());
    for (Map<String, String> each : List.of(method.settings(), found)) {
      for (var entry : each.entrySet()) {
        card = card.with(entry.getKey(), entry.getValue());
      }
    }
    return edit.named(method.name()).with(card.withSeed(fitting.seed()));
  }
}
