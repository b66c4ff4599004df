package dev.fathom;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Properties;

/// The version of Fathom that is running, as in its Maven coordinates: `0.1.0`, or `0.1.0-SNAPSHOT`
/// between releases. Cards of saved edits and results carry it.
public final class Version {
  private static final String CURRENT = read();

  private Version() {}

  public static String current() {
    return CURRENT;
  }

  private static String read() {
    var properties = new Properties();
    try (var in = Version.class.getResourceAsStream("version.properties")) {
      if (in == null)
        throw new IllegalStateException("version.properties is missing from the fathom-core jar");
      properties.load(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return properties.getProperty("version");
  }
}
