package dev.fathom.cli;

import dev.fathom.explain.report.Figures;
import dev.fathom.refine.study.StudyFigures;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// The figures of the thesis, for any model.
@Command(
    name = "figures",
    description = "Draws the thesis' figures for a model, and a page of them all.",
    footer = {
      "",
      "Figures that are in DIR already stay; a run that was killed goes on where it was.",
      "The prompts are the thesis' own. Figures about refinement (4.7, 4.8, 5.2 to 5.4,",
      "C.1, C.2, table-5.1 to table-5.3) are drawn from what fathom study left, without",
      "training anything; the page says which are missing, and what makes them.",
      "",
      "Examples:",
      "  fathom figures --out-dir figures",
      "  fathom figures -m model.gguf --out-dir figures --only 4.1,4.3",
      "  fathom figures -m DIR --out-dir figures --studies studies",
    })
final class FiguresCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final SweepOptions sweep = new SweepOptions();

  @Option(
      names = "--out-dir",
      required = true,
      paramLabel = "DIR",
      description = "Where pictures, arrays and index.html go.")
  private Path directory = Path.of("");

  @Option(
      names = "--studies",
      paramLabel = "DIR",
      description = "The --out-dir of fathom study: draw the figures about refinement from it.")
  private @Nullable Path studies;

  @Option(
      names = "--only",
      split = ",",
      paramLabel = "ID",
      description = "Numbers of the figures, with commas between. Default: all.")
  private List<String> only = List.of();

  @Option(names = "--force", description = "Make again what is there, of whichever model.")
  private boolean force;

  @Option(
      names = {"-q", "--quiet"},
      description = "Say nothing but errors.")
  private boolean quiet;

  FiguresCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    var config =
        Figures.Config.standard()
            .with(StudyFigures.of(Optional.ofNullable(studies)))
            .of(only.toArray(String[]::new))
            .within(sweep.budget())
            .telling(this::say);
    try (var model = LoadedModel.open(console, modelOptions)) {
      Path page =
          Figures.run(
              model.transformer(), model.tokenizer(), directory, force ? config.forced() : config);
      if (!quiet) {
        console.out().println(page);
      }
    }
    return Main.DONE;
  }

  private void say(String line) {
    if (!quiet) {
      console.err().println(line);
      console.err().flush();
    }
  }
}
