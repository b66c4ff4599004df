package dev.fathom.checkpoint.hub;

/// Hears how a pull goes, in the thread that pulls. Called for every block that arrives (some tens
/// of kilobytes), so a display should draw only now and then.
@FunctionalInterface
public interface HubProgress {
  /// A file has grown, or is complete when both numbers are equal; a file found in the cache is
  /// told once, as complete.
  ///
  /// @param file path inside the repository, with `/`
  /// @param bytes how much of it is on this disk
  /// @param total its size in bytes
  void update(String file, long bytes, long total);

  /// One sentence the user should see although nothing failed, such as that the hub is out of reach
  /// and the cached snapshot is used.
  default void notice(String sentence) {}

  /// Tells nobody.
  static HubProgress silent() {
    return (file, bytes, total) -> {};
  }
}
