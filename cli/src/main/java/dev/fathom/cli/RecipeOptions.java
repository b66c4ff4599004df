package dev.fathom.cli;

import dev.fathom.data.PromptTemplate;
import dev.fathom.refine.InstructionRows;
import dev.fathom.refine.Refiner;
import dev.fathom.text.Tokenizer;
import dev.fathom.train.Trainer;
import picocli.CommandLine.Option;

/// How long, how fast and from which rows is learnt.
final class RecipeOptions {
  @Option(
      names = "--held-out",
      paramLabel = "N",
      description = "Rows that are only evaluated, not learnt. Default: ${DEFAULT-VALUE}.")
  private int heldOut = 32;

  @Option(
      names = "--epochs",
      paramLabel = "X",
      description = "Times each row is learnt. Default: ${DEFAULT-VALUE}.")
  private double epochs;

  @Option(
      names = "--batch",
      paramLabel = "ROWS",
      description = "Rows of a step. Default: ${DEFAULT-VALUE}.")
  private int batch = 16;

  @Option(
      names = "--piece",
      paramLabel = "TOKENS",
      description =
          "Tokens whose graph a thread holds at a time: fewer take less memory. Default:"
              + " ${DEFAULT-VALUE}.")
  private int piece;

  @Option(
      names = "--rate",
      paramLabel = "X",
      description = "Highest learning rate. Default: ${DEFAULT-VALUE}.")
  private double rate = 3e-4;

  @Option(
      names = "--max-tokens",
      paramLabel = "N",
      description = "Longer rows are cut. Default: ${DEFAULT-VALUE}.")
  private int maxTokens = 256;

  /// The default of one long run is to learn rows more often than each of many does, and in larger
  /// pieces.
  RecipeOptions(double epochs, int piece) {
    this.epochs = epochs;
    this.piece = piece;
  }

  /// Refuses what makes no sense, before anything is read.
  void check() {
    if (heldOut < 0) {
      throw new IllegalArgumentException("--held-out should be at least 0, found " + heldOut + ".");
    }
  }

  int heldOut() {
    return heldOut;
  }

  int maxTokens() {
    return maxTokens;
  }

  double epochs() {
    return epochs;
  }

  int batch() {
    return batch;
  }

  double rate() {
    return rate;
  }

  /// How instructions become rows.
  InstructionRows rows(PromptTemplate template, Tokenizer tokenizer) {
    return InstructionRows.standard(template, tokenizer).withMaxTokens(maxTokens);
  }

  /// How to learn from so many rows.
  Trainer.Config training(int rows, ModelOptions options) {
    return Refiner.training(rows, epochs, batch, rate)
        .withPieces(piece)
        .withWorkers(options.threads().orElse(Runtime.getRuntime().availableProcessors()));
  }
}
