package dev.fathom.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/// Concepts as directions: makes dictionaries of them and reads models by them.
@Command(
    name = "concepts",
    description = "Reads concepts as directions of a model, and maps what changed.",
    footer = {
      "",
      "Examples:",
      "  fathom concepts build -m DIR --out-dir concepts/base",
      "  fathom concepts show concepts/base",
      "  fathom concepts map concepts/base --with concepts/tuned --html map.html",
      "  fathom concepts decompose concepts/base -m DIR \"She thanked him for his help\"",
    })
final class ConceptsCommand {
  private ConceptsCommand() {}

  /// The verb with its own verbs.
  static CommandLine tree(Console console) {
    return new CommandLine(new ConceptsCommand())
        .addSubcommand(new ConceptsBuildCommand(console))
        .addSubcommand(new ConceptsShowCommand(console))
        .addSubcommand(new ConceptsDecomposeCommand(console))
        .addSubcommand(new ConceptsMapCommand(console));
  }
}
