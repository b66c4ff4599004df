package dev.fathom.align;

import java.util.HashMap;
import java.util.Map;
import java.util.function.Supplier;

/// What methods found about one [Fitting], each thing once, so that the settings of a method share
/// what does not depend on them. Freed with the fitting, or before ([#forget]). Used by one thread.
public final class Shared {
  private final Map<Object, Object> found = new HashMap<>();

  /// What is known by this key, found now if it is not.
  ///
  /// @param key the class of what is found, or a record that tells more
  @SuppressWarnings("unchecked") // one supplier a key
  public <T> T of(Object key, Supplier<T> finder) {
    Object known = found.get(key);
    if (known == null) {
      known = finder.get();
      found.put(key, known);
    }
    return (T) known;
  }

  /// Frees what was found; whoever asks for it again finds it again.
  public void forget() {
    found.clear();
  }
}
