package dev.fathom.model;

import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/// Watches or changes values at named sites of a forward pass. Capturing, ablating, patching and
/// steering are all taps; [Taps] makes the common ones.
///
/// A tap names its sites in advance. A site that the model does not have is refused before anything
/// is computed, with the reason; one that never fired is an error after it.
public interface Tap {
  Tap NONE =
      new Tap() {
        @Override
        public Set<Site> sites() {
          return Set.of();
        }

        @Override
        public Tensor at(Site site, Tensor value, Layout rows) {
          return value;
        }
      };

  /// Every site this tap looks at. Values nobody asks for, attention patterns above all, are not
  /// built.
  Set<Site> sites();

  /// Called with the value at one of [#sites]; returns the value the model goes on with (`value`
  /// itself to change nothing). `value` belongs to a scope that closes soon: copy or `keep()` what
  /// must last.
  ///
  /// @param value `[tokens, …]` for the packed tokens of `rows`, except for [Kind#pairwise] sites,
  ///   which come as `[segments of rows, heads, queries, keys]` in one call for each group of like
  ///   segments
  Tensor at(Site site, Tensor value, Layout rows);

  /// The parts of its sites that this tap may change; empty for one that only watches. A tap that
  /// changes values names them, so that [#then] can refuse combinations in which the order matters.
  default List<Slice> writes() {
    return List.of();
  }

  /// Both taps, this one first: it sees values before the next may change them.
  ///
  /// @throws IllegalArgumentException if both change the same numbers; where that depends on the
  ///   lengths of the rows, it is thrown by the pass
  default Tap then(Tap next) {
    Tap first = this;
    if (first == NONE || next == NONE) {
      return first == NONE ? next : first;
    }
    var sites = new TreeSet<>(first.sites());
    sites.addAll(next.sites());
    var writes = new ArrayList<>(first.writes());
    writes.addAll(next.writes());
    Slice.requireDisjoint(writes);
    return new Tap() {
      @Override
      public Set<Site> sites() {
        return sites;
      }

      @Override
      public List<Slice> writes() {
        return List.copyOf(writes);
      }

      @Override
      public Tensor at(Site site, Tensor value, Layout rows) {
        Slice.requireDisjoint(
            writes.stream().filter(slice -> slice.site().equals(site)).toList(), rows);
        Tensor changed = first.sites().contains(site) ? first.at(site, value, rows) : value;
        return next.sites().contains(site) ? next.at(site, changed, rows) : changed;
      }
    };
  }
}
