/// The `fathom` command. A verb is one file, `XCommand`, and one line in [Commands]: it parses its
/// options, calls the library, and renders the result.
///
/// Start at [Main#run], the entry point that tests call too. A command looks like this:
///
/// ```java
/// @Command(name = "tokens", description = "Counts the tokens of a prompt.", footer = {"", "Examples:", "  fathom tokens \"Hello\""})
/// final class TokensCommand implements Callable<Integer> {
///   private final Console console;
///   @Mixin private final ModelOptions model = new ModelOptions();
///   ...
/// ```
///
/// Results go to [Console#out], everything else to [Console#err]. A command returns 0 when it is
/// done; it throws [dev.fathom.FathomException] when the world failed it (exit 1) and
/// [IllegalArgumentException] when the user asked for something that makes no sense (exit 2). Files
/// are written through [AtomicFile], so that no failure or Ctrl-C leaves half a file. Everything
/// here runs on the main thread, apart from the painter of [Progress].
@NullMarked
package dev.fathom.cli;

import org.jspecify.annotations.NullMarked;
