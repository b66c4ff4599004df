package dev.fathom.explain.causal;

import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;

/// Gradients of one number with respect to the values at any sites of a run, by one backward pass:
/// at each site a zero that is asked for its gradient is added. Lives in the scope it is made in.
final class SiteGradients {
  private final Map<Site, Tensor> values = new HashMap<>();
  private final Map<Site, Tensor> gradients = new HashMap<>();

  private SiteGradients() {}

  /// @param measure from the last block's stream at the position, `[1, dModel]`, to one number
  static SiteGradients of(
      Transformer model,
      int[] ids,
      Set<Site> sites,
      int position,
      Function<Tensor, Tensor> measure) {
    var found = new SiteGradients();
    Scope home = Scope.current();
    try (var scope = Scope.withGradients()) {
      var leaves = new HashMap<Site, Tensor>();
      Tap tap =
          new Tap() {
            @Override
            public Set<Site> sites() {
              return sites;
            }

            @Override
            public Tensor at(Site site, Tensor value, Layout rows) {
              found.values.put(site, home.keep(value.detach()));
              Tensor zero =
                  scope.keep(Tensor.zeros(value.dtype(), value.shape()).requireGradient());
              leaves.put(site, zero);
              return value.add(zero);
            }
          };
      Pass pass = Pass.over(Layout.single(ids.length)).with(tap);
      Tensor x = model.stream(Tensor.of(ids, ids.length), pass);
      measure.apply(x.narrow(0, position, 1)).sum().backward();
      leaves.forEach((site, leaf) ->
          found.gradients.put(
              site, home.keep(Objects.requireNonNull(leaf.gradient(), site::toString))));
    }
    return found;
  }

  /// The value at a site, as the run had it.
  Tensor value(Site site) {
    return Objects.requireNonNull(values.get(site), site::toString);
  }

  /// The gradient there, in the value's shape.
  Tensor gradient(Site site) {
    return Objects.requireNonNull(gradients.get(site), site::toString);
  }
}
