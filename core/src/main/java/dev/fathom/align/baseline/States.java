package dev.fathom.align.baseline;

import dev.fathom.align.Fitting;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.List;

/// What a model makes of texts, one vector each: the mean over a text's own tokens.
final class States {
  private States() {}

  /// F64 `[texts, width]`, in the current scope. Kept in the fitting's cache, if it has one.
  static Tensor of(Fitting fitting, List<String> texts, Site site) {
    var slice = Slice.of(site);
    try (var scope = Scope.withoutGradients();
        var features = fitting.features(texts, List.of(slice))) {
      return scope.escape(features.at(slice).to(DType.F64));
    }
  }
}
