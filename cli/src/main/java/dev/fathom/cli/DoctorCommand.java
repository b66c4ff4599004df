package dev.fathom.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

@Command(
    name = "doctor",
    description = "Shows what this machine offers, with a fix for each problem.",
    footer = {"", "Examples:", "  fathom doctor"})
final class DoctorCommand implements Callable<Integer> {
  private final Console console;

  DoctorCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    console.out().println("ok");
    return 0;
  }
}
