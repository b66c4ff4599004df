import dev.fathom.Version;

/// Prints which version of the library is on the class path.
void main() {
  IO.println("Fathom " + Version.current());
}
