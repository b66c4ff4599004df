package dev.fathom.cli;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/// Prints a script that completes verbs and options in a shell.
@Command(
    name = "completion",
    description = "Prints a script that completes verbs and options in your shell.",
    footer = {
      "",
      "Examples:",
      "  source <(fathom completion bash)                 this shell only",
      "  fathom completion zsh > ~/.fathom-completion     then source it in ~/.zshrc",
    })
final class CompletionCommand implements Callable<Integer> {
  /// The shells that are known; both read the same script.
  enum Shell {
    bash,
    zsh
  }

  private final Console console;

  @Parameters(paramLabel = "SHELL", description = "One of: ${COMPLETION-CANDIDATES}.")
  private Shell shell = Shell.bash;

  CompletionCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (shell == Shell.zsh) console.out().println("autoload -U +X compinit && compinit");
    console.out().println(AutoComplete.bash("fathom", Commands.tree(console)));
    return Main.DONE;
  }
}
