package dev.fathom.model;

/// One activation of one block: `resid_post.3`, `pattern.0`, `logits`. `layer` is -1 where the kind
/// has no layer.
public record Site(Kind kind, int layer) implements Comparable<Site> {
  public Site {
    if (kind.layered() != (layer >= 0)) {
      throw new IllegalArgumentException(
          kind.layered()
              ? "site %s needs a layer, such as %s.0".formatted(kind.text(), kind.text())
              : "site %s has no layer".formatted(kind.text()));
    }
  }

  public static Site of(Kind kind, int layer) {
    return new Site(kind, kind.layered() ? layer : -1);
  }

  public static Site of(Kind kind) {
    return new Site(kind, -1);
  }

  /// The address, such as `resid_post.3`.
  @Override
  public String toString() {
    return layer < 0 ? kind.text() : kind.text() + "." + layer;
  }

  @Override
  public int compareTo(Site other) {
    int byLayer = Integer.compare(layer, other.layer);
    return kind != other.kind ? kind.compareTo(other.kind) : byLayer;
  }
}
