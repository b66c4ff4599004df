package dev.fathom.concepts.steer;

import dev.fathom.model.Layout;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Tap;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/// Does [Steering]s, those of one site in their order.
///
/// @param bySite those that do anything
record SteeringTap(Map<Site, List<Steering>> bySite, Steering.Tokens tokens) implements Tap {
  /// A tap that looks nowhere if nothing is to be done.
  static Tap of(List<? extends Steering> steerings, Steering.Tokens tokens) {
    var bySite = new TreeMap<Site, List<Steering>>();
    for (Steering steering : steerings) {
      if (acts(steering)) {
        bySite.computeIfAbsent(steering.site(), _ -> new ArrayList<>()).add(steering);
      }
    }
    return bySite.isEmpty() ? Tap.NONE : new SteeringTap(bySite, tokens);
  }

  /// Whether it changes anything.
  static boolean acts(Steering steering) {
    return steering.strength() != 0
        && switch (steering) {
          case Steering.Add _, Steering.ProjectOut _ -> true;
          case Steering.Remove remove -> !remove.undesired().isEmpty();
          case Steering.ShiftHeads shift -> !shift.heads().isEmpty();
        };
  }

  @Override
  public Set<Site> sites() {
    return new TreeSet<>(bySite.keySet());
  }

  @Override
  public List<Slice> writes() {
    return bySite.keySet().stream().map(Slice::of).toList();
  }

  @Override
  public Tensor at(Site site, Tensor value, Layout rows) {
    List<Steering> here = Objects.requireNonNull(bySite.get(site));
    return switch (tokens) {
      case ALL -> changed(here, value);
      case GENERATED -> {
        Tensor last = Tensor.of(rows.lastTokens(), rows.segments().size());
        yield value.indexCopy(0, last, changed(here, value.indexSelect(0, last)));
      }
    };
  }

  private static Tensor changed(List<Steering> steerings, Tensor value) {
    Tensor x = value;
    for (Steering steering : steerings) {
      x = changed(steering, x);
    }
    return x;
  }

  /// `[tokens, …] -> [tokens, …]`, of the same type.
  private static Tensor changed(Steering steering, Tensor x) {
    return switch (steering) {
      case Steering.Add(Site _, Direction direction, double strength) ->
          x.add(Tensor.of(direction.step(strength), direction.width()).to(x.dtype()));
      case Steering.ProjectOut(Site _, Direction direction, double strength) -> {
        Tensor v = Tensor.of(direction.unit(), 1, direction.width());
        Tensor wide = x.to(DType.F64);
        Tensor along = wide.matmul(v.transpose(0, 1)); // [tokens, 1]
        yield wide.sub(along.matmul(v).mul(strength)).to(x.dtype());
      }
      case Steering.Remove remove -> {
        List<double[]> rows =
            x.to(DType.F64).toRows().stream()
                .map(row ->
                    remove
                        .concepts()
                        .without(row, remove.undesired(), remove.solver(), remove.strength()))
                .toList();
        yield Tensor.ofRows(rows).to(x.dtype());
      }
      case Steering.ShiftHeads shift -> {
        long width = x.size(2);
        double[] by = new double[Math.toIntExact(x.size(1) * width)];
        shift
            .heads()
            .forEach((head, direction) ->
                System.arraycopy(
                    direction.step(shift.strength()),
                    0,
                    by,
                    Math.toIntExact(head * width),
                    direction.width()));
        yield x.add(Tensor.of(by, 1, x.size(1), width).to(x.dtype()));
      }
    };
  }
}
