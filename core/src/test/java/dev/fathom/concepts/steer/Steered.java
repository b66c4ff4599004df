package dev.fathom.concepts.steer;

import dev.fathom.model.LanguageModel;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;

/// What tests of steering share.
final class Steered {
  static final int[] IDS = {5, 17, 99, 23, 64, 3, 120};

  static {
    Threads.set(1); // more only wait for each other over products this small
  }

  private Steered() {}

  static Direction direction(int width, long seed) {
    return Direction.of(new Random(seed).doubles(width, -1, 1).toArray(), 0.7, 0.3);
  }

  static double[] logits(LanguageModel model, int... ids) {
    try (var scope = Scope.withoutGradients()) {
      return model
          .logits(Tensor.of(ids, ids.length), Layout.single(ids.length), Wanted.ALL)
          .toDoubles();
    }
  }

  /// What a site shows for each of some tokens, when a tap has been there.
  static List<double[]> at(Transformer model, Tap tap, Site site, int... ids) {
    var found = new ArrayList<double[]>();
    try (var scope = Scope.withoutGradients()) {
      Tap both =
          tap.then(
              Taps.capture(
                  Set.of(site), (_, value, _) -> found.addAll(value.flatten(1, -1).toRows())));
      Tensor _ =
          model.forward(
              Tensor.of(ids, ids.length), Pass.over(Layout.single(ids.length)).with(both));
    }
    return found;
  }
}
