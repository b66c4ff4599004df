package dev.fathom.model;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// What the caller will read of a forward pass, so that the rest is not computed: all queries or
/// only the last of each segment in the last block and the head, and all or some columns of the
/// vocabulary.
public record Wanted(boolean lastOnly, long @Nullable [] columns) {
  public static final Wanted ALL = new Wanted(false, null);
  public static final Wanted LAST = new Wanted(true, null);

  public Wanted {
    columns = columns == null ? null : columns.clone();
  }

  @Override
  public long @Nullable [] columns() {
    return columns == null ? null : columns.clone();
  }

  /// The same rows, but only these columns of the logits, in this order.
  public Wanted columns(long... ids) {
    return new Wanted(lastOnly, ids);
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Wanted wanted
        && lastOnly == wanted.lastOnly
        && Arrays.equals(columns, wanted.columns);
  }

  @Override
  public int hashCode() {
    return 31 * Boolean.hashCode(lastOnly) + Arrays.hashCode(columns);
  }
}
