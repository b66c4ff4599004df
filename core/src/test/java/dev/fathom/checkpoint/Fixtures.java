package dev.fathom.checkpoint;

import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Path;

/// Where the test fixtures lie on the class path.
final class Fixtures {
  private Fixtures() {}

  static Path of(String name) {
    return resource("/fixtures/" + name);
  }

  static Path resource(String name) {
    URL url = Fixtures.class.getResource(name);
    if (url == null) {
      throw new IllegalArgumentException("no resource " + name);
    }
    try {
      return Path.of(url.toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }
}
